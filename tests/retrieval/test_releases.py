"""Releases over HTTP: who is served by what, how fast it is gone back from, and what is told and kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from retrieval.profiles.profile import Profiles
from retrieval.profiles.serving import serving
from retrieval.prompts import ANSWER
from retrieval.types import Question
from tests.retrieval.releasing import HOTEL, PROFILES, admin, configured, made, released, rollback, with_profiles
from tests.retrieval.world import TENANT, World
from vouch.core.types import Json
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway


@pytest.fixture(autouse=True)
def models(world: World, tmp_path: Path) -> Iterator[dict[str, FakeChat]]:
    with with_profiles(world, tmp_path) as models:
        yield models


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
    for talk in (f"talk-{n}" for n in range(10)):
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


def test_a_release_that_makes_no_sense_is_refused(world: World) -> None:
    tried = {"profile": "brief", "percent": 10}
    senseless: list[tuple[Json, str]] = [
        ({}, "stable"),
        ({"stable": "poet"}, "stable"),
        ({"stable": "routes", "canary": {"profile": "poet", "percent": 10}}, "canary.profile"),
        ({"stable": "routes", "canary": {"profile": "routes", "percent": 10}}, "canary.profile"),
        ({"stable": "routes", "shadow": {"profile": "routes", "percent": 10}}, "shadow.profile"),
        ({"stable": "routes", "canary": {**tried, "percent": 0}}, "canary.percent"),
        ({"stable": "routes", "canary": {**tried, "percent": 101}}, "canary.percent"),
        ({"stable": None, "canary": tried}, "stable"),
        ({"stable": "routes", "workflow": "Not a name!"}, "workflow"),
        ({"stable": "routes", "workflow": "shadow"}, "workflow"),
    ]
    for body, field in senseless:
        assert admin(world, "PUT", status=422, json=body)["field"] == field, body
    assert admin(world, "GET")["releases"] == []


def test_approval_is_not_got_round_by_asking_for_another_profile(world: World) -> None:
    def approval(profile: str | None) -> bool:
        with world.catalog.reading(TENANT) as session:
            asked = Question(HOTEL, 8, profile=profile)
            return serving(session, world.services, (TENANT, "user:bob"), asked).approval

    assert [approval(name) for name in (None, "careful", "extractive")] == [False, True, False]
    released(world, "careful", canary=("brief", 100))
    assert [approval(name) for name in (None, "careful", "extractive")] == [True, True, True]
