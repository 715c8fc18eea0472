"""What fails is tried three times and then set aside, alone; a part that is down is nobody's fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingestion import convoy, work
from ingestion.jobs import cancel, retry, start_sync
from ingestion.services import Services
from ingestion.stages.step import Sized
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import MAX_ATTEMPTS, Lease
from vouch.core.errors import Conflict, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    (root / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    for name in ("good", "cursed"):
        (root / f"{name}.md").write_text(f"# {name}\n\nThis is the {name} page.")
    return root


def _cursed_id(walk: Walk) -> object:
    return walk.scalar("SELECT id FROM document WHERE external_id = 'cursed.md'")


def _no_pause(walk: Walk) -> None:
    """Retries come after a pause; the test does not wait for it."""
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))
        session.execute(sa.text("UPDATE stage SET leased_until = now() - interval '1 s' WHERE state = 'leased'"))


def _curse(walk: Walk, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[int]:
    """From now on parsing the cursed page raises ``error``; returns the attempts made, as they are made."""
    parse, attempts = convoy.STEP["parse"], list[int]()

    def cursed(services: Services, lease: Lease, found: object) -> Sized | None:
        if lease.document_id == _cursed_id(walk):
            attempts.append(lease.attempt)
            raise error
        made: Sized | None = parse.make(services, lease, found)
        return made

    monkeypatch.setitem(convoy.STEP, "parse", replace(parse, make=cursed))
    return attempts


def test_three_failures_quarantine_and_the_neighbour_goes_on(
    walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = _curse(walk, monkeypatch, RuntimeError("secret detail of the page"))
    source = walk.add_source(path=str(folder))
    job = walk.sync(source)
    assert job["state"] == "running"
    for _ in range(MAX_ATTEMPTS):
        _no_pause(walk)
        job = walk.finish(job["job_id"])
    assert attempts == [1, 2, 3]
    assert job["state"] == "succeeded"
    assert job["counts"] | {"published": 1, "quarantined": 1} == job["counts"]
    (error,) = job["errors"]
    assert (error["external_id"], error["stage"], error["attempts"]) == ("cursed.md", "parse", 3)
    assert "secret" not in str(error), "a library's words may quote the document"
    assert walk.scalar("SELECT state FROM document WHERE external_id = 'cursed.md'") == "quarantined"
    assert walk.verify().clean


def test_work_that_kills_its_worker_is_given_up(walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = _curse(walk, monkeypatch, KeyboardInterrupt())  # passes every handler, as a kill would
    source = walk.add_source(path=str(folder))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, _ = start_sync(session, source, "incremental")
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            walk.drain()
        _no_pause(walk)
    job = walk.finish(job_id)
    assert attempts == [1, 2, 3]
    assert [(e["external_id"], e["reason"]) for e in job["errors"]] == [("cursed.md", "worker_died")]
    assert job["counts"]["published"] == 1


def test_a_part_that_is_down_uses_up_no_attempt(walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        attempts = _curse(walk, patched, Unavailable("The blob store is away."))
        job = walk.sync(walk.add_source(path=str(folder)))
        for _ in range(MAX_ATTEMPTS + 2):
            _no_pause(walk)
            walk.drain()
        assert len(attempts) > MAX_ATTEMPTS
        assert set(attempts) == {1}
    _no_pause(walk)
    assert walk.finish(job["job_id"])["counts"]["published"] == 2


def test_what_a_message_has_no_time_for_is_put_back_untried(
    walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow documents must not use up the attempts of those that came in the same message."""
    monkeypatch.setattr(work, "ENOUGH_S", 0)
    monkeypatch.setattr(convoy, "SLICE_S", 0)
    for n in range(5):
        (folder / f"more{n}.md").write_text(f"# {n}\n\nThis is page {n}.")
    job = walk.sync(walk.add_source(path=str(folder)))
    assert (job["state"], job["counts"]["published"], job["errors"]) == ("succeeded", 7, [])
    assert walk.scalar("SELECT max(attempts) FROM stage") == 1


def test_retry_tries_what_failed_and_nothing_else(walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        _curse(walk, patched, RuntimeError("x"))
        job = walk.sync(walk.add_source(path=str(folder)))
        for _ in range(MAX_ATTEMPTS):
            _no_pause(walk)
            job = walk.finish(job["job_id"])
    embedded = walk.scalar("SELECT count(*) FROM embedding")
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        assert [name for name, _ in retry(session, TENANT, job["job_id"])] == ["parse"]
    job = walk.finish(job["job_id"])
    assert (job["state"], job["counts"]["published"], job["errors"]) == ("succeeded", 2, [])
    assert walk.scalar("SELECT count(*) FROM embedding") == embedded + 1
    with pytest.raises(Conflict), walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        retry(session, TENANT, job["job_id"])


def test_a_cancelled_job_stops_and_the_next_sync_goes_on(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, scan = start_sync(session, source, "incremental")
    run_stages(walk.services, [scan or ""])
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        cancel(session, TENANT, job_id)
    assert walk.finish(job_id)["state"] == "cancelled"
    assert walk.scalar("SELECT count(*) FROM chunk") == 0
    job = walk.sync(source)
    assert job["counts"] | {"published": 2} == job["counts"]


def test_a_document_deleted_on_its_way_never_appears(walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = walk.add_source(path=str(folder))
    publish = work.TOGETHER["publish"]

    def late(services: Services, leases: Sequence[Lease], ends: work.Ends) -> list[Lease] | None:
        if _cursed_id(walk) in [lease.document_id for lease in leases] and (folder / "cursed.md").exists():
            (folder / "cursed.md").unlink()
            from ingestion.delete import delete_documents

            with services.catalog.transaction(ACROSS_TENANTS) as session:
                delete_documents(session, TENANT, source.id, ["cursed.md"], "test")
        return publish(services, leases, ends)

    monkeypatch.setitem(work.TOGETHER, "publish", late)
    walk.sync(source)
    assert walk.scalar("SELECT state FROM document WHERE external_id = 'cursed.md'") == "deleted"
    found = walk.verify()
    assert found.clean, found.report()
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%cursed%'") == 0


def _before_publishing(walk: Walk, monkeypatch: pytest.MonkeyPatch, once: Callable[[Lease], str]) -> list[int]:
    """Run what ``once`` says of the cursed page before it is first published; how many go together each time."""
    publish, sizes = work.TOGETHER["publish"], list[int]()

    def meddled(services: Services, leases: Sequence[Lease], ends: work.Ends) -> list[Lease] | None:
        sizes.append(len(leases))
        for lease in leases:
            if len(sizes) == 1 and lease.document_id == _cursed_id(walk):
                with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
                    session.execute(sa.text(once(lease)))
        return publish(services, leases, ends)

    monkeypatch.setitem(work.TOGETHER, "publish", meddled)
    return sizes


def test_of_what_is_published_together_one_that_lacks_a_vector_holds_up_nobody(
    walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = "DELETE FROM embedding WHERE text_hash IN (SELECT text_hash FROM chunk WHERE text LIKE '%cursed page%')"
    sizes = _before_publishing(walk, monkeypatch, lambda _: lost)
    job = walk.sync(walk.add_source(path=str(folder)))
    for _ in range(MAX_ATTEMPTS):
        _no_pause(walk)
        job = walk.finish(job["job_id"])
    assert sizes[:3] == [2, 1, 1], "together, and then each for itself"
    assert job["counts"] | {"published": 1, "quarantined": 1} == job["counts"]
    assert walk.scalar("SELECT state FROM document WHERE external_id = 'good.md'") == "live"
    assert walk.scalar("SELECT state FROM document WHERE external_id = 'cursed.md'") == "quarantined"
    assert walk.verify().clean


def test_of_what_is_published_together_one_that_passed_to_another_worker_is_left_to_it(
    walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = _before_publishing(
        walk, monkeypatch, lambda lease: f"UPDATE stage SET fence = fence + 1 WHERE id = '{lease.id}'"
    )
    job = walk.sync(walk.add_source(path=str(folder)))
    assert sizes[:3] == [2, 1, 1]
    assert job["counts"] | {"published": 1} == job["counts"]
    assert walk.scalar("SELECT state FROM document WHERE external_id = 'good.md'") == "live"
    assert walk.scalar("SELECT current_version FROM document WHERE external_id = 'cursed.md'") is None
    _no_pause(walk)  # the other worker is gone
    assert walk.finish(job["job_id"])["counts"]["published"] == 2
    assert walk.verify().clean


def test_two_versions_of_a_document_in_one_message_end_with_the_newer(walk: Walk, folder: Path) -> None:
    """The second is named by a sync of its own while the first waits to be published."""
    source = walk.add_source(path=str(folder))
    jobs = []
    for text in ("older", "newer"):
        (folder / "good.md").write_text(f"# good\n\nThis is the {text} page.")
        with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
            session.execute(sa.text("UPDATE job SET state = 'succeeded'"))  # a source has one sync at a time
            jobs.append(start_sync(session, source, "incremental")[0])
        while not walk.scalar("SELECT count(*) FROM stage WHERE name = 'publish' AND job_id = :j", j=jobs[-1]):
            run_stages(walk.services, _ready(walk, "scan", "fetch", "embed"))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE job SET state = 'running', finished_at = NULL"))
    both = _ready(walk, "publish")
    assert len(both) > len(set(_documents_of(walk, both)))
    walk.drain()
    text = "SELECT c.text FROM document d JOIN chunk c ON c.document_id = d.id AND c.version = d.current_version"
    assert "newer" in str(walk.scalar(f"{text} WHERE d.external_id = 'good.md'"))
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%older%'") == 0
    assert walk.verify().clean


def _ready(walk: Walk, *names: str) -> list[str]:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        query = sa.text("SELECT id FROM stage WHERE state = 'ready' AND name = ANY(:names) ORDER BY id")
        return list(session.execute(query, {"names": list(names)}).scalars())


def _documents_of(walk: Walk, stage_ids: Sequence[str]) -> list[str]:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        query = sa.text("SELECT document_id FROM stage WHERE id = ANY(:ids)")
        return list(session.execute(query, {"ids": list(stage_ids)}).scalars())
