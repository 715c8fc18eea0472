"""A shadow that nobody sees: what it leaves behind, what it may not hold up, and how what is tried compares."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from retrieval.profiles.aside import Aside
from tests.retrieval.releasing import HOTEL, admin, made, released, with_profiles
from tests.retrieval.world import TENANT, World
from vouch.catalog.budgets import Wanted, put
from vouch.catalog.retention import forget
from vouch.core import clock
from vouch.gateway.fake_chat import FakeChat


@pytest.fixture(autouse=True)
def models(world: World, tmp_path: Path) -> Iterator[dict[str, FakeChat]]:
    with with_profiles(world, tmp_path) as models:
        yield models


def ran(world: World) -> list[Any]:
    """What shadows came to, once all are done."""
    assert world.services.aside is not None
    world.services.aside.finish()
    with world.catalog.reading(TENANT) as session:
        return list(session.execute(sa.text("SELECT * FROM shadow_run ORDER BY at")))


def waited(go: threading.Event) -> None:
    go.wait()


def shadows(outcome: str) -> float:
    return REGISTRY.get_sample_value("vouch_shadows_total", {"outcome": outcome}) or 0.0


# --- shadows ----------------------------------------------------------------------------------------


def test_a_shadow_is_not_shown_and_leaves_figures_without_text(world: World, models: dict[str, FakeChat]) -> None:
    one = released(world, "extractive", shadow=("brief", 100))
    answer = world.ask("bob", HOTEL)
    assert made(answer) == ("extractive", "stable") and answer["usage"]["writer"] == "extractive"
    (row,) = ran(world)
    assert (row.answer_id, row.release_id, row.profile) == (answer["answer_id"], one["id"], "brief")
    assert row.outcome == "wrote" and len(models["other"].received) == 1
    assert row.shown["supported"] == len(answer["claims"]) and row.shown["cost"] == 0 < row.figures["cost"]
    assert not row.figures["abstained"] and 0 < row.overlap <= 1
    assert "140" not in str([value for name, value in row._mapping.items() if name not in ("shown", "figures")])
    assert set(row.figures) == {"supported", "rejected", "abstained", "cost", "ms"} == set(row.shown)
    kept = world.get(f"/answers/{answer['answer_id']}", "bob").json()
    assert kept["text"] == answer["text"] and kept["made_by"] == answer["made_by"]


def test_no_answer_waits_for_a_shadow_or_fails_with_it(world: World, models: dict[str, FakeChat]) -> None:
    models["other"].behave("held")
    released(world, "extractive", shadow=("brief", 100))
    first = world.ask("bob", HOTEL)  # comes while its shadow is held
    assert first["kind"] == "answer"
    models["other"].release()
    ran(world)
    models["other"].behave("server_error")
    assert world.ask("bob", HOTEL)["kind"] == "answer"
    failed = ran(world)[-1]
    assert (failed.outcome, failed.figures, failed.overlap) == ("server_error", None, None)


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    aside, running, go = Aside(room=1), threading.Event(), threading.Event()
    before, done = shadows("dropped"), []

    def held() -> None:
        running.set()
        go.wait()

    assert aside.offer(held)
    running.wait()
    assert aside.offer(lambda: done.append(1))
    assert not aside.offer(lambda: done.append(2))
    go.set()
    aside.finish()
    assert done == [1] and shadows("dropped") == before + 1
    failed = shadows("failed")
    aside.offer(lambda: done.pop(7))
    aside.finish()
    aside.offer(lambda: done.append(3))  # whatever went wrong with the one before
    aside.finish()
    assert done == [1, 3] and shadows("failed") == failed + 1
    aside.close()


def test_what_is_gone_back_from_or_may_not_be_read_any_more_is_not_sent(
    world: World, models: dict[str, FakeChat]
) -> None:
    assert world.services.aside is not None
    document = world.document("Bonus", "The bonus of a captain is 412 doubloons a year.", allow=("user:bob",))
    released(world, "extractive", shadow=("brief", 100))
    before, go = shadows("withdrawn"), threading.Event()
    world.services.aside.offer(lambda: waited(go))
    assert world.ask("bob", "What is the bonus of a captain a year?")["kind"] == "answer"
    world.readers(document, ("user:dave",), project=False)
    go.set()
    assert ran(world) == [] and not models["other"].received and shadows("withdrawn") == before + 1
    go.clear()
    world.services.aside.offer(lambda: waited(go))
    world.ask("bob", HOTEL)
    released(world, "extractive")
    go.set()
    assert ran(world) == [] and not models["other"].received and shadows("withdrawn") == before + 2


def test_a_shadow_is_nobodys_cost_but_its_own_workflows(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        put(session, TENANT, Wanted("user", "user:bob", "day", 1, None, True))
    released(world, "extractive", shadow=("brief", 100))
    world.ask("bob", HOTEL, workflow="mail")
    assert [row.outcome for row in ran(world)] == ["wrote"]
    with world.catalog.reading(TENANT) as session:
        (call,) = session.execute(sa.text("SELECT user_id, key_id, groups, workflow, trace_id FROM model_call"))
    assert tuple(call) == ("", "", [], "shadow", None)
    with world.catalog.transaction(TENANT) as session:
        put(session, TENANT, Wanted("workflow", "shadow", "day", 1, None, True))
    world.ask("bob", HOTEL)
    assert ran(world)[-1].outcome == "over_budget"
    response = world.post("/ask", "bob", question=HOTEL, workflow="shadow")
    assert (response.status_code, response.json()["field"]) == (422, "workflow")


def test_where_nothing_was_found_there_is_nothing_to_compare(world: World) -> None:
    released(world, "extractive", shadow=("strict", 100))
    world.ask("dave", HOTEL, filter={"source": ["none"]})
    assert ran(world) == []


def test_what_a_shadow_came_to_goes_with_its_answer(world: World) -> None:
    released(world, "extractive", shadow=("strict", 100))
    world.ask("bob", HOTEL)
    assert len(ran(world)) == 1
    with world.catalog.transaction(TENANT) as session:
        forget(session, TENANT, clock.now() + timedelta(days=1), 100)
    assert ran(world) == []


# --- compared ---------------------------------------------------------------------------------------


def test_what_is_tried_is_compared_by_the_same_measures(world: World) -> None:
    assert admin(world, "GET", "/comparison")["comparisons"] == []
    released(world, "extractive", canary=("strict", 50), shadow=("brief", 100))
    answers = [world.ask("bob", HOTEL, conversation_id=f"talk-{n}") for n in range(14)]
    world.post(f"/answers/{answers[0]['answer_id']}/feedback", "bob", helpful=True)
    rows = ran(world)
    released(world, "extractive", canary=("strict", 60))  # of the same profiles: what was counted goes on counting
    canary, shadow = admin(world, "GET", "/comparison")["comparisons"]
    arms = [made(one)[1] for one in answers]
    assert (canary["kind"], canary["former"], canary["candidate"]) == ("canary", "extractive", "strict")
    assert canary["answers"] == [arms.count("stable"), arms.count("canary")] and not canary["enough"]
    measures = {one["measure"]: one for one in canary["measures"]}
    assert set(measures) == {"abstained", "supported", "rejected", "cost", "ms"}  # one arm alone was found helpful
    abstained = measures["abstained"]
    assert (abstained["former"], abstained["candidate"], abstained["difference"]) == (0, 1, 1)
    assert abstained["low"] == abstained["high"] == 1
    assert (shadow["kind"], shadow["candidate"], shadow["answers"]) == ("shadow", "brief", [len(rows)] * 2)
    cost = next(one for one in shadow["measures"] if one["measure"] == "cost")
    assert cost["former"] == 0 < cost["low"] <= cost["difference"] <= cost["high"]
    assert 0 <= shadow["overlap"]["low"] <= shadow["overlap"]["mean"] <= shadow["overlap"]["high"] <= 1
    assert admin(world, "GET", "/comparison", params={"until": "2020-01-01T00:00:00Z"})["comparisons"][0][
        "answers"
    ] == [0, 0]
    assert admin(world, "GET", "/comparison", params={"workflow": "mail"})["comparisons"] == []
