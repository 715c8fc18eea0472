"""An answer is given again to who had it, for what it was written from, while that stands; and to nobody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from acl import directory
from acl.assign import assign
from acl.resolve import resolve
from retrieval import pipeline
from retrieval.reuse import find, store
from retrieval.reuse.again import holds
from retrieval.reuse.asked import Asked
from retrieval.sieve import Sieve
from retrieval.types import Question
from tests.retrieval.reusing import HOTEL, LEAVE, CountingChat, counted, kept, kind, missed, written
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.retention import forget
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.core.types import Clause, SearchFilter
from vouch.gateway.gateway import Gateway

ITS_OWN = ("answer_id", "trace_id", "usage")


def said(answer: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in answer.items() if name not in ITS_OWN}


def test_the_same_question_is_answered_once(world: World) -> None:
    chat = written(world, "exact")
    before = counted("answers_reused", kind="exact")
    first = world.ask("alice", LEAVE)
    again = world.ask("alice", LEAVE.lower().rstrip("?") + " ?")
    assert (chat.calls, kind(first), kind(again)) == (1, None, "exact")
    assert said(again) == said(first) and "20 weeks" in str(again["text"])
    assert again["answer_id"] != first["answer_id"] and again["trace_id"] != first["trace_id"]
    assert again["usage"] == {
        "writer": first["usage"]["writer"], "model": first["usage"]["model"], "input_tokens": 0, "output_tokens": 0,
        "reused": "exact", "cost": "0", "currency": "USD",
    }  # fmt: skip
    assert counted("answers_reused", kind="exact") - before == 1


def test_one_that_is_given_again_is_an_answer_of_its_own(world: World) -> None:
    written(world, "exact")
    first, again = world.ask("alice", LEAVE), world.ask("alice", LEAVE)
    read = world.get(f"/answers/{again['answer_id']}", "alice").json()
    assert {name: read[name] for name in again} == again
    trace = world.get(f"/traces/{again['trace_id']}", "alice").json()
    assert trace["reuse"] == {"kind": "exact", "similarity": 1.0, "answer_id": first["answer_id"]}
    assert "reuse" in {step["name"] for step in trace["steps"]}
    told = world.get(f"/traces/{again['trace_id']}", None, "admin").json()
    assert told["reuse"] == {"kind": "exact", "similarity": 1.0}
    replay = world.get(f"/answers/{again['answer_id']}/replay", None, "admin").json()
    assert (replay["answer_id"], replay["then"], replay["now"]) == (again["answer_id"], "allowed", "allowed")
    with world.catalog.reading(TENANT) as session:
        asked = session.execute(sa.text("SELECT subject FROM audit_entry WHERE action = 'ask' ORDER BY seq")).scalars()
        assert list(asked) == [f"answer:{one['answer_id']}" for one in (first, again)]
        assert session.execute(sa.text("SELECT count(*) FROM model_call")).scalar() == 1


def test_it_is_streamed_as_others_are(world: World) -> None:
    written(world, "exact")
    first = world.ask("alice", LEAVE)
    lines = world.post("/ask", "alice", question=LEAVE, stream=True).text.splitlines()
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert events[-3:] == ["token", "citation", "answer"] and events.count("step") > 5
    whole = json.loads(next(line for line in reversed(lines) if line.startswith("data: ")).removeprefix("data: "))
    assert kind(whole) == "exact" and said(whole) == said(first)


def test_the_embedded_answerers_sentences_are_given_again_too(world: World) -> None:
    world.use(settings=world.services.settings.model_copy(update={"reuse": "exact"}))
    first, again = world.ask("bob", HOTEL), world.ask("bob", HOTEL)
    assert (kind(first), kind(again), said(again)) == (None, "exact", said(first))


def _leaves_the_group(world: World) -> None:
    world.member("hr", remove=["user:alice"])


def _another_group(world: World) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_group(session, TENANT, "group:new", name="New", members=["user:alice"], actor="test")


def _edited(world: World) -> None:
    world.publish(_document(world, "Parental leave"), "Every parent may take 30 weeks of paid parental leave.")


def _another_that_answers(world: World) -> None:
    world.publish(_document(world, "Office"), "Every parent may take 40 weeks of paid parental leave from 2030 on.")


def _expired(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET modified_at = now() - interval '9 days'"))
        session.execute(sa.text("UPDATE source SET expire_after_s = 86400"))


def _superseded(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET supersedes = '{Parental leave}' WHERE title = 'Office'"))


def _retitled(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET title = 'Leave of parents' WHERE title = 'Parental leave'"))


def _document(world: World, title: str) -> str:
    with world.catalog.reading(TENANT) as session:
        query = sa.text("SELECT id FROM document WHERE title = :title")
        return str(session.execute(query, {"title": title}).scalar_one())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_another_group, "unknown"), (_edited, "evidence"), (_another_that_answers, "evidence"), (_expired, "evidence"),
        (_superseded, "evidence"), (_retitled, "evidence"),
    ],
)  # fmt: skip
def test_what_changes_ends_it(world: World, change: Callable[[World], None], why: str) -> None:
    chat = written(world, "near")
    world.ask("alice", LEAVE)
    change(world)
    answer = world.ask("alice", LEAVE)
    assert (kind(answer), missed(world, "alice", answer), chat.calls) == (None, why, 2)
    assert kind(world.ask("alice", LEAVE)) == "exact"  # what was written for the new state


def _closed(world: World) -> None:
    world.readers(_document(world, "Parental leave"), (), project=False)


def _denied(world: World) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        clause = Clause(frozenset({"group:hr"}), frozenset({"user:alice"}))
        assign(session, TENANT, {_document(world, "Parental leave"): (clause,)}, actor="test")


def _deleted(world: World) -> None:
    world.forget(_document(world, "Parental leave"))


def _being_removed(world: World) -> None:
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET state = 'deleted' WHERE title = 'Parental leave'"))


@pytest.mark.parametrize("change", [_leaves_the_group, _closed, _denied, _deleted, _being_removed])
def test_nothing_is_left_of_it_for_who_may_not_read_it_any_more(world: World, change: Callable[[World], None]) -> None:
    written(world, "near", verbatim=True)
    never = said(world.ask("bob", LEAVE))
    assert "20 weeks" in world.ask("alice", LEAVE)["text"]
    change(world)
    answer = world.ask("alice", LEAVE)
    assert kind(answer) is None and said(answer) == never
    assert "20 weeks" not in json.dumps(said(answer))


def test_what_is_taken_away_between_the_lookup_and_the_release_is_not_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(world, "exact")
    world.ask("alice", LEAVE)

    def revoked(*given: Any) -> bool:
        _closed(world)
        return holds(*given)

    monkeypatch.setattr(find, "holds", revoked)
    answer = world.ask("alice", LEAVE)
    assert answer["kind"] == "abstention" and "20 weeks" not in json.dumps(said(answer))
    assert kept(world) == 1


def test_who_may_not_read_it_is_answered_as_though_nobody_had_asked(world: World) -> None:
    """Bob asks what Alice has been told: status, headers and body are those of a world without her answer."""
    written(world, "off", verbatim=True)
    before = world.post("/ask", "bob", question=LEAVE)
    written(world, "near", verbatim=True)
    assert kind(world.ask("alice", LEAVE)) is None and kind(world.ask("alice", LEAVE)) == "exact"
    after = world.post("/ask", "bob", question=LEAVE)
    assert (after.status_code, after.headers) == (before.status_code, before.headers)
    assert said(after.json()) == said(before.json()) and after.json()["usage"] == before.json()["usage"]
    trace = world.get(f"/traces/{after.json()['trace_id']}", "bob").json()
    assert trace["reuse"] == {"kind": None, "missed": "unknown"}


def test_two_people_share_nothing_though_they_may_read_the_same(world: World) -> None:
    chat = written(world, "near")
    assert kind(world.ask("bob", HOTEL)) is None
    answer = world.ask("dave", HOTEL)
    assert (kind(answer), missed(world, "dave", answer), chat.calls) == (None, "unknown", 2)


def test_another_tenant_has_nothing_of_it(world: World) -> None:
    written(world, "exact")
    world.ask("alice", LEAVE)
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="other", name="Other"))
    mine = _asked(world)
    theirs = replace(mine, access=replace(mine.access, tenant="other"))
    assert mine.key != theirs.key and kept(world) == 1 and kept(world, "other") == 0
    with world.catalog.reading("other") as session:  # even under the key of ours
        rows = session.execute(sa.text("SELECT * FROM answer_reuse WHERE key = :key"), {"key": mine.key})
        assert rows.all() == []


def _asked(world: World, **question: Any) -> Asked:
    with world.catalog.reading(TENANT) as session:
        access = resolve(session, TENANT, "user:alice")
    return Asked(world.services, access, Question(**{"text": LEAVE, "limit": 8, **question}), Sieve(), ("extractive",))


def test_the_key_is_all_that_an_answer_depends_on(world: World) -> None:
    one = _asked(world)
    settings = world.services.settings.model_copy(update={"abstain_below": 0.9})
    others = [
        replace(one, access=replace(one.access, epoch=one.access.epoch + 1)),
        replace(one, access=replace(one.access, principals=one.access.principals | {"group:x"})),
        replace(one, services=replace(one.services, generation="g2")),
        replace(one, services=replace(one.services, recipe=replace(one.services.recipe, chunker="other"))),
        replace(one, services=replace(one.services, settings=settings)),
        replace(one, services=replace(one.services, gateway=Gateway.of(CountingChat()))),
        replace(one, writers=("counting", "extractive")),
        replace(one, data_classes=frozenset({"personal"})),
        replace(one, sieve=Sieve(phrases=("paid leave",))),
        replace(one, sieve=Sieve(left_out=(("source_id", frozenset({"docs"})),))),
        _asked(world, limit=7),
        _asked(world, mode="dense"),
        _asked(world, where=SearchFilter(source=("docs",))),
        _asked(world, workflow="tickets"),
    ]
    keys = {other.key for other in others}
    assert len(keys) == len(others) and one.key not in keys
    same = _asked(world, text="Another?", conversation_id="c", fresh=True)
    assert same.key == one.key


def test_a_generation_that_is_swapped_ends_it(world: World) -> None:
    chat = written(world, "exact")
    world.ask("alice", LEAVE)
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE index_generation SET id = 'g2'"))
    world.use(generation="g2")
    answer = world.ask("alice", LEAVE)
    assert (missed(world, "alice", answer), chat.calls) == ("unknown", 2)


def test_filters_are_part_of_the_question(world: World) -> None:
    chat = written(world, "near")
    world.ask("alice", LEAVE)
    assert missed(world, "alice", world.ask("alice", LEAVE, filter={"source": ["docs"]})) == "unknown"
    assert missed(world, "alice", world.ask("alice", f"{LEAVE} -badge")) == "unknown"
    assert kind(world.ask("alice", LEAVE, filter={"source": ["docs"]})) == "exact" and chat.calls == 3


def test_a_follow_up_is_the_question_that_it_stands_for(world: World) -> None:
    written(world, "exact", verbatim=True)
    world.ask("alice", "What are hotel costs reimbursed up to?", conversation_id="one")
    world.ask("alice", "What about parental leave?", conversation_id="two")
    first = world.ask("alice", "And per night?", conversation_id="one")
    assert kind(world.ask("alice", "And per night?", conversation_id="two")) is None
    world.ask("alice", "What are hotel costs reimbursed up to?", conversation_id="three")
    again = world.ask("alice", "And per night?", conversation_id="three")
    assert kind(again) == "exact" and again["text"] == first["text"]


def test_who_asks_for_a_fresh_answer_gets_one_and_it_is_the_next_to_be_given(world: World) -> None:
    chat = written(world, "exact")
    world.ask("alice", LEAVE)
    fresh = world.ask("alice", LEAVE, fresh=True)
    assert (kind(fresh), missed(world, "alice", fresh), chat.calls) == (None, "fresh", 2)
    again = world.ask("alice", LEAVE)
    assert kind(again) == "exact" and again["text"] == fresh["text"]


def test_nothing_is_kept_where_it_is_off(world: World) -> None:
    chat = written(world, "off")
    world.ask("alice", LEAVE)
    answer = world.ask("alice", LEAVE)
    assert (kind(answer), chat.calls, kept(world)) == (None, 2, 0)
    trace = world.get(f"/traces/{answer['trace_id']}", "alice").json()
    assert trace["reuse"] == {} and "reuse" not in {step["name"] for step in trace["steps"]}


@pytest.mark.parametrize("behaviour", [{"insufficient": True}, {"misquotes": True}])
def test_refusals_and_answers_of_which_something_was_refused_are_not_kept(
    world: World, behaviour: dict[str, bool]
) -> None:
    chat = written(world, "near", **behaviour)
    first = world.ask("alice", LEAVE)
    assert first["kind"] == ("abstention" if chat.insufficient else "answer")
    assert kind(world.ask("alice", LEAVE)) is None and kept(world) == 0


def test_what_a_writer_of_last_resort_wrote_is_not_kept(world: World) -> None:
    """The model is back the next time."""
    chat = written(world, "exact")
    chat.down = True
    first = world.ask("alice", LEAVE)
    assert first["usage"]["writer"] == "extractive" and kept(world) == 0
    chat.down = False
    assert kind(world.ask("alice", LEAVE)) is None and kept(world) == 1


def test_it_goes_with_the_answer(world: World) -> None:
    chat = written(world, "near")
    world.ask("alice", LEAVE)
    with world.catalog.transaction(TENANT) as session:
        forget(session, TENANT, clock.now() + timedelta(seconds=1), 100)
    assert kept(world) == 0
    answer = world.ask("alice", LEAVE)
    assert (missed(world, "alice", answer), chat.calls) == ("unknown", 2)


def test_it_is_given_for_so_long_and_then_removed(world: World) -> None:
    written(world, "near")
    world.ask("alice", LEAVE)
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE answer_reuse SET created_at = now() - interval '25 hours'"))
    assert missed(world, "alice", world.ask("alice", LEAVE)) == "unknown"
    assert kept(world) == 1


def test_a_tenant_has_no_more_than_so_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 2)
    written(world, "exact")
    questions = (LEAVE, HOTEL, "When does the Berlin office open?", "Where do visitors sign in?")
    for question in questions:
        world.ask("alice", question)
    assert kept(world) == 2
    assert kind(world.ask("alice", questions[-1])) == "exact" and kind(world.ask("alice", LEAVE)) is None


def test_what_did_not_help_is_not_given_again(world: World) -> None:
    chat = written(world, "exact")
    world.ask("alice", LEAVE)
    again = world.ask("alice", LEAVE)
    path = f"/answers/{again['answer_id']}/feedback"
    assert world.post(path, "alice", helpful=True).status_code == 204 and kept(world) == 1
    assert world.post(path, "alice", helpful=False).status_code == 204 and kept(world) == 0
    assert kind(world.ask("alice", LEAVE)) is None and chat.calls == 2


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE citation SET quote = 'Every parent may take 99 weeks of leave.'",
        "UPDATE citation SET span_end = span_end - 3",
        "UPDATE answer SET claims = jsonb_set(claims, '{0,text}', '\"Every parent may take 99 weeks of leave.\"')",
        "DELETE FROM citation",
    ],
)
def test_what_is_kept_is_verified_again(world: World, damage: str) -> None:
    chat = written(world, "exact")
    world.ask("alice", LEAVE)
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text(damage))
    answer = world.ask("alice", LEAVE)
    assert chat.calls == 2 and missed(world, "alice", answer) in {"unverified", "gone"}
    assert "99" not in answer["text"]


def test_twenty_at_once_are_all_answered(world: World) -> None:
    written(world, "near")
    together = threading.Barrier(20)

    def ask(_: int) -> tuple[str, str]:
        together.wait()
        released, _ = pipeline.ask(world.services, world.asker("alice"), Question(LEAVE, 8))
        return released.id, released.text

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(ask, range(20)))
    assert len({one for one, _ in told}) == 20 and all("20 weeks" in text for _, text in told)
    released, _ = pipeline.ask(world.services, world.asker("alice"), Question(LEAVE, 8))
    assert released.usage["reused"] == "exact"
