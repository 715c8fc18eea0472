"""What is refused before anything is searched, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from retrieval import examples
from retrieval.schemas import (
    AnswerResponse,
    CitationsResponse,
    ConversationResponse,
    DocumentResponse,
    ExplainResponse,
    KeptAnswerResponse,
    SearchResponse,
    TextResponse,
    TraceResponse,
)
from retrieval.schemas.approvals import QUEUE, REVIEW, Queue, Review
from retrieval.schemas.break_glass import Grant, GrantPage, ToldPage
from tests.retrieval.world import World

BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("/ask", {"question": ""}, "question_empty", "question"),
    ("/ask", {"question": " \t\u200b\u202e\n"}, "question_empty", "question"),
    ("/ask", {"question": "x" * 4_001}, "question_too_long", "question"),
    ("/ask", {"question": "\u0958" * 2_500}, "question_too_long", "question"),  # NFC makes two of each
    ("/ask", {}, "invalid_input", "question"),
    ("/ask", {"question": 7}, "invalid_input", "question"),
    ("/ask", {"question": "a?", "limit": 0}, "invalid_input", "limit"),
    ("/ask", {"question": "a?", "limit": 101}, "invalid_input", "limit"),
    ("/ask", {"question": "a?", "profile": "chat"}, "invalid_input", "profile"),
    ("/ask", {"question": "a?", "colour": "red"}, "unknown_field", "colour"),
    ("/ask", {"question": "a?", "filter": {"colour": "red"}}, "unknown_field", "filter.colour"),
    ("/ask", {"question": "a?", "conversation_id": "a\u0000b"}, "invalid_input", "conversation_id"),
    ("/ask", {"question": "a?", "conversation_id": "x" * 129}, "invalid_input", "conversation_id"),
    ("/search", {"query": ""}, "question_empty", "query"),
    ("/search", {"query": "x" * 4_001}, "question_too_long", "query"),
    ("/search", {"query": "a", "limit": 101}, "invalid_input", "limit"),
    ("/search", {"query": "a", "mode": "telepathy"}, "invalid_input", "mode"),
    ("/search", {"query": "a", "filter": {"tenant": ["other"]}}, "unknown_field", "filter.tenant"),
    ("/search", {"query": "a", "filter": {"modified_after": "yesterday"}}, "invalid_input", "filter.modified_after"),
    (
        "/search",
        {"query": "a", "filter": {"modified_after": "2026-01-01T00:00:00"}},
        "invalid_input",
        "filter.modified_after",
    ),
    ("/search", {"query": "a", "filter": {"source": ["\u0000"]}}, "invalid_input", "filter.source.0"),
]


def test_a_bad_request_names_the_field_and_the_code_streamed_or_not(empty: World) -> None:
    for path, body, code, field in BAD:
        for more in ({}, {"stream": True}) if path == "/ask" else ({},):
            response = empty.post(path, "bob", **body, **more)
            said = response.json()
            assert (response.status_code, said["code"], said["field"]) == (422, code, field), (path, body)
            assert response.headers["content-type"] == "application/problem+json"


def test_a_question_of_exactly_the_limit_and_one_of_odd_characters_are_answered(world: World) -> None:
    assert world.ask("bob", "x" * 4_000)["kind"] == "abstention"
    assert world.ask("bob", "\ufeffHow much is reim\u200bbursed for a \u202ehotel per night?\u0007")["kind"] == "answer"
    body = '{"question": "lone \\ud800 surrogate", "stream": false}'
    headers = {**world.headers("bob"), "Content-Type": "application/json"}
    assert world.client.post("/v1/ask", content=body, headers=headers).status_code in (200, 422)


def test_who_may_ask(empty: World) -> None:
    body = {"question": "a?"}
    post = empty.client.post
    assert post("/v1/ask", json=body).json()["code"] == "unauthenticated"
    assert post("/v1/ask", json=body, headers=empty.headers(None, "admin")).json()["code"] == "forbidden"
    assert post("/v1/ask", json=body, headers=empty.headers(None, "admin", "ask")).json()["code"] == "acts_for_nobody"
    assert empty.post("/ask", "mallory", question="a?").json()["code"] == "unauthenticated"


EXAMPLES: list[tuple[Any, type[BaseModel]]] = [
    (examples.SEARCH, SearchResponse),
    (examples.ANSWER, AnswerResponse),
    (examples.KEPT_ANSWER, KeptAnswerResponse),
    (examples.CITATIONS, CitationsResponse),
    (examples.CONVERSATION, ConversationResponse),
    (examples.DOCUMENT, DocumentResponse),
    (examples.TEXT, TextResponse),
    (examples.TRACE, TraceResponse),
    (examples.GRANT, Grant),
    (examples.GRANTS, GrantPage),
    (examples.NOTIFICATIONS, ToldPage),
    (examples.EXPLAIN, ExplainResponse),
    (QUEUE, Queue),
    (REVIEW, Review),
]


@pytest.mark.parametrize(("example", "model"), EXAMPLES)
def test_every_example_is_what_its_model_writes(example: dict[str, Any], model: type[BaseModel]) -> None:
    assert model.model_validate(example).model_dump(mode="json") == example


def test_every_route_documents_its_errors_and_an_example(empty: World) -> None:
    paths = empty.client.get("/openapi.json").json()["paths"]
    assert len(paths) >= 10
    for operation in (operation for path in paths.values() for operation in path.values()):
        said = operation["responses"]
        assert {"401", "403", "503"} <= said.keys()
        assert "application/problem+json" in said["401"]["content"]
        (good,) = said.keys() & {"200", "201", "204"}
        assert good == "204" or "example" in said[good]["content"]["application/json"]
