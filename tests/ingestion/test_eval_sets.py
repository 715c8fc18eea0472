"""Evaluation sets: when they are run, what is refused, who is told of drift, and what metrics say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from ingestion import metrics
from ingestion.evals import own
from ingestion.evals.own import Asked
from ingestion.evals.told import tell_drift
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import EvalRun, EvalSet, Tenant, Webhook, WebhookDelivery
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound

QUESTION = {"id": "q", "text": "where?", "documents": [["s", "d"]]}
WORSE = {"against": "before", "verdict": "worse", "difference": -0.2, "run_id": "r0"}


@pytest.fixture
def tenants(catalog: Catalog) -> Catalog:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add_all(Tenant(id=tenant, name=tenant) for tenant in ("a", "b"))
    return catalog


def made(catalog: Catalog, tenant: str = "a", **given: Any) -> str:
    asked = {"name": "set", "user_id": "user:alice", "questions": [QUESTION], "schedule": None, **given}
    with catalog.transaction(tenant) as session:
        return own.create(session, tenant, Asked(asked)).id


def ended(catalog: Catalog, set_id: str, tenant: str = "a", **given: Any) -> str:
    """A run that came to an end."""
    with catalog.transaction(tenant) as session:
        run = own.start(session, own.find(session, tenant, set_id, lock=True))
        for name, value in {"state": "succeeded", "finished_at": clock.now(), **given}.items():
            setattr(run, name, value)
        session.add(run)
        return run.id


def test_a_schedule_starts_one_run_each_time_it_comes_and_makes_up_for_what_was_missed_once(tenants: Catalog) -> None:
    every, never = made(tenants, schedule="1h"), made(tenants, name="other")
    with tenants.transaction(ACROSS_TENANTS) as session:
        assert own.start_due(session) == 0
        session.execute(
            sa.text("UPDATE eval_set SET next_at = now() - interval '3 days' WHERE id = :id"), {"id": every}
        )
    for started in (1, 0):
        with tenants.transaction(ACROSS_TENANTS) as session:
            assert own.start_due(session) == started
    with tenants.transaction("a") as session:
        row = own.find(session, "a", every, lock=True)
        assert row.next_at is not None and row.next_at > clock.now() + timedelta(minutes=59)
        (run,) = own.runs(session, row, limit=9, before="")
        assert (run.state, own.start(session, row).id) == ("queued", run.id)  # one at a time
        assert own.latest(session, own.find(session, "a", never)) is None


def test_what_is_too_old_goes_but_for_the_baseline(tenants: Catalog) -> None:
    set_id = made(tenants, schedule="1h")
    baseline, old = ended(tenants, set_id), ended(tenants, set_id)
    with tenants.transaction("a") as session:
        own.change(session, own.find(session, "a", set_id, lock=True), Asked({"baseline": baseline}))
        session.execute(sa.text("UPDATE eval_run SET created_at = now() - interval '366 days'"))
        session.execute(sa.text("UPDATE eval_set SET next_at = now()"))
    with tenants.transaction(ACROSS_TENANTS) as session:
        own.start_due(session)
    with tenants.reading("a") as session:
        left = {run.id for run in own.runs(session, own.find(session, "a", set_id), limit=9, before="")}
    assert baseline in left and old not in left and len(left) == 2


def test_what_cannot_be_is_refused(tenants: Catalog) -> None:
    set_id = made(tenants)
    for wrong, field in (({"schedule": "10m"}, "schedule"), ({"schedule": "*/5 * * * *"}, "schedule")):
        with pytest.raises(InvalidInput) as refused:
            made(tenants, name="x", **wrong)
        assert refused.value.field == field
    with pytest.raises(InvalidInput):
        made(tenants, name="x", user_id="group:staff")
    with pytest.raises(Conflict):
        made(tenants)
    assert made(tenants, "b")  # another tenant's names are its own
    other = made(tenants, name="other")
    foreign, open_ = ended(tenants, other), None
    with tenants.transaction("a") as session:
        row = own.find(session, "a", set_id, lock=True)
        open_ = own.start(session, row).id
        with pytest.raises(NotFound):
            own.change(session, row, Asked({"baseline": foreign}))
        with pytest.raises(Conflict):
            own.change(session, row, Asked({"baseline": open_}))
        with pytest.raises(NotFound):
            own.find(session, "b", set_id)


def test_a_digest_is_of_the_questions_in_whatever_order() -> None:
    other = {**QUESTION, "id": "p"}
    assert own.digest([QUESTION, other]) == own.digest([other, QUESTION]) != own.digest([QUESTION])


def hook(catalog: Catalog, id_: str, *events: str, tenant: str = "a", state: str = "active") -> None:
    with catalog.transaction(tenant) as session:
        session.add(
            Webhook(tenant_id=tenant, id=id_, url="https://hooks.example.org/", events=list(events), state=state)
        )


def test_who_wants_to_know_of_drift_is_told_once_and_of_nothing_uncertain(tenants: Catalog) -> None:
    for id_, events, state in (
        ("h1", "eval.drift", "active"),
        ("h2", "job.ended", "active"),
        ("h3", "eval.drift", "disabled"),
    ):
        hook(tenants, id_, events, state=state)
    hook(tenants, "h4", "eval.drift", tenant="b")
    set_id = made(tenants)
    ended(tenants, set_id, drift=[{**WORSE, "verdict": "even"}])
    run = ended(tenants, set_id, drift=[WORSE, {**WORSE, "against": "baseline", "verdict": "too_few"}], generation="g1")
    for owed in (1, 0):
        with tenants.transaction(ACROSS_TENANTS) as session:
            assert tell_drift(session) == owed
    with tenants.reading(ACROSS_TENANTS) as session:
        (call,) = session.exec(select(WebhookDelivery)).all()
    assert (call.tenant_id, call.webhook_id, call.event) == ("a", "h1", "eval.drift")
    assert (call.data["run_id"], call.data["set_id"], call.data["drift"]) == (run, set_id, [WORSE])


def test_metrics_count_runs_and_what_the_last_of_each_set_says(tenants: Catalog) -> None:
    falling = made(tenants)
    ended(tenants, falling, drift=[{**WORSE, "verdict": "better"}])
    ended(tenants, falling, drift=[WORSE])
    ended(tenants, falling, state="failed")
    made(tenants, "b")
    with tenants.reading(ACROSS_TENANTS) as session:
        metrics.read(session)
    told = {sample.labels["drift"]: sample.value for one in metrics.EVAL_SETS.collect() for sample in one.samples}
    assert told == {"worse": 1, "better": 0, "even": 0, "unknown": 1}
    states = {sample.labels["state"]: sample.value for one in metrics.EVAL_RUNS.collect() for sample in one.samples}
    assert states == {"queued": 0, "running": 0, "succeeded": 2, "failed": 1}


def test_a_set_goes_with_its_runs(tenants: Catalog) -> None:
    set_id = made(tenants)
    ended(tenants, set_id)
    with tenants.transaction("a") as session:
        session.delete(own.find(session, "a", set_id, lock=True))
    with tenants.reading(ACROSS_TENANTS) as session:
        assert session.exec(select(EvalSet).where(col(EvalSet.id) == set_id)).all() == []
        assert session.exec(select(EvalRun)).all() == []
