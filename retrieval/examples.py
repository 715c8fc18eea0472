"""Examples of responses for OpenAPI. A test reads each through the model that it stands for."""

from __future__ import annotations

from typing import Any

from vouch.core.types import Json

_FRESHNESS: Json = {
    "state": "fresh",
    "modified_at": "2026-01-12T09:00:00Z",
    "review_due": "2026-07-11T09:00:00Z",
    "superseded_by": None,
}
_DOCUMENT: Json = {
    "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
    "external_id": "hr/parental-leave.md",
    "version": 3,
    "title": "Parental leave",
    "uri": "file:///srv/docs/hr/parental-leave.md",
}
_QUOTE = "Every parent may take 20 weeks of paid leave."
_SPAN: Json = {"start": 118, "end": 118 + len(_QUOTE)}
_CITATION: Json = {
    "n": 1,
    **_DOCUMENT,
    "place": "Parental leave > Duration",
    "span": _SPAN,
    "quote": _QUOTE,
    "verified": True,
    "freshness": _FRESHNESS,
}

SEARCH: Json = {
    "hits": [
        {
            **_DOCUMENT,
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "span": _SPAN,
            "text": _QUOTE,
            "place": "Parental leave > Duration",
            "heading_path": ["Parental leave", "Duration"],
            "score": 6.31,
            "scores": {"dense": 0.71, "lexical": 9.2, "fused": 0.1818, "rerank": 6.31},
            "freshness": _FRESHNESS,
        }
    ],
    "trace_id": "0199c0df-0a2b-7e6f-b1c4-9d8e7f605142",
}
ANSWER: Json = {
    "answer_id": "0199c0df-1b3c-7a5d-8e2f-3c4b5a697887",
    "kind": "answer",
    "text": f"{_QUOTE} [1]",
    "claims": [{"text": _QUOTE, "citations": [1], "verdict": "supported", "score": 1.0}],
    "citations": [_CITATION],
    "notices": [],
    "abstention": None,
    "rejected": 0,
    "conversation_id": None,
    "usage": {"writer": "extractive", "input_tokens": 0, "output_tokens": 0},
    "trace_id": "0199c0df-1b3d-7bd0-9c1a-0f1e2d3c4b5a",
}
KEPT_ANSWER: Json = {
    **ANSWER,
    "question": "How many weeks of parental leave?",
    "created_at": "2026-02-03T10:15:00Z",
}
CITATIONS: Json = {"citations": [_CITATION], "next_cursor": None}
CONVERSATION: Json = {
    "conversation_id": "mine-1",
    "questions": [
        {
            "answer_id": ANSWER["answer_id"],
            "question": "How many weeks of parental leave?",
            "created_at": "2026-02-03T10:15:00Z",
        }
    ],
}
DOCUMENT: Json = {
    **_DOCUMENT,
    "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
    "mime": "text/markdown",
    "language": "en",
    "owner": "user:carol",
    "freshness": _FRESHNESS,
}
TEXT: Json = {
    "document_id": _DOCUMENT["document_id"],
    "version": 3,
    "span": _SPAN,
    "text": _QUOTE,
    "length": 2210,
}
TRACE: Json = {
    "trace_id": ANSWER["trace_id"],
    "kind": "search",
    "created_at": "2026-02-03T10:15:00Z",
    "ms": 14.2,
    "steps": [{"name": "resolve", "ms": 1.1}, {"name": "search", "ms": 6.8}],
    "access": {"epoch": 41, "principals_hash": "9f2c…"},
    "index": {"generation": "g1", "embedder": "all-MiniLM-L6-v2:r1", "plan": {"dense": {"mode": "exact"}}},
    "writer": {},
    "outdated": 0,
    "query": "How many weeks of parental leave?",
    "asked": {"limit": 10, "mode": "hybrid", "rerank": True, "conversation_id": None, "filter": {}},
    "rewrite": {"query": "How many weeks of parental leave?", "rule": "none", "carried": []},
    "candidates": [
        {
            "document_id": _DOCUMENT["document_id"],
            "version": 3,
            "ordinal": 2,
            "scores": {"dense": 0.71, "lexical": 9.2, "fused": 0.1818, "rerank": 6.31},
        }
    ],
    "passages": [],
    "rejected": [],
    "answer": None,
    "refused": None,
}
EXPLAIN: Json = {
    "user": "user:alice",
    "document_id": _DOCUMENT["document_id"],
    "decision": "allowed",
    "epoch": 41,
    "reasons": ["every clause permits"],
    "clauses": [
        {
            "clause": 0,
            "allow": ["group:hr"],
            "deny": [],
            "permits": True,
            "allowed_by": {"group:hr": ["user:alice", "group:hr"]},
            "denied_by": {},
        }
    ],
    "acl_read_at": "2026-02-03T09:00:00Z",
    "acl_max_age_s": 86400,
}
STREAM = (
    'event: step\ndata: {"name":"search"}\n\n'
    f'event: token\ndata: {{"text":"{_QUOTE} [1]"}}\n\n'
    'event: citation\ndata: {"n":1, …}\n\nevent: answer\ndata: {"kind":"answer", …}\n\n'
)


def of(example: Json, stream: str | None = None) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of a successful response."""
    content: Json = {"application/json": {"example": example}}
    if stream is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}, "example": stream}
    return {200: {"content": content}}
