"""Leases, fences, attempts: who may finish what, and what happens to work whose worker died."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ingestion.jobs import find_job
from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Job, Source, Stage, Tenant
from vouch.core.errors import LeaseLost


@pytest.fixture
def stage_id(catalog: Catalog) -> str:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        session.add(Source(tenant_id="t", id="s", name="s", kind="push"))
        session.flush()
        session.add(Job(tenant_id="t", id="j", source_id="s", kind="push", state="running", scanned=True))
        session.flush()
        return ledger.add(session, "t", "j", "parse", "d", 1, {"version": 1})


def _stage(catalog: Catalog, stage_id: str) -> Stage:
    with catalog.reading(ACROSS_TENANTS) as session:
        found = session.get(Stage, ("t", stage_id))
        assert found is not None
        session.expunge(found)
        return found


def _expire(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(
            sa.text("UPDATE stage SET leased_until = now() - interval '1 s' WHERE id = :i"), {"i": stage_id}
        )


def test_one_worker_alone_gets_a_stage(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        assert len(ledger.claim(session, [stage_id], 30)) == 1
    with catalog.transaction(ACROSS_TENANTS) as session:
        assert ledger.claim(session, [stage_id], 30) == []


def test_attempts_count_before_the_work(catalog: Catalog, stage_id: str) -> None:
    for attempt in (1, 2, 3):
        with catalog.transaction(ACROSS_TENANTS) as session:
            (lease,) = ledger.claim(session, [stage_id], 30)
        assert lease.attempt == attempt == _stage(catalog, stage_id).attempts
        _expire(catalog, stage_id)


def test_a_worker_that_lost_its_lease_cannot_finish(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        (first,) = ledger.claim(session, [stage_id], 30)
    _expire(catalog, stage_id)
    with catalog.transaction(ACROSS_TENANTS) as session:
        (second,) = ledger.claim(session, [stage_id], 30)
    with pytest.raises(LeaseLost), catalog.transaction(ACROSS_TENANTS) as session:
        ledger.finish(session, first, then="chunk")
    with catalog.transaction(ACROSS_TENANTS) as session:
        assert ledger.finish(session, second, then="chunk")
        assert session.execute(sa.text("SELECT count(*) FROM stage WHERE name = 'chunk'")).scalar() == 1


def test_work_in_hand_keeps_its_lease(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        leases = ledger.claim(session, [stage_id], 1)
    before = _stage(catalog, stage_id).leased_until
    with ledger.held(catalog, leases, 1):
        while _stage(catalog, stage_id).leased_until == before:
            pass
    with catalog.transaction(ACROSS_TENANTS) as session:
        ledger.finish(session, leases[0])


def test_a_down_part_is_not_held_against_the_document(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        (lease,) = ledger.claim(session, [stage_id], 30)
        ledger.retry(session, lease, {"reason": "unavailable"}, delay_s=0, counts=False)
    assert _stage(catalog, stage_id).attempts == 0


def test_waiting_ends_when_the_projector_has_come_far_enough(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        (lease,) = ledger.claim(session, [stage_id], 30)
        ledger.wait_all(session, [(lease, 7)])
        assert ledger.wake(session, 6) == []
        assert ledger.wake(session, 7) == [stage_id]
    assert _stage(catalog, stage_id).attempts == 0


def test_a_job_ends_when_nothing_is_left(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        assert ledger.settle(session, ["j"]) == []
        (lease,) = ledger.claim(session, [stage_id], 30)
        ledger.fail(session, lease, {"reason": "corrupt"})
        assert ledger.settle(session, ["j"]) == ["j"]
        assert session.execute(sa.text("SELECT state FROM job")).scalar() == "failed"


def test_a_cancelled_job_gives_out_no_work(catalog: Catalog, stage_id: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE job SET state = 'cancelled'"))
        assert ledger.claim(session, [stage_id], 30) == []


def test_a_stage_is_finished_while_its_job_is_locked(catalog: Catalog, stage_id: str) -> None:
    """Cancelling locks the job, then its stages; a worker that had to wait for the job would hold the stage."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        (lease,) = ledger.claim(session, [stage_id], 30)
    with catalog.transaction(ACROSS_TENANTS) as cancelling:
        find_job(cancelling, "t", "j", lock=True)
        with catalog.transaction(ACROSS_TENANTS) as working:
            working.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
            assert ledger.finish(working, lease, then="chunk")


def _three(catalog: Catalog) -> list[ledger.Lease]:
    with catalog.transaction(ACROSS_TENANTS) as session:
        ids = [ledger.add(session, "t", "j", "parse", f"more{n}", n, {"version": n, "said": "kept"}) for n in range(3)]
        return ledger.claim(session, ids, 30)


def test_several_are_finished_together_and_each_has_its_own_result(catalog: Catalog, stage_id: str) -> None:
    leases = _three(catalog)
    with catalog.transaction("t") as session:
        done = [(lease, {"characters": lease.version}) for lease in reversed(leases)]
        following = ledger.finish_all(session, done, then="chunk", in_hand_s=30)
    given = [(lease.document_id, lease.version, 1, True) for lease in reversed(leases)]
    assert [(one.document_id, one.version, one.attempt, one.held) for one in following] == given
    for lease, after in zip(reversed(leases), following, strict=True):
        row = _stage(catalog, after.id)
        assert (row.name, row.state, row.document_id, row.version) == (
            "chunk",
            "leased",
            lease.document_id,
            lease.version,
        )
        assert row.result == _stage(catalog, lease.id).result == after.result
        assert row.result == {"version": lease.version, "said": "kept", "characters": lease.version}
    with catalog.transaction("t") as session:
        assert ledger.finish_all(session, [(one, {}) for one in following]) == []
        assert session.execute(sa.text("SELECT count(*) FROM stage WHERE state = 'done'")).scalar() == 6
        assert ledger.finish_all(session, []) == []


def test_of_several_none_is_finished_or_put_aside_when_one_is_lost(catalog: Catalog, stage_id: str) -> None:
    leases = _three(catalog)
    _expire(catalog, leases[1].id)
    with catalog.transaction(ACROSS_TENANTS) as session:
        ledger.claim(session, [leases[1].id], 30)
    with pytest.raises(LeaseLost), catalog.transaction("t") as session:
        ledger.finish_all(session, [(lease, {}) for lease in leases], then="chunk")
    with pytest.raises(LeaseLost), catalog.transaction("t") as session:
        ledger.wait_all(session, [(lease, 7) for lease in leases])
    assert {_stage(catalog, lease.id).state for lease in leases} == {"leased"}
    with catalog.reading("t") as session:
        assert session.execute(sa.text("SELECT count(*) FROM stage WHERE name = 'chunk'")).scalar() == 0
