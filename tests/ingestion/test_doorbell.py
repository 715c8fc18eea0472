"""Redis is a doorbell: what the scheduler rings again, and settings without which messages are lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis

from ingestion.doorbell import QUEUE_OF, at_once, make_celery, ring, ring_projector
from ingestion.jobs import start_sync
from ingestion.scheduler import sweep
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core import clock


@pytest.fixture
def source(walk: Walk, tmp_path: Path) -> Source:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.")
    return walk.add_source(path=str(tmp_path / "docs"))


def _waiting(walk: Walk, queue: str) -> int:
    return int(walk.services.redis.llen(queue))  # type: ignore[arg-type]


def test_a_lost_ring_is_rung_again(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        start_sync(session, source, "incremental")  # and never rung
    sweep(walk.services)
    assert _waiting(walk, "scan") <= 1  # index maintenance, perhaps: the stage has not been quiet for long
    walk.services.redis.flushall()
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(
            sa.text("UPDATE stage SET rung_at = now() - interval '1 min', not_before = now() - interval '1 min'")
        )
    assert sweep(walk.services) == 1
    assert _waiting(walk, "scan") == 1
    assert sweep(walk.services) == 0, "rung a moment ago"


def test_what_has_messages_enough_is_not_rung_for_again_and_what_has_too_few_is(walk: Walk) -> None:
    """A message does up to as many as it was rung for, of all that wait: whose it was does not matter."""
    many = 10 * at_once("parse")
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        for told in (
            "INSERT INTO source (tenant_id, id, name, kind, state) VALUES ('t', 's', 's', 'push', 'active')",
            "INSERT INTO job (tenant_id, id, source_id, kind, state, scanned)"
            " VALUES ('t', 'j', 's', 'push', 'running', true)",
            "INSERT INTO stage (tenant_id, id, job_id, source_id, document_id, name, version, state, attempts, fence)"
            f" SELECT 't', n, 'j', 's', n, 'parse', 0, 'ready', 0, 0 FROM generate_series(1, {many}) n",
        ):
            session.execute(sa.text(told))

    def sweep_after(minutes: int) -> int:
        with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
            ago = f"now() - interval '{minutes} min'"
            session.execute(sa.text(f"UPDATE stage SET rung_at = {ago}, not_before = {ago}"))
        return sweep(walk.services)

    assert sweep_after(1) == many and _waiting(walk, "documents") == 10, "nobody had rung"
    for _ in range(3):
        assert sweep_after(10) == 0 and _waiting(walk, "documents") == 10
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET attempts = 1 WHERE id = '7'"))
    assert sweep_after(10) == 1 and _waiting(walk, "documents") == 11, "what was tried is claimed by its own message"
    walk.services.redis.ltrim("documents", 0, 2)
    assert sweep_after(1) == 0, "a queue that is not quiet may be just about to"
    assert sweep_after(10) == many, "too few, so some were lost"


def test_work_of_a_dead_worker_is_rung_alone(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        start_sync(session, source, "incremental")
        session.execute(
            sa.text(
                "UPDATE stage SET state = 'leased', attempts = 1, leased_until = now() - interval '1 s',"
                " rung_at = now() - interval '1 min', not_before = now() - interval '1 min'"
            )
        )
    assert sweep(walk.services) == 1


def test_syncs_start_when_they_are_due_and_once(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        row = session.get_one(Source, (TENANT, source.id))
        row.schedule, row.next_sync_at = "15m", clock.now() - timedelta(seconds=1)
        session.add(row)
    sweep(walk.services)
    sweep(walk.services)
    assert walk.scalar("SELECT count(*) FROM job") == 1
    assert walk.scalar("SELECT next_sync_at > now() + interval '14 min' FROM source") is True


def test_an_index_that_is_behind_is_rung_for(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("INSERT INTO index_op (tenant_id, kind) VALUES ('t', 'write')"))
    sweep(walk.services)
    assert _waiting(walk, "project") >= 1


def test_a_redis_that_is_away_raises_nothing_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", pauses.append)
    away = make_celery("redis+socket:///nonexistent/redis.sock?virtual_host=0")
    ring(away, "fetch", ["a"])
    ring_projector(away, Redis(unix_socket_path="/nonexistent/redis.sock"))
    assert 0 < sum(pauses) < 1


def test_messages_carry_ids_alone_in_batches(walk: Walk) -> None:
    for stage, messages in (("parse", 3), ("embed", 3), ("scan", 70)):
        ring(walk.services.bell, stage, [f"id{n}" for n in range(70)])
        assert _waiting(walk, QUEUE_OF.get(stage, stage)) == messages


def test_the_settings_that_survive_a_kill(walk: Walk) -> None:
    conf = walk.services.bell.conf
    assert conf.task_acks_late and conf.task_reject_on_worker_lost and conf.task_ignore_result
    assert conf.worker_prefetch_multiplier == 1
    assert (conf.task_soft_time_limit, conf.task_time_limit) == (240, 300)
    assert conf.broker_transport_options["visibility_timeout"] == 900
    assert conf.accept_content == ["json"]
    assert conf.worker_cancel_long_running_tasks_on_connection_loss
