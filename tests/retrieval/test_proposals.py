"""Questions for an evaluation set: where they come from, what is passed over, that nothing hidden is in them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from retrieval.proposals.candidates import Candidate, Evidence, Kind, Named
from retrieval.proposals.choose import choose, unfit
from retrieval.proposals.headings import worded
from retrieval.schemas.proposals import EXAMPLE, ProposalsResponse
from tests.retrieval.conftest import OFFICE, PARENTAL, TRAVEL
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import DocumentLink

WEEKS = "How many weeks of parental leave may every parent take?"


def link(
    world: World, page: str, text: str, said: str, target: str, *, ordinal: int = 0, url: str | None = None
) -> None:
    """Where ``said`` stands in ``text``, the page leads to the document of that external id, or address."""
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(
            DocumentLink(
                tenant_id=TENANT, document_id=page, version=1, ordinal=ordinal, way=0, source_id="docs", target=target,
                path=None if url else target, url=url or None, span_start=text.index(said),
                span_end=text.index(said) + len(said),
            )
        )  # fmt: skip


def headed(world: World, document: str, *paths: tuple[str, ...]) -> None:
    """The document's paragraphs stand under these headings."""
    statement = sa.text("UPDATE chunk SET heading_path = :path WHERE document_id = :document AND ordinal = :ordinal")
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        for ordinal, path in enumerate(paths):
            session.execute(statement, {"path": list(path), "document": document, "ordinal": ordinal})


def proposed(world: World, user: str, **given: int) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in given.items())
    response = world.get(f"/evals/proposals?{query}", user)
    assert response.status_code == 200, response.text
    return dict(response.json())


def questions(found: dict[str, Any], kind: str) -> dict[str, list[str]]:
    return {
        one["question"]: [evidence["external_id"] for evidence in one["evidence"]]
        for one in found["proposals"]
        if one["kind"] == kind
    }


def test_links_and_headings_propose_what_the_user_may_read_and_nothing_else(world: World) -> None:
    page = "See how long parents stay away, what the front desk wants and where to sleep. Read more, or go here."
    start = world.document("Start", page)
    for ordinal, (said, target) in enumerate(
        [
            ("how long parents stay away", "Parental leave"),
            ("what the front desk wants", "Office"),
            ("Read more", "Travel"),
            ("here", "Office"),
        ]
    ):
        link(world, start, page, said, target, ordinal=ordinal)
    link(world, start, page, "where to sleep", "", ordinal=9, url="https://docs.example/Travel")
    secret = "Alice alone is led to what the night watch does."
    hidden = world.document("Notes", secret, allow=("group:hr",))
    link(world, hidden, secret, "what the night watch does", "Office")
    headed(world, hidden, ("Notes", "Watching by night"))

    alice, bob = proposed(world, "alice"), proposed(world, "bob")
    theirs = {"what the front desk wants": ["Office"], "where to sleep": ["Travel"]}
    assert questions(bob, "link") == theirs
    assert questions(alice, "link") == theirs | {
        "how long parents stay away": ["Parental leave"],
        "what the night watch does": ["Office"],
    }
    assert bob["dropped"] == {"too_common": 2}
    assert questions(alice, "heading") == {"Watching by night": ["Notes"]} and not questions(bob, "heading")
    (desk,) = [one for one in bob["proposals"] if one["question"] == "what the front desk wants"]
    assert desk["taken_from"] == [{"source_id": "docs", "external_id": "Start"}]
    assert OFFICE.startswith(desk["evidence"][0]["quote"])
    for word in ("parents", "Parental", "watch", "Notes"):
        assert word not in str(bob)


def test_who_may_no_longer_read_is_proposed_it_no_more(world: World) -> None:
    page = "The rules say how long parents stay away."
    link(world, world.document("Start", page), page, "how long parents stay away", "Parental leave")
    assert questions(proposed(world, "alice"), "link")
    world.member("hr", remove=["user:alice"])
    assert proposed(world, "alice") == {"proposals": [], "considered": 0, "dropped": {}}


def test_a_text_that_leads_to_two_places_and_a_heading_that_is_used_twice_name_neither(empty: World) -> None:
    page = "One may see the yearly figures, or see the yearly figures."
    start = empty.document("Start", page)
    a, b = (empty.document(name, text) for name, text in (("Travel", TRAVEL), ("Office", OFFICE)))
    link(empty, start, page, "the yearly figures", "Travel", ordinal=0)
    link(empty, start, page, "the yearly figures", "Office", ordinal=1)
    headed(empty, a, ("Travel", "What is paid for nights"), ("Travel", "Who books the seats"))
    headed(empty, b, ("Office", "what is paid for nights"))
    found = proposed(empty, "bob")
    assert questions(found, "heading") == {"Who books the seats": ["Travel"]}
    assert not questions(found, "link") and found["dropped"] == {"shared": 3}


def test_questions_that_were_asked_are_their_askers_alone(world: World) -> None:
    poor = world.ask("alice", WEEKS)
    world.post(f"/answers/{poor['answer_id']}/feedback", "alice", helpful=False)
    helped = world.ask("alice", WEEKS)
    world.post(f"/answers/{helped['answer_id']}/feedback", "alice", helpful=True)
    missed = world.ask("alice", "How much are hotel costs reimbursed per night?")
    world.post(f"/answers/{missed['answer_id']}/feedback", "alice", helpful=False)
    refused = world.ask("alice", "Which vaccine does the zebra of the zoo get?")
    assert refused["kind"] == "abstention"
    world.ask("alice", "When does the Berlin office open in the morning?")  # nobody said whether that helped

    found = proposed(world, "alice")
    assert questions(found, "helpful") == {
        "How many weeks of parental leave may every parent take?": ["Parental leave"]
    }
    assert questions(found, "unhelpful") == {"How much are hotel costs reimbursed per night?": []}
    assert questions(found, "abstention") == {"Which vaccine does the zebra of the zoo get?": []}
    assert proposed(world, "bob")["proposals"] == []
    world.member("hr", remove=["user:alice"])
    assert questions(proposed(world, "alice"), "helpful") == {}


def test_the_same_seed_proposes_the_same_and_the_look_is_written_down(world: World) -> None:
    documents = [world.document(f"Paper {n}", PARENTAL, project=False) for n in range(6)]
    for n, document in enumerate(documents):
        headed(world, document, (f"Paper {n}", f"Rule number {n} of the {'abcdef'[n] * 4} house"))
    first = proposed(world, "bob", limit=4)
    assert len(first["proposals"]) == 4 and proposed(world, "bob", limit=4) == first
    assert proposed(world, "bob", limit=4, seed=7) != first
    with world.catalog.reading(TENANT) as session:
        entry = session.execute(
            sa.text("SELECT actor, detail FROM audit_entry WHERE action = 'evals.propose' ORDER BY seq LIMIT 1")
        ).one()
    named = {evidence["document_id"] for one in first["proposals"] for evidence in one["evidence"]}
    assert entry.actor.startswith("user:bob") and set(entry.detail["documents"]) == named
    assert world.get("/evals/proposals", None).status_code == 403
    assert world.get("/evals/proposals?limit=501", "bob").status_code == 422


def candidate(question: str, title: str = "Guide", source: str = "s", kind: Kind = "link") -> Candidate:
    named = Evidence(f"{source}:{question}", Named(source, question), title, 1, (), "")
    return Candidate(kind, question, (named,))


def test_what_is_no_question_is_passed_over_and_said_why() -> None:
    for question, title, reason in (
        ("…", "", "no_words"),
        ("https://files.example.org/x", "", "no_words"),
        ("setup_notes.pdf", "", "no_words"),
        ("Further reading", "", "too_common"),
        ("Appendix 2", "", "too_common"),
        ("Onboarding", "", "too_short"),
        ("休暇", "", "too_short"),
        ("Parental leave", "Parental Leave Policy", "in_title"),
        ("x" * 201, "", "too_long"),
        ("育児休暇の期間", "", None),
        ("Wie lange Elternzeit dauert", "Elternzeit", None),
    ):
        assert unfit(candidate(question, title)) == reason, question
    assert unfit(candidate("Onboarding", kind="helpful")) is None


def test_a_short_heading_takes_what_it_stands_under_before_it() -> None:
    for path, question in (
        (("Coming back",), "Parental leave: Coming back"),
        (("Illness", "First day"), "Illness: First day"),
        (("Illness", "Whom to tell first"), "Whom to tell first"),
        (("Illness", "Overview"), "Overview"),
        (("Parental Leave",), "Parental Leave"),
    ):
        assert worded(path, "Parental leave") == question


def test_sources_take_turns_and_what_is_alike_comes_once() -> None:
    many = [candidate(f"rule {'abcdefgh'[n] * 3} about {'stuvwxyz'[n] * 3}", source="large") for n in range(8)]
    few = [candidate("where bicycles are kept", source="small"), candidate("Where are bicycles kept", source="small")]
    same = candidate("where bicycles are kept now", source="third")
    chosen = choose([*many, *few, same], 0, limit=4, seed=3)
    sources = [one.candidate.evidence[0].name.source_id for one in chosen.proposals]
    assert sources.count("large") <= 3 and {"large", "small"} <= set(sources) | {"third"} and len(sources) == 4
    whole = choose([*many, *few, same], 0, limit=50, seed=3)
    assert len(whole.proposals) == 9 and whole.dropped == {"near_duplicate": 2} and whole.considered == 11


def test_the_example_is_what_the_route_answers() -> None:
    ProposalsResponse.model_validate(EXAMPLE)
