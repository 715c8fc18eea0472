"""When a source is synced by itself: content and access at their own times, less and less while it fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from celery.exceptions import SoftTimeLimitExceeded

from ingestion import breaker, sources
from ingestion.doorbell import make_celery
from ingestion.jobs import find_job, start_due_syncs, start_sync, view
from ingestion.schemas import SourceIn, SourcePatch
from ingestion.tasks import register
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.wiki import Site
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core.errors import Conflict, InvalidInput, SyncRefused, Unavailable
from vouch.core.types import Json


@pytest.fixture
def source(walk: Walk, site: Site) -> Source:
    site.pages = {"page": "The boathouse opens at nine."}
    return walk.add_source("wiki", "wiki")


def set_(walk: Walk, assignment: str) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text(f"UPDATE {assignment}"))


def due(walk: Walk) -> list[str]:
    """The kinds of sync that the scheduler starts now."""
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        stages = start_due_syncs(session)
        query = sa.text("SELECT j.kind FROM job j JOIN stage s ON s.job_id = j.id WHERE s.id = ANY(:ids)")
        return list(session.execute(query, {"ids": stages}).scalars())


def shown(walk: Walk, source: Source) -> Json:
    with walk.services.catalog.reading(TENANT) as session:
        return sources.shown(session, sources.find_source(session, TENANT, source.id))


def fail(walk: Walk, source: Source) -> Json:
    """A sync by hand with every attempt made."""
    job = walk.sync(source)
    while job["state"] == "running":
        set_(walk, "stage SET not_before = now() WHERE state = 'ready'")
        job = walk.finish(job["job_id"])
    return job


def test_access_has_a_schedule_of_its_own_and_gives_way_without_being_forgotten(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        row = sources.find_source(session, TENANT, source.id, lock=True)
        sources.change(session, row, SourcePatch(schedule="15m", access_schedule="*/5 * * * *"), actor="test")
    assert shown(walk, source)["access_schedule"] == "*/5 * * * *" and due(walk) == []
    set_(walk, "source SET next_access_at = now()")
    assert due(walk) == ["access"]
    walk.drain()
    set_(walk, "source SET next_access_at = now(), next_sync_at = now()")
    assert due(walk) == ["incremental"] and due(walk) == [], "one sync of a source runs at a time"
    walk.drain()
    assert due(walk) == ["access"], "it was due all the while"
    walk.drain()
    assert due(walk) == []


@pytest.mark.parametrize("field", ["schedule", "access_schedule"])
def test_a_schedule_that_is_none_is_refused_by_its_name(walk: Walk, source: Source, field: str) -> None:
    with pytest.raises(InvalidInput) as refused, walk.services.catalog.transaction(TENANT) as session:
        asked = SourceIn.model_validate({"name": "x", "kind": "push", field: "0 0 31 2 *"})
        sources.create(session, TENANT, asked)
    assert refused.value.field == field


def test_what_is_paused_is_neither_due_nor_synced_by_hand(walk: Walk, source: Source) -> None:
    set_(walk, "source SET state = 'paused', next_access_at = now(), next_sync_at = now()")
    assert due(walk) == []
    with pytest.raises(Conflict), walk.services.catalog.transaction(TENANT) as session:
        start_sync(session, source, "incremental")
    set_(walk, "source SET state = 'active'")
    assert due(walk) == ["incremental"]


def test_failures_open_the_circuit_a_hand_may_try_and_a_success_closes_it(
    walk: Walk, site: Site, source: Source
) -> None:
    site.fails = Unavailable("the wiki is away")
    for failures in (1, 2):
        job = fail(walk, source)
        assert job["state"] == "failed" and job["errors"][0]["reason"] == "source_unreachable"
        assert job["errors"][0]["attempts"] == 3, "a source that does not answer is not tried for ever"
        failing = shown(walk, source)["failing"]
        assert (failing["state"], failing["failures"], failing["next_try"]) == ("counting", failures, None)
    set_(walk, "source SET next_sync_at = now(), next_access_at = now()")
    fail(walk, source)
    failing = shown(walk, source)["failing"]
    assert (failing["state"], failing["failures"]) == ("open", 3) and failing["next_try"] > failing["since"]
    assert due(walk) == []
    set_(walk, "source SET try_after = now()")
    assert due(walk) == ["incremental"], "its pause is over, so it is tried"
    site.fails = None
    walk.drain()
    assert shown(walk, source)["failing"] is None

    site.fails = RuntimeError("broken")
    for _ in range(3):
        fail(walk, source)
    site.fails = None
    assert walk.sync(source)["state"] == "succeeded" and shown(walk, source)["failing"] is None


def test_a_scan_that_takes_too_long_is_ended_and_counts_as_a_failure(walk: Walk, site: Site, source: Source) -> None:
    site.fails = SoftTimeLimitExceeded()  # what Celery raises in the middle of whatever the scan is waiting for
    job = walk.sync(source)
    assert job["state"] == "failed" and site.scans == 1
    assert job["errors"][0]["reason"] == "source_unreachable" and "3600 s" in job["errors"][0]["detail"]
    assert shown(walk, source)["failing"]["failures"] == 1
    register(bell := make_celery("memory://"), lambda: walk.services, scan_limit_s=77)
    assert bell.tasks["ingestion.scan"].soft_time_limit == 77 < bell.tasks["ingestion.scan"].time_limit
    assert bell.tasks["ingestion.fetch"].soft_time_limit == 240


def test_pauses_grow_and_end(walk: Walk) -> None:
    pauses = [breaker.pause(n) for n in range(1, 12)]
    assert pauses[:5] == [None, None, *(timedelta(minutes=n) for n in (5, 10, 20))]
    assert pauses[-1] == breaker.pause(10**6) == timedelta(hours=6)


def test_what_a_working_source_tells_wrongly_does_not_open_it(walk: Walk, site: Site, source: Source) -> None:
    site.groups = [("group:staff", "user:bob")]
    job = walk.sync(source, "access")
    assert job["state"] == "failed" and shown(walk, source)["failing"] is None
    site.groups, site.fails = [], SyncRefused("no", reason="of_the_test")
    assert walk.sync(source)["state"] == "failed" and shown(walk, source)["failing"] is None


def test_one_source_that_fails_does_not_hold_up_another(walk: Walk, site: Site, source: Source) -> None:
    site.fails = Unavailable("away")
    other = walk.add_source("other", "wiki", site="other", issuer=None)
    with walk.services.catalog.transaction(TENANT) as session:
        start_sync(session, source, "incremental")
    assert walk.sync(other)["state"] == "succeeded"
    assert walk.scalar("SELECT count(*) FROM job WHERE state IN ('queued', 'running')") == 1


def test_a_job_tells_how_far_it_is_and_how_to_try_again_what_failed(walk: Walk, site: Site, source: Source) -> None:
    site.pages = {f"p{n}": f"Page {n}." for n in range(4)} | {"empty": ""}
    with walk.services.catalog.transaction(TENANT) as session:
        job_id, stage = start_sync(session, source, "incremental")
    run_stages(walk.services, [stage or ""])
    of_empty = "SELECT s.id FROM stage s JOIN document d ON d.id = s.document_id WHERE external_id = 'empty'"
    run_stages(walk.services, [str(walk.scalar(of_empty))])  # it is refused for good
    with walk.services.catalog.reading(TENANT) as session:
        job = view(session, find_job(session, TENANT, job_id))
    told = job["progress"]
    assert (told["documents"], told["done"]) == (5, 1) and told["per_second"] > 0
    assert told["seconds_left"] == round(4 / told["per_second"]) or told["seconds_left"] > 0
    (error,) = job["errors"]
    assert (error["external_id"], error["attempts"], error["reason"]) == ("empty", 1, "empty")
    assert error["stage"] in ("fetch", "parse") and error["retry"] == f"vouch job retry {job_id}"
    job = walk.finish(job_id)
    assert (job["progress"]["documents"], job["progress"]["done"], job["progress"]["seconds_left"]) == (5, 5, 0)


def test_nothing_is_estimated_before_the_scan_is_through(walk: Walk, source: Source) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        job_id, _ = start_sync(session, source, "incremental")
    with walk.services.catalog.reading(TENANT) as session:
        told = view(session, find_job(session, TENANT, job_id))["progress"]
    assert told == {"documents": 0, "done": 0, "per_second": 0.0, "seconds_left": None}
