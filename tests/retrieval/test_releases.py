"""Releases over HTTP: who is served by what, how fast it is gone back from, and a shadow that nobody sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from retrieval.profiles.aside import Aside
from retrieval.profiles.profile import Profiles
from retrieval.prompts import ANSWER
from tests.retrieval.world import TENANT, World
from vouch.catalog.budgets import Wanted, put
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

HOTEL = "How much is reimbursed for a hotel per night?"
LEAVE = "How many weeks of paid parental leave may a parent take?"
MODELS = """
currency = "EUR"
[models.small]
provider = "openai"
url = "{small}"
model = "m-small"
retries = 0
price = {{ input = 100, output = 100 }}
[models.other]
provider = "openai"
url = "{other}"
model = "m-other"
retries = 0
price = {{ input = 1000, output = 1000 }}
[models.elsewhere]
provider = "openai"
url = "{other}"
model = "m-other"
tenants = ["another"]
[[routes]]
models = ["extractive"]
"""
PROFILES = """
[profiles.careful]
writers = ["small", "extractive"]
approval = true
[profiles.brief]
writers = ["other"]
passages = 1
[profiles.strict]
writers = "extractive"
abstain_below = 1.0
[profiles.foreign]
writers = ["elsewhere"]
"""


@pytest.fixture
def models() -> Iterator[dict[str, FakeChat]]:
    with FakeChat() as small, FakeChat() as other:
        yield {"small": small, "other": other}


@pytest.fixture
def world(world: World, models: dict[str, FakeChat], tmp_path: Path) -> Iterator[World]:
    (tmp_path / "models.toml").write_text(MODELS.format(**{name: one.url for name, one in models.items()}))
    (tmp_path / "profiles.toml").write_text(PROFILES)
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    aside = Aside()
    world.use(gateway=gateway, profiles=configured(tmp_path, gateway), aside=aside)
    yield world
    for one in models.values():
        one.release()
    aside.close()
    gateway.close()


def configured(folder: Path, gateway: Gateway) -> Profiles:
    return Profiles.open(Settings(profiles=folder / "profiles.toml"), gateway)


def admin(world: World, method: str, path: str = "", status: int = 200, **kw: Any) -> Json:
    response = world.client.request(method, f"/v1/releases{path}", headers=world.headers(None, "admin"), **kw)
    assert response.status_code == status, response.text
    found: Json = response.json()
    return found


def released(world: World, stable: str | None, status: int = 200, workflow: str = "", **tried: tuple[str, int]) -> Json:
    body: Json = {"stable": stable, "workflow": workflow}
    body |= {role: {"profile": name, "percent": percent} for role, (name, percent) in tried.items()}
    return admin(world, "PUT", status=status, json=body)


def rollback(world: World) -> Json:
    return admin(world, "POST", "/rollback", json={})


def made(answer: Json) -> tuple[str, str]:
    return answer["made_by"]["profile"], answer["made_by"]["arm"]


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


# --- which profile ----------------------------------------------------------------------------------


def test_without_a_release_the_routes_say_who_answers(world: World) -> None:
    answer = world.ask("bob", HOTEL)
    assert made(answer) == ("routes", "default") and answer["usage"]["writer"] == "extractive"
    assert answer["made_by"]["prompt"] is None and answer["made_by"]["release"] is None


def test_what_is_released_serves_the_next_question_and_so_does_what_is_gone_back_to(world: World) -> None:
    released(world, "routes")
    one = released(world, "careful")
    answer = world.ask("bob", HOTEL)
    told = answer["made_by"]
    assert made(answer) == ("careful", "stable") and told["release"] == one["id"]
    assert (told["prompt"], told["writer"], told["model"]) == (ANSWER, f"chat:small:{ANSWER}", "fake-chat-1")
    assert len(told["prompt_sha256"]) == 64 and len(told["settings"]) == 16
    rollback(world)
    assert made(world.ask("bob", HOTEL)) == ("routes", "stable")
    rollback(world)
    assert made(world.ask("bob", HOTEL)) == ("routes", "default")
    admin(world, "POST", "/rollback", status=409, json={})


def test_a_profile_may_be_asked_for_by_name_and_an_unknown_one_is_refused(world: World) -> None:
    released(world, "routes", canary=("careful", 100))
    for name in ("extractive", "chat", "brief"):
        assert made(world.ask("bob", HOTEL, profile=name)) == (name, "asked")
    for stream in (False, True):
        response = world.post("/ask", "bob", question=HOTEL, profile="poet", stream=stream)
        assert (response.status_code, response.json()["field"]) == (422, "profile")
    world.use(gateway=Gateway())
    assert world.post("/ask", "bob", question=HOTEL, profile="chat").json()["detail"] == (
        "No chat model is configured here."
    )


def test_a_profile_says_from_how_much_it_is_written_and_a_request_may_say_otherwise(world: World) -> None:
    def passages(**body: object) -> int:
        trace = world.ask("alice", "What are the rules at Acme?", **body)["trace_id"]
        return len(world.get(f"/traces/{trace}", "alice").json()["passages"])

    assert passages(profile="brief") == 1 and passages(profile="brief", limit=3) > 1 and passages() > 1


def test_what_a_profile_holds_for_too_little_is_abstained_from(world: World) -> None:
    assert world.ask("bob", HOTEL)["kind"] == "answer"
    assert world.ask("bob", HOTEL, profile="strict")["kind"] == "abstention"


def test_a_model_of_another_tenant_is_not_asked_by_a_profile(world: World, models: dict[str, FakeChat]) -> None:
    response = world.post("/ask", "bob", question=HOTEL, profile="foreign")
    assert (response.status_code, response.json()["reason"]) == (503, "no_model")
    assert not models["other"].received


def test_a_workflow_may_have_a_release_of_its_own(world: World) -> None:
    released(world, "extractive")
    released(world, "careful", workflow="contracts")
    assert made(world.ask("bob", HOTEL, workflow="contracts")) == ("careful", "stable")
    assert made(world.ask("bob", HOTEL, workflow="mail")) == ("extractive", "stable")
    released(world, None, workflow="contracts")
    assert made(world.ask("bob", HOTEL, workflow="contracts")) == ("extractive", "stable")


def test_a_stable_profile_that_is_not_as_it_was_released_fails_loudly(world: World, tmp_path: Path) -> None:
    released(world, "careful", canary=("brief", 100))
    assert admin(world, "GET")["releases"][0]["sound"]
    (tmp_path / "profiles.toml").write_text(PROFILES.replace("passages = 1", "passages = 2"))
    world.use(profiles=configured(tmp_path, world.services.gateway))
    assert made(world.ask("bob", HOTEL)) == ("careful", "stable")  # the canary is another one now, and serves nobody
    world.use(profiles=Profiles())
    assert not admin(world, "GET")["releases"][0]["sound"]
    for body in ({}, {"profile": "extractive"}):
        response = world.post("/ask", "bob", question=HOTEL, **body)
        assert (response.status_code, response.json()["code"]) == (503, "release_broken")
    released(world, "routes")
    assert made(world.ask("bob", HOTEL)) == ("routes", "stable")
    admin(world, "POST", "/rollback", status=409, json={})  # to what is not there
    assert made(world.ask("bob", HOTEL)) == ("routes", "stable")


# --- canaries ---------------------------------------------------------------------------------------


def test_one_person_sees_one_way_of_answering_in_one_conversation(world: World) -> None:
    released(world, "extractive", canary=("strict", 50))
    arms = {}
    for talk in (f"talk-{n}" for n in range(14)):
        seen = {made(world.ask("bob", HOTEL, conversation_id=talk)) for _ in range(2)}
        assert len(seen) == 1
        arms[talk] = seen.pop()
    assert set(arms.values()) == {("extractive", "stable"), ("strict", "canary")}
    released(world, "extractive", canary=("strict", 80))
    for talk, (_, arm) in arms.items():
        if arm == "canary":  # a larger share keeps all who had it
            assert made(world.ask("bob", HOTEL, conversation_id=talk)) == ("strict", "canary")
    rollback(world)
    assert {made(world.ask("bob", HOTEL, conversation_id=talk)) for talk in arms} == {("extractive", "stable")}


def test_a_search_knows_nothing_of_releases(world: World) -> None:
    released(world, "strict", canary=("brief", 100))
    assert world.search("bob", HOTEL)


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


# --- told, kept, refused ----------------------------------------------------------------------------


def test_how_an_answer_was_made_stands_in_its_trace_and_in_the_audit_log(world: World) -> None:
    answer = world.ask("bob", HOTEL, profile="careful")
    told = answer["made_by"]
    for user, scopes in (("bob", ()), (None, ("admin",))):
        assert world.get(f"/traces/{answer['trace_id']}", user, *scopes).json()["made_by"] == told
    with world.catalog.reading(TENANT) as session:
        detail = session.execute(sa.text("SELECT detail FROM audit_entry WHERE action = 'ask'")).scalar_one()
        assert detail["made_by"] == told
        assert session.execute(sa.text("SELECT made_by FROM answer")).scalar_one() == told
    search = world.post("/search", "bob", query=HOTEL).json()["trace_id"]
    assert world.get(f"/traces/{search}", "bob").json()["made_by"] is None


def test_an_answer_of_before_says_nothing_of_how_it_was_made(world: World) -> None:
    answer = world.ask("bob", HOTEL)["answer_id"]
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE answer SET made_by = '{}'"))
    assert world.get(f"/answers/{answer}", "bob").json()["made_by"] is None


def test_every_release_is_history_and_in_the_audit_log(world: World) -> None:
    released(world, "routes")
    released(world, "careful", canary=("brief", 10), workflow="mail")
    rollback(world)
    told = admin(world, "GET", "/history")["releases"]
    assert [(one["workflow"], one["stable"], one["verb"]) for one in told] == [
        ("", None, "rollback"), ("mail", "careful", "set"), ("", "routes", "set"),
    ]  # fmt: skip
    assert told[1]["canary"] == {"profile": "brief", "percent": 10} and told[1]["by"].startswith("key:")
    assert len(admin(world, "GET", "/history", params={"workflow": "mail"})["releases"]) == 1
    with world.catalog.reading(TENANT) as session:
        actions = session.execute(sa.text("SELECT action FROM audit_entry WHERE action LIKE 'release.%' ORDER BY seq"))
        assert actions.scalars().all() == ["release.set", "release.set", "release.rollback"]
    profiles = {one["name"]: one["says"] for one in admin(world, "GET")["profiles"]}
    assert profiles["brief"]["passages"] == 1 and set(profiles) >= {"routes", "chat", "extractive", "careful"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "stable"),
        ({"stable": "poet"}, "stable"),
        ({"stable": "routes", "canary": {"profile": "poet", "percent": 10}}, "canary.profile"),
        ({"stable": "routes", "canary": {"profile": "routes", "percent": 10}}, "canary.profile"),
        ({"stable": "routes", "shadow": {"profile": "routes", "percent": 10}}, "shadow.profile"),
        ({"stable": "routes", "canary": {"profile": "brief", "percent": 0}}, "canary.percent"),
        ({"stable": "routes", "canary": {"profile": "brief", "percent": 101}}, "canary.percent"),
        ({"stable": None, "canary": {"profile": "brief", "percent": 10}}, "stable"),
        ({"stable": "routes", "workflow": "Not a name!"}, "workflow"),
        ({"stable": "routes", "workflow": "shadow"}, "workflow"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(world: World, body: Json, field: str) -> None:
    refused = admin(world, "PUT", status=422, json=body)
    assert refused["field"] == field
    assert admin(world, "GET")["releases"] == []


def test_approval_is_not_got_round_by_asking_for_another_profile(world: World) -> None:
    from retrieval.profiles.serving import serving
    from retrieval.types import Question

    def approval(profile: str | None) -> bool:
        with world.catalog.reading(TENANT) as session:
            asked = Question(HOTEL, 8, profile=profile)
            return serving(session, world.services, (TENANT, "user:bob"), asked).approval

    assert [approval(name) for name in (None, "careful", "extractive")] == [False, True, False]
    released(world, "careful", canary=("brief", 100))
    assert [approval(name) for name in (None, "careful", "extractive")] == [True, True, True]
