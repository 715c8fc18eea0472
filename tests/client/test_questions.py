"""Asking and reading through the client, against the service itself."""

from __future__ import annotations

import pytest

from tests.retrieval.world import TENANT, World
from vouch.catalog.epoch import token
from vouch.client import Answer, Citation, Client, Step, Token
from vouch.core.errors import ActsForNobody, EmptyQuestion, NotFound, StateNotReached, UnknownField

QUESTION = "Up to how much are hotel costs reimbursed per night?"


def test_an_answer_is_typed_and_can_be_read_again(client: Client) -> None:
    alice = client.as_user("user:alice")
    answer = alice.ask(QUESTION, conversation_id="c1")
    assert answer.kind == "answer"
    assert answer.abstention is None
    (citation,) = answer.citations
    part = alice.text(citation.document_id, citation.span.start, citation.span.end, version=citation.version)
    assert part.text == citation.quote
    again = alice.answer(answer.answer_id)
    assert (again.text, again.question) == (answer.text, QUESTION)
    assert again.created_at is not None
    assert alice.citations(answer.answer_id) == answer.citations
    assert [asked.question for asked in alice.conversation("c1").questions] == [QUESTION]
    assert alice.trace(answer.trace_id).kind == "ask"
    alice.feedback(answer.answer_id, helpful=True, comment="thanks")
    assert alice.document(citation.document_id).title == "Travel"


def test_a_stream_ends_with_the_whole_answer(client: Client) -> None:
    events = list(client.as_user("user:alice").ask_stream(QUESTION))
    steps = [event for event in events if isinstance(event, Step)]
    text = "".join(event.text for event in events if isinstance(event, Token))
    citations = tuple(event for event in events if isinstance(event, Citation))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert steps
    assert text == answer.text
    assert citations == answer.citations


def test_what_one_user_reads_another_does_not(client: Client) -> None:
    document_id = client.as_user("user:alice").search("hotel", limit=1).hits[0].document_id
    bob = client.as_user("user:bob")
    assert bob.search("hotel").hits == ()
    assert bob.ask(QUESTION).kind == "abstention"
    with pytest.raises(NotFound):
        bob.document(document_id)
    assert client.access.explain("user:bob", document_id).decision == "denied"
    explained = client.access.explain("user:alice", document_id)
    assert explained.decision == "allowed"
    assert explained.clauses[0].allowed_by == {"group:hr": ["user:alice", "group:hr"]}


def test_searching_in_the_query_language(client: Client) -> None:
    alice = client.as_user("user:alice")
    found = alice.search('"hotel costs" -flights', facets=["source", "year"])
    hit = found.hits[0]
    assert [hit.text[mark.start : mark.end].lower() for mark in hit.highlights] == ["hotel costs"]
    assert hit.snippet is not None and found.matched is not None and found.facets is not None
    assert (found.matched.documents, found.matched.exact) == (1, True)
    assert [(one.name, one.documents) for one in found.facets["source"]] == [("docs", 1)]
    assert alice.search("hotel").facets is None
    assert alice.search('"costs hotel"').hits == () != alice.search('"costs hotel"', syntax="plain").hits
    assert hit.document_id not in {one.document_id for one in alice.search(like=hit.document_id).hits}
    with pytest.raises(NotFound):
        client.as_user("user:bob").search(like=hit.document_id)


def test_a_mistyped_word_is_searched_for_as_it_is_read(client: Client) -> None:
    found = client.as_user("user:alice").search("reimbrused")
    assert [(one.typed, one.instead) for one in found.read_as] == [("reimbrused", "reimbursed")]
    assert client.as_user("user:bob").search("reimbrused").read_as == ()


def test_the_platforms_errors_are_raised_as_themselves(client: Client, world: World) -> None:
    alice = client.as_user("user:alice")
    with pytest.raises(ActsForNobody):
        client.ask(QUESTION)
    with pytest.raises(EmptyQuestion) as empty:
        alice.ask(" ")
    assert empty.value.field == "question"
    with pytest.raises(EmptyQuestion):
        list(alice.ask_stream(" "))
    with pytest.raises(UnknownField) as unknown:
        alice.search("hotel", filter={"colour": "red"})
    assert unknown.value.field == "filter.colour"
    with pytest.raises(NotFound):
        alice.answer("no/such id")
    with pytest.raises(StateNotReached):
        alice.at_least(token(world.services.catalog.audit_key, TENANT, 10**6)).search("hotel")
