"""Questions that ask the same in other words share an answer; those that only look alike do not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from retrieval.reuse.alike import asks, unlike
from tests.retrieval.reusing import LEAVE, kind, missed, written
from tests.retrieval.world import TENANT, World

THE_SAME = [
    ("How many days of leave do I have?", "how many days of leave do I have"),
    ("How many days of leave do I have?", "Could you tell me how many days of leave do I have, please?"),
    ("What is the notice period?", "Hi, what's the notice period? Thanks!"),
    ("What's the notice period?", "Could you tell me what the notice period is, please?"),
    ("How many days of leave do I have?", "I need to know how many days of leave I have."),
    ("Which form is used for travel costs?", "What form is used for travel costs?"),
    ("What is the number of days of leave in 2025?", "How many days of leave in 2025?"),
    ("Who isn't allowed into the server room?", "Who is not allowed into the server room?"),
    ("In 2019, who led the Ghent office?", "Who led the Ghent office in 2019?"),
    ("How many vaccination days are there for a parent?", "How many vaccination days for the parents?"),
    ("How many weeks is the trial period for twenty people?", "How many weeks is the trial period for 20 people?"),
    ("Wann beginnt die Frist?", "wann beginnt die Frist"),
]
OTHERS = [
    ("How many days of leave in 2024?", "How many days of leave in 2025?", "numbers"),
    ("How long is leave after twenty years?", "How long is leave after thirty years?", "numbers"),
    ("Who may enter the server room?", "Who may not enter the server room?", "negation"),
    ("What can I claim with a receipt?", "What can I claim without a receipt?", "negation"),
    ("Which costs are taxable?", "Which costs are non-taxable?", "negation"),
    ("What must be done before the audit?", "What must be done after the audit?", "words"),
    ("What is the minimum stay in a hotel?", "What is the maximum stay in a hotel?", "words"),
    ("How many people moved in to Ghent?", "How many people moved out of Ghent?", "words"),
    ("How many days of paid leave do I have?", "How many days of sick leave do I have?", "words"),
    ("Did Alice pay Bob?", "Did Bob pay Alice?", "words"),
    ("Who is the head of Ghent?", "Who was the head of Ghent?", "words"),
    ("When was the Ghent office opened?", "Where was the Ghent office opened?", "words"),
    ("Who is the employer of Carol?", "Who is the employee of Carol?", "words"),
    ("Is my leave paid?", "Is your leave paid?", "words"),
    ("May I take leave in May?", "May I take leave in June?", "words"),
    ("Who works in IT?", "Who works in it?", "words"),
    ("What is the notice period?", "What is the period of notice?", "words"),
    ("Where did they go?", "Where do they go?", "words"),
    ("What does Carol have?", "What does Carol do?", "words"),
    ("Is the limit above 50 euros?", "Is the limit below 50 euros?", "words"),
    ("Can I work from home or abroad?", "Can I work from home and abroad?", "words"),
    ("Must all visitors sign?", "Must some visitors sign?", "words"),
    ("What is 5 % of the budget?", "What is 5 $ of the budget?", "words"),
    ("Who must I ask?", "Who can I ask?", "words"),
    ("When is the leave paid to managers?", "When is the leave paid by managers?", "words"),
    ("Wie viele Tage sind bezahlt?", "Wie viele Tage sind unbezahlt?", "words"),
]


@pytest.mark.parametrize(("kept", "asked"), THE_SAME)
def test_what_asks_the_same(kept: str, asked: str) -> None:
    assert unlike(kept, asked, 0.95) is None, (asks(kept), asks(asked))
    assert unlike(asked, kept, 0.95) is None
    assert unlike(kept, asked, 0.1) == "far"


@pytest.mark.parametrize(("kept", "asked", "why"), OTHERS)
def test_what_does_not_however_near_it_is(kept: str, asked: str, why: str) -> None:
    assert unlike(kept, asked, 1.0) == unlike(asked, kept, 1.0) == why


def test_a_question_alike_is_given_the_answer_where_that_is_wanted(world: World) -> None:
    asked = "Could you tell me how many weeks of paid parental leave may a parent take?"
    chat = written(world, "exact")
    first = world.ask("alice", LEAVE)
    assert kind(world.ask("alice", asked)) is None and chat.calls == 2
    chat = written(world, "near")
    world.ask("alice", LEAVE, fresh=True)
    again = world.ask("alice", f"{asked} Thanks.")
    assert (kind(again), chat.calls) == ("near", 1) and again["citations"] == first["citations"]
    trace = world.get(f"/traces/{again['trace_id']}", "alice").json()
    assert trace["reuse"]["kind"] == "near" and 0.9 <= trace["reuse"]["similarity"] < 1


@pytest.mark.parametrize(
    "other",
    [
        "How many weeks of unpaid parental leave may a parent take?",
        "How many weeks of paid parental leave may no parent take?",
        "How many weeks of paid parental leave may 2 parents take?",
        "How many days of paid parental leave may a parent take?",
        "How many weeks of paid parental leave must a parent take?",
    ],
)
def test_one_that_differs_in_what_matters_is_answered_for_itself(world: World, other: str) -> None:
    chat = written(world, "near")
    world.ask("alice", LEAVE)
    answer = world.ask("alice", other)
    assert (kind(answer), missed(world, "alice", answer), chat.calls) == (None, "words", 2)


@pytest.mark.parametrize("verbatim", [True, False])
def test_a_question_alike_that_finds_something_newer_is_answered_for_itself(world: World, verbatim: bool) -> None:
    chat = written(world, "near", verbatim=verbatim)
    world.ask("alice", LEAVE)
    with world.catalog.reading(TENANT) as session:
        office = session.execute(sa.text("SELECT id FROM document WHERE title = 'Office'")).scalar_one()
    world.publish(str(office), "Every parent may take 40 weeks of paid parental leave from 2030 on.")
    answer = world.ask("alice", f"Please tell me {LEAVE}")
    assert (kind(answer), missed(world, "alice", answer), chat.calls) == (None, "evidence", 2)


@pytest.mark.parametrize(("verbatim", "found"), [(True, "near"), (False, None)])
def test_prose_needs_all_that_it_was_written_from(world: World, verbatim: bool, found: str | None) -> None:
    """A document that the first question found is not found by the second any more."""
    written(world, "near", verbatim=verbatim)
    world.ask("alice", LEAVE)
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET current_version = 9 WHERE title = 'Office'"))
    assert kind(world.ask("alice", f"Please tell me {LEAVE}")) == found


def test_what_has_aged_since_is_not_quoted_to_a_question_alike(world: World) -> None:
    chat = written(world, "near", verbatim=True)
    world.ask("alice", LEAVE)
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE document SET modified_at = now() - interval '9 days'"))
        session.execute(sa.text("UPDATE source SET stale_after_s = 86400"))
    answer = world.ask("alice", f"Please tell me {LEAVE}")
    assert (missed(world, "alice", answer), chat.calls) == ("evidence", 2)
    assert [notice["kind"] for notice in answer["notices"]] == ["stale"]
