"""A tenant's own set, run where questions are asked: as its user, by both gates, under a lease, without a trace."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from acl import directory
from ingestion.evals import own
from ingestion.evals.own import Asked
from retrieval.measuring import measure as measuring
from retrieval.measuring.drift import Former, drift
from retrieval.measuring.runner import Runner, Stopped, run_next
from retrieval.measuring.turns import MAX_ATTEMPTS, claim, renew
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import EvalRun, Trace
from vouch.core import clock
from vouch.core.errors import LeaseLost, Unavailable

QUESTIONS = {
    "leave": ("How many weeks of parental leave may a parent take?", "Parental leave"),
    "hotel": ("What do hotels cost at most per night?", "Travel"),
    "berlin": ("When does the Berlin office open?", "Office"),
    "gone": ("Where are bicycles kept in winter?", "Bicycles"),
}


def given(world: World, user: str = "alice", names: Sequence[str] = tuple(QUESTIONS)) -> str:
    questions = [
        {"id": name, "text": QUESTIONS[name][0], "documents": [["docs", QUESTIONS[name][1]]]} for name in names
    ]
    asked = {"name": f"of {user}", "user_id": f"user:{user}", "questions": questions, "schedule": None}
    with world.catalog.transaction(TENANT) as session:
        return own.create(session, TENANT, Asked(asked)).id


def started(world: World, set_id: str) -> str:
    with world.catalog.transaction(TENANT) as session:
        return own.start(session, own.find(session, TENANT, set_id, lock=True)).id


def kept(world: World, run_id: str) -> EvalRun:
    with world.catalog.reading(TENANT) as session:
        return session.get_one(EvalRun, (TENANT, run_id))


def ran(world: World, set_id: str) -> EvalRun:
    run_id = started(world, set_id)
    assert run_next(world.services, threading.Event())
    return kept(world, run_id)


def test_a_set_is_asked_as_its_user_and_what_they_may_not_read_is_missing(world: World) -> None:
    alice, bob = given(world), given(world, "bob")
    assert not run_next(world.services, threading.Event())
    first, other = ran(world, alice), ran(world, bob)
    assert (first.state, first.questions, first.missing, first.generation) == ("succeeded", 4, 1, "g1")
    assert first.recipe["chunker"] == "structure.v1" and first.profile["reranker"] == "lexical"
    assert {name: row["success_5"] for name, row in first.measured.items()} == {
        "leave": 1.0, "hotel": 1.0, "berlin": 1.0, "gone": 0.0,
    }  # fmt: skip
    assert first.figures["success_5"]["mean"] == 0.75
    assert (other.missing, other.measured["leave"]["recall_100"]) == (2, 0.0)  # closed to bob, or gone: all the same
    with world.catalog.reading(TENANT) as session:
        assert session.execute(sa.select(sa.func.count()).select_from(Trace)).scalar() == 0
        told = session.execute(sa.text("SELECT actor, detail FROM audit_entry WHERE action = 'evals.run'")).all()
    assert [row.actor.split()[0] for row in told] == ["user:alice", "user:bob"]
    assert all(set(row.detail) == {"run", "questions"} for row in told)


def test_access_that_is_lost_shows_in_the_next_run(world: World) -> None:
    set_id = given(world)
    before = ran(world, set_id)
    world.member("hr", remove=["user:alice"])
    after = ran(world, set_id)
    assert (before.missing, after.missing) == (1, 2)
    (one,) = after.drift
    assert (one["against"], one["run_id"], one["verdict"]) == ("before", before.id, "too_few")
    assert (one["won"], one["lost"], one["changed"]) == (0, 1, ["missing"])
    assert one["difference"] == pytest.approx(-before.measured["leave"]["ndcg_10"] / 4)


def test_runs_of_other_questions_are_not_held_against_each_other_and_a_baseline_stays(world: World) -> None:
    set_id = given(world)
    first, second = ran(world, set_id), ran(world, set_id)
    with world.catalog.transaction(TENANT) as session:
        own.change(session, own.find(session, TENANT, set_id, lock=True), Asked({"baseline": first.id}))
    third = ran(world, set_id)
    assert [(one["against"], one["run_id"]) for one in third.drift] == [("before", second.id), ("baseline", first.id)]
    assert {one["difference"] for one in third.drift} == {0.0}
    with world.catalog.transaction(TENANT) as session:
        row = own.find(session, TENANT, set_id, lock=True)
        own.change(session, row, Asked({"questions": row.questions[:2]}))
    assert ran(world, set_id).drift == []


def test_a_user_who_is_gone_fails_the_run_and_says_so(world: World) -> None:
    set_id = given(world, "dave")
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_user(session, TENANT, "user:dave", name="Dave", active=False, actor="test")
    run = ran(world, set_id)
    assert run.state == "failed" and run.problem is not None and run.problem["reason"] == "unauthenticated"
    assert run.measured == {}


def test_who_dies_over_a_run_loses_it_and_at_the_third_time_it_has_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(world, given(world))
    for attempt in range(MAX_ATTEMPTS):
        with world.catalog.transaction(ACROSS_TENANTS) as session:
            turn = claim(session)
            assert turn is not None and turn.run.attempts == attempt + 1
            assert claim(session) is None  # it is held
            session.expunge_all()
        with world.catalog.transaction(ACROSS_TENANTS) as session:
            past = clock.now() - timedelta(seconds=1)
            session.execute(sa.text("UPDATE eval_run SET leased_until = :past"), {"past": past})
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        assert claim(session) is None
    with world.catalog.transaction(TENANT) as session, pytest.raises(LeaseLost):
        renew(session, turn)
    run = kept(world, run_id)
    assert run.state == "failed" and run.problem is not None and run.problem["reason"] == "died"


def test_a_part_that_is_down_puts_it_off_and_a_stop_leaves_it_to_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, over = started(world, given(world)), threading.Event()

    def down(*_: Any) -> None:
        raise Unavailable("The index is away.")

    with monkeypatch.context() as patched:
        patched.setattr(measuring, "find", down)
        assert run_next(world.services, threading.Event())
    assert (kept(world, run_id).state, run_next(world.services, over)) == ("queued", False)  # for a while
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE eval_run SET leased_until = NULL"))
    over.set()
    with pytest.raises(Stopped):
        run_next(world.services, over)
    assert (kept(world, run_id).state, kept(world, run_id).attempts) == ("queued", 1)  # the stop does not count
    over.clear()
    assert run_next(world.services, over) and kept(world, run_id).state == "succeeded"


def test_a_fault_of_ours_fails_the_run_and_not_the_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = started(world, given(world))
    monkeypatch.setattr(measuring, "find", lambda *_: 1 / 0)
    assert run_next(world.services, threading.Event())
    run = kept(world, run_id)
    assert run.state == "failed" and run.problem is not None and run.problem["reason"] == "internal"


def test_a_process_runs_what_is_due_until_it_is_closed(world: World) -> None:
    run_id = started(world, given(world, names=["hotel"]))
    ended = threading.Event()
    runner = Runner(world.services, 0.01)
    runner.start()
    try:
        for _ in range(1_000):
            if kept(world, run_id).state == "succeeded":
                break
            ended.wait(0.02)
        assert kept(world, run_id).state == "succeeded"
    finally:
        runner.close()


def run_of(values: dict[str, float]) -> EvalRun:
    measured = {name: {"ndcg_10": value} for name, value in values.items()}
    return EvalRun(id="r", generation="g1", measured=measured)


def test_what_is_worse_for_certain_is_called_so_and_nothing_else_is() -> None:
    many = {str(n): 0.8 for n in range(40)}
    worse = {name: 0.8 - 0.3 * (int(name) % 3 == 0) for name in many}
    for former, now, verdict in (
        (many, worse, "worse"),
        (worse, many, "better"),
        (many, {**many, "0": 0.7}, "even"),
        (many, many, "even"),
        (dict.fromkeys("abc", 0.8), dict.fromkeys("abc", 0.1), "too_few"),
    ):
        (one,) = drift(run_of(now), [Former("before", run_of(former))])
        assert one["verdict"] == verdict
