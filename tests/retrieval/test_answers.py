"""What an answer says: verbatim quotes, freshness, notices, follow-ups, and a model that may lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retrieval.prompts import ANSWER
from tests.retrieval.chatting import chatting
from tests.retrieval.world import World
from vouch.core import clock

HOTEL = "How much is reimbursed for a hotel per night?"
LEAVE = "How many weeks of paid parental leave may a parent take?"


def test_every_quote_equals_the_text_at_its_span_and_every_mark_is_a_citation(world: World) -> None:
    world.document(
        "Ünïcode 🏨",
        "Ein Wort vorab: 🏨🏨.\n\nHotel costs in Zürich are reimbursed up to 210 francs per night – naïve, no?",
    )
    for question in (HOTEL, "How much is reimbursed for a hotel in Zürich per night?", LEAVE):
        answer = world.ask("alice", question)
        assert answer["kind"] == "answer" and answer["citations"]
        for citation in answer["citations"]:
            span = citation["span"]
            of = f"/documents/{citation['document_id']}/text?version={citation['version']}"
            part = world.get(f"{of}&start={span['start']}&end={span['end']}", "alice").json()
            assert part["text"] == citation["quote"] and part["span"] == span
        numbers = {citation["n"] for citation in answer["citations"]}
        assert {n for claim in answer["claims"] for n in claim["citations"]} == numbers
        assert all(f"[{n}]" in answer["text"] for n in numbers)
        assert all(claim["text"] in answer["text"] for claim in answer["claims"])


def test_a_row_of_a_table_is_an_answer(world: World) -> None:
    norway = "Region: Norway | Hotel per night: 180 euros | Meals per day: 60 euros"
    world.document("Rates", f"{norway}\nRegion: Portugal | Hotel per night: 110 euros | Meals per day: 40 euros")
    answer = world.ask("bob", "What is the hotel rate per night in Norway?")
    assert norway in {citation["quote"] for citation in answer["citations"]}


def test_a_question_that_nothing_answers_is_refused_in_its_own_words(world: World) -> None:
    refused = world.ask("bob", "Which submarine does the navy recommend?")
    assert refused["kind"] == "abstention"
    assert "submarine" in refused["abstention"]["missing"] and "navy" in refused["abstention"]["missing"]


def test_with_no_document_at_all_there_is_a_refusal(empty: World) -> None:
    assert empty.ask("bob", HOTEL)["abstention"]["reason"] == "no_evidence"


def test_the_successor_wins_and_the_older_is_said_to_be_superseded(empty: World) -> None:
    now = clock.now()
    old = empty.document(
        "Travel 2021", "Hotel costs are reimbursed up to 90 euros per night.", modified_at=now - timedelta(days=1500)
    )
    new = empty.document(
        "Travel 2025", "Hotel costs are reimbursed up to 140 euros per night.",
        modified_at=now - timedelta(days=30), supersedes=("Travel 2021",),
    )  # fmt: skip
    answer = empty.ask("bob", HOTEL)
    assert [citation["document_id"] for citation in answer["citations"]] == [new]
    (notice,) = answer["notices"]
    assert (notice["kind"], notice["document_id"], notice["citations"]) == ("superseded", old, [1])
    assert "Travel 2021" in notice["text"] and "Travel 2025" in notice["text"]
    hits = {hit["document_id"]: hit["freshness"] for hit in empty.search("bob", HOTEL)}
    assert (hits[old]["state"], hits[old]["superseded_by"]) == ("superseded", new)
    assert hits[new]["state"] == "fresh"


def test_a_successor_that_the_asker_may_not_read_is_not_there(empty: World) -> None:
    old = empty.document("Travel 2021", "Hotel costs are reimbursed up to 90 euros per night.")
    new = empty.document(
        "Travel 2025", "Hotel costs: 140 euros per night.", allow=("group:hr",), supersedes=("Travel 2021",)
    )
    answer = empty.ask("bob", HOTEL)
    assert answer["citations"][0]["freshness"] == {
        "state": "fresh", "modified_at": None, "review_due": None, "superseded_by": None,
    }  # fmt: skip
    assert answer["notices"] == [] and new not in str(answer)
    assert empty.get(f"/documents/{old}", "alice").json()["freshness"]["superseded_by"] == new
    assert empty.get(f"/documents/{old}", "bob").json()["freshness"]["superseded_by"] is None


def test_the_superseded_answer_when_the_successor_does_not(empty: World) -> None:
    old = empty.document("Travel 2021", "Hotel costs are reimbursed up to 90 euros per night.")
    empty.document("Travel 2025", "The travel desk books all trains.", supersedes=("Travel 2021",))
    answer = empty.ask("bob", HOTEL)
    assert [citation["document_id"] for citation in answer["citations"]] == [old]
    assert [notice["kind"] for notice in answer["notices"]] == ["superseded"]


def test_two_documents_that_each_supersede_the_other_supersede_nothing(empty: World) -> None:
    for a, b in (("A", "B"), ("B", "A")):
        empty.document(a, f"Policy {a}: hotel costs are reimbursed.", supersedes=(b,))
    assert {hit["freshness"]["state"] for hit in empty.search("bob", "hotel costs")} == {"fresh"}


@pytest.mark.parametrize(("age", "state"), [(10, "fresh"), (200, "due"), (400, "stale")])
def test_age_becomes_due_and_stale(empty: World, age: int, state: str) -> None:
    day = 86_400
    empty.source("aging", review_every_s=180 * day, stale_after_s=365 * day)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    empty.document("Hotels", "Hotel costs are reimbursed up to 90 euros per night.", source="aging", modified_at=at)
    with clock.frozen(at + timedelta(days=age)):
        answer = empty.ask("bob", HOTEL)
    freshness = answer["citations"][0]["freshness"]
    assert (freshness["state"], freshness["modified_at"]) == (state, "2026-03-01T12:00:00Z")
    assert freshness["review_due"] == "2026-08-28T12:00:00Z"
    assert [notice["kind"] for notice in answer["notices"]] == (["stale"] if state == "stale" else [])


def test_documents_that_contradict_each_other_are_both_cited_the_newer_first(empty: World) -> None:
    now = clock.now()
    older = empty.document(
        "Expenses", "Hotel costs are reimbursed up to 120 euros per night.", modified_at=now - timedelta(days=300)
    )
    newer = empty.document(
        "Trips", "For hotel costs up to 150 euros per night are reimbursed.", modified_at=now - timedelta(days=3)
    )
    answer = empty.ask("bob", HOTEL)
    assert [citation["document_id"] for citation in answer["citations"]] == [newer, older]
    (notice,) = answer["notices"]
    assert (notice["kind"], notice["document_ids"], notice["citations"]) == ("conflict", [newer, older], [1, 2])


def test_a_follow_up_takes_over_what_it_leaves_unsaid(world: World) -> None:
    assert (
        world.ask("alice", "How many weeks of parental leave may parents take?", conversation_id="c1")["kind"]
        == "answer"
    )
    follow_up = world.ask("alice", "And how far ahead are requests made?", conversation_id="c1")
    trace = world.get(f"/traces/{follow_up['trace_id']}", "alice").json()
    assert trace["rewrite"]["rule"] == "follow_up" and "parental" in trace["rewrite"]["carried"]
    assert follow_up["citations"][0]["title"] == "Parental leave"
    alone = world.ask("alice", "And how far ahead are requests made?")
    assert world.get(f"/traces/{alone['trace_id']}", "alice").json()["rewrite"]["rule"] == "none"


def test_a_conversation_is_its_users_own(world: World) -> None:
    world.ask("alice", "How many weeks of parental leave may parents take?", conversation_id="c1")
    stranger = world.ask("bob", "And how far ahead?", conversation_id="c1")
    assert world.get(f"/traces/{stranger['trace_id']}", "bob").json()["rewrite"]["rule"] == "none"
    assert [q["question"] for q in world.get("/conversations/c1", "bob").json()["questions"]] == ["And how far ahead?"]
    assert world.get("/conversations/c1", "dave").status_code == 404


# --- with a chat model ---------------------------------------------------------------------------


def test_an_honest_model_is_cited_and_verified_like_the_rest(world: World) -> None:
    with chatting(world, "honest"):
        answer = world.ask("bob", HOTEL)
    assert answer["kind"] == "answer" and answer["rejected"] == 0
    citation = answer["citations"][0]
    text = world.get(f"/documents/{citation['document_id']}/text", "bob").json()["text"]
    assert text[citation["span"]["start"] : citation["span"]["end"]] == citation["quote"]
    assert answer["usage"]["writer"] == f"chat:fake:{ANSWER}" and answer["usage"]["input_tokens"] > 0


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("unknown_passage", "unknown_citation"), ("altered_quote", "altered_quote"), ("uncited", "no_citation")],
)
def test_a_lying_model_is_refused_and_the_lie_is_recorded(world: World, behaviour: str, reason: str) -> None:
    with chatting(world, behaviour):
        answer = world.ask("bob", HOTEL)
    assert answer["kind"] == "abstention" and answer["rejected"] >= 1
    trace = world.get(f"/traces/{answer['trace_id']}", "bob").json()
    assert {rejection["reason"] for rejection in trace["rejected"]} == {reason}


def test_a_quote_under_another_passages_id_is_refused(world: World) -> None:
    with chatting(world, "swapped_ids"):
        answer = world.ask("bob", HOTEL)
    assert answer["kind"] == "abstention" and answer["rejected"] >= 1


def test_a_model_that_says_it_does_not_know_abstains_in_our_words(world: World) -> None:
    with chatting(world, "insufficient"):
        answer = world.ask("bob", "Which submarine does the navy recommend?")
    assert answer["abstention"] == {
        "reason": "no_evidence",
        "missing": "No passage mentions: submarine, navy, recommend.",
        "ask": [],
    }


def test_an_abstention_names_who_owns_the_nearest_documents_that_the_asker_may_read(empty: World) -> None:
    empty.document("Bicycles", "A bicycle is borrowed at the front desk, with its lock.", owner="user:carol")
    empty.document(
        "Bicycle thefts", "A stolen bicycle is told to the guard.", owner="user:mallory", allow=["user:alice"]
    )
    empty.document("Tents", "A tent may be borrowed for a weekend.", owner="user:dave")
    asked = "Which colour has the bicycle of the museum?"
    answer = empty.ask("bob", asked)
    assert answer["kind"] == "abstention" and answer["abstention"]["ask"] == ["user:carol"]
    assert "user:carol" in answer["text"] and "user:mallory" not in str(answer)
    empty.document("Bicycle parts", "A bicycle has two wheels.", owner="user:bob")
    assert empty.ask("bob", asked)["abstention"]["ask"] == ["user:carol"]  # nobody is sent to themselves
    assert empty.get(f"/answers/{answer['answer_id']}", "bob").json()["abstention"] == answer["abstention"]
    assert empty.ask("bob", "Which submarine does the navy recommend?")["abstention"]["ask"] == []


def test_where_a_model_fails_the_sentences_answer_and_a_chosen_profile_goes_without_it(world: World) -> None:
    with chatting(world, "server_error") as server:
        usage = world.ask("bob", HOTEL)["usage"]
        assert usage["writer"] == "extractive"
        assert [one["outcome"] for one in usage["attempts"]] == ["server_error", "wrote"]
        asked = len(server.received)
        answer = world.ask("bob", HOTEL, profile="extractive")
        assert answer["kind"] == "answer" and "attempts" not in answer["usage"] and len(server.received) == asked


def test_a_model_sees_only_what_the_asker_may_read(world: World) -> None:
    with chatting(world, "honest") as server:
        world.ask("bob", LEAVE)
        world.ask("alice", LEAVE)
    sent = [str(received.body) for received in server.received]
    assert ["20 weeks" in body for body in sent] == [False, True]
