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
            "demoted": None,
            "highlights": [{"start": 32, "end": 36}, {"start": 37, "end": 42}],
            "snippet": {"start": 0, "end": len(_QUOTE)},
        }
    ],
    "matched": {"documents": 2, "exact": True},
    "facets": {
        "source": [{"value": "0199c0de-6f00-7d10-8c55-1d2e3f405162", "name": "handbook", "documents": 2}],
        "year": [{"value": "2026", "name": None, "documents": 1}, {"value": "2025", "name": None, "documents": 1}],
    },
    "read_as": [{"typed": "parentel", "instead": "parental"}],
    "trace_id": "0199c0df-0a2b-7e6f-b1c4-9d8e7f605142",
}
ANSWER: Json = {
    "answer_id": "0199c0df-1b3c-7a5d-8e2f-3c4b5a697887",
    "kind": "answer",
    "status": "released",
    "text": f"{_QUOTE} [1]",
    "claims": [{"text": _QUOTE, "citations": [1], "verdict": "supported", "score": 1.0}],
    "citations": [_CITATION],
    "notices": [],
    "abstention": None,
    "rejected": 0,
    "conversation_id": None,
    "usage": {"writer": "extractive", "input_tokens": 0, "output_tokens": 0},
    "made_by": {
        "profile": "routes",
        "digest": "4f1c2a97d0b3e865",
        "arm": "default",
        "release": None,
        "prompt": None,
        "prompt_sha256": None,
        "writer": "extractive",
        "model": None,
        "settings": "9b71d224bd62f378",
    },
    "trace_id": "0199c0df-1b3d-7bd0-9c1a-0f1e2d3c4b5a",
}
KEPT_ANSWER: Json = {
    **ANSWER,
    "question": "How many weeks of parental leave?",
    "created_at": "2026-02-03T10:15:00Z",
    "edited": False,
    "reason": None,
}
CITATIONS: Json = {"citations": [_CITATION], "next_cursor": None}
CONVERSATION: Json = {
    "conversation_id": "mine-1",
    "questions": [
        {
            "answer_id": ANSWER["answer_id"],
            "question": "How many weeks of parental leave?",
            "created_at": "2026-02-03T10:15:00Z",
            "status": "released",
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
    "review": {
        "by": "user:carol",
        "at": "2026-02-02T08:30:00Z",
        "until": "2026-07-11T23:59:59Z",
        "comment": "Checked against the collective agreement.",
    },
}
TEXT: Json = {
    "document_id": _DOCUMENT["document_id"],
    "version": 3,
    "span": _SPAN,
    "text": _QUOTE,
    "length": 2210,
}
_OLDER = _QUOTE.replace("20", "16")
_OTHER: Json = {
    "document_id": "0199c0de-7c22-7a40-8d15-6e7f80912a3b",
    "external_id": "archive/parental-leave-2024.md",
    "version": 1,
    "title": "Parental leave 2024",
    "uri": "file:///srv/docs/archive/parental-leave-2024.md",
}
_FIGURE: Json = {"start": 134, "end": 142}
_SIDES: Json = {
    "kind": "amount",
    "ours": {"quote": _QUOTE, "said": "20 weeks"} | {name: _DOCUMENT[name] for name in ("document_id", "version")},
    "theirs": {"quote": _OLDER, "said": "16 weeks"} | {name: _OTHER[name] for name in ("document_id", "version")},
}
SIMILAR: Json = {
    "document_id": _DOCUMENT["document_id"],
    "version": 3,
    "compared": True,
    "similar": [
        {
            **_OTHER,
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "modified_at": "2024-02-01T09:00:00Z",
            "relation": "version",
            "newer": "this",
            "similarity": 0.8421,
            "containment": 0.9302,
            "conflicts": [
                {
                    "kind": _SIDES["kind"],
                    **{name: {**_SIDES[name], "span": _SPAN, "figure": _FIGURE} for name in ("ours", "theirs")},
                }
            ],
            "conflicts_in_all": 1,
        }
    ],
    "in_all": 1,
    "next_cursor": None,
}
TRACE: Json = {
    "trace_id": ANSWER["trace_id"],
    "kind": "search",
    "created_at": "2026-02-03T10:15:00Z",
    "ms": 14.2,
    "steps": [{"name": "resolve", "ms": 1.1}, {"name": "search", "ms": 6.8}],
    "walk": [{"name": "resolve", "at_ms": 0.1, "ms": 1.1}, {"name": "search", "at_ms": 1.6, "ms": 6.8}],
    "access": {"epoch": 41, "principals_hash": "9f2c…"},
    "index": {"generation": "g1", "embedder": "all-MiniLM-L6-v2:r1", "plan": {"dense": {"mode": "exact"}}},
    "writer": {},
    "outdated": 0,
    "made_by": None,
    "reuse": {},
    "query": "How many weeks of parental leave?",
    "asked": {
        "limit": 10,
        "mode": "hybrid",
        "rerank": True,
        "conversation_id": None,
        "plain": False,
        "facets": [],
        "like": None,
        "filter": {},
    },
    "rewrite": {"query": "How many weeks of parental leave?", "rule": "none", "carried": [], "reread": []},
    "candidates": [
        {
            "document_id": _DOCUMENT["document_id"],
            "version": 3,
            "ordinal": 2,
            "scores": {"dense": 0.71, "lexical": 9.2, "fused": 0.1818, "rerank": 6.31},
        }
    ],
    "demoted": [],
    "dropped": [],
    "passages": [],
    "suspected": [],
    "rejected": [],
    "answer": None,
    "refused": None,
}
_SOURCE = "0199c0de-1f00-7d52-8a3c-5e6f70819203"
_HASH = "c2f1a97be0448d35f6e19d7a3b8c5042e7160f9d8ab34c21570fe6b3d9824ac7"
EXPLAIN: Json = {
    "user": "user:alice",
    "document_id": _DOCUMENT["document_id"],
    "version": 3,
    "decision": "allowed",
    "epoch": 41,
    "reasons": ["every clause permits"],
    "acl_id": "7a3d1f0c5e2b48968d41c0b7e95f6a1327d8094be1c65fa09b3e72d8c4a5f610",
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
    "acl": {"read_at": "2026-02-03T09:00:00Z", "age_s": 5400.0, "max_age_s": 86400, "too_old": False},
    "memberships": {"read_at": None, "age_s": None, "max_age_s": None, "too_old": False},
}
READERS: Json = {
    "document_id": _DOCUMENT["document_id"],
    "epoch": 41,
    "reasons": [],
    "readers": [{"user": "user:alice", "through": [{"clause": 0, "principals": ["group:hr"]}]}],
    "next_cursor": None,
}
READABLE: Json = {
    "user": "user:alice",
    "epoch": 41,
    "reasons": [],
    "documents": [
        {"document_id": _DOCUMENT["document_id"], "external_id": _DOCUMENT["external_id"], "source_id": _SOURCE}
    ],
    "next_cursor": None,
}
CHANGES: Json = {
    "from_epoch": 40,
    "to_epoch": 41,
    "changes": [
        {
            "epoch": 41,
            "at": "2026-02-03T09:10:00Z",
            "actor": "key:01a1fcd9-a730-7b58-b619-3ad047ed8908",
            "kind": "members",
            "subject": "group:hr",
            "user": None,
            "group": "group:hr",
            "member": "user:alice",
            "document_id": None,
            "state": "added",
            "acl_id": None,
        }
    ],
    "moved": [{"change": "gained", "user": None} | READABLE["documents"][0]],
    "next_cursor": None,
}
REPLAY: Json = {
    "answer_id": ANSWER["answer_id"],
    "user": "user:alice",
    "kind": "answer",
    "epoch": 41,
    "decided_at": "2026-02-03T10:30:00Z",
    "generation": "g1",
    "principals_hash": _HASH,
    "recomputed_hash": _HASH,
    "then": "allowed",
    "now": "denied",
    "reasons": [],
    "reasons_now": [],
    "documents": [
        {
            "document_id": _DOCUMENT["document_id"],
            "version": 3,
            "cited": [{"n": 1, "start": 120, "end": 171}],
            "then": {
                "verdict": "allowed",
                "reasons": ["every clause permitted"],
                "acl_id": EXPLAIN["acl_id"],
                "clauses": EXPLAIN["clauses"],
            },
            "now": {
                "decision": "denied",
                "reasons": ["clause 0 allows only group:hr, and the user is none of them"],
                "version": 3,
            },
        }
    ],
}
_REASON = "Incident 4711: the on-call rota is needed while its owner cannot be reached."
GRANT: Json = {
    "id": "0199c0e1-2b3c-7d4e-8f50-617283940a1b",
    "document_id": _DOCUMENT["document_id"],
    "user": "user:bob",
    "reason": _REASON,
    "granted_by": "user:bob via key:0199c0de-0000-7aaa-8bbb-000000000001",
    "state": "active",
    "created_at": "2026-02-03T09:00:00Z",
    "expires_at": "2026-02-03T09:30:00Z",
    "first_read_at": None,
    "ended_at": None,
}
GRANTS: Json = {"grants": [GRANT], "next_cursor": None}
NOTIFICATIONS: Json = {
    "notifications": [
        {
            "id": "0199c0e1-2b3d-7d4e-8f50-617283940a1c",
            "kind": "break_glass.granted",
            "document_id": _DOCUMENT["document_id"],
            "title": None,
            "detail": {name: GRANT[name] for name in ("user", "reason", "expires_at")} | {"grant": GRANT["id"]},
            "created_at": "2026-02-03T09:00:00Z",
            "seen_at": None,
        }
    ],
    "next_cursor": None,
}
COMPARED: Json = {
    "compared": {"with": "g1", "at": "2026-03-01T12:00:00Z", "questions": 50, "same_first": 0.92, "overlap_10": 0.87}
}
USAGE: Json = {
    "by": "user",
    "since": "2026-02-01T00:00:00Z",
    "until": "2026-03-01T00:00:00Z",
    "rows": [
        {
            "value": "user:alice",
            "currency": "EUR",
            "calls": 41,
            "input_tokens": 98230,
            "output_tokens": 7114,
            "cost": "0.4013",
        }
    ],
}
BUDGETS: Json = {
    "budgets": [
        {
            "id": "0199c0e1-3a51-7c3e-9a1b-2f6d5b0c9e11",
            "scope": "group",
            "subject": "group:sales",
            "period": "month",
            "tokens": None,
            "money": "200",
            "hard": True,
            "spent_tokens": 105344,
            "spent_money": "0.4013",
        }
    ]
}
RELEASE: Json = {
    "id": "0199c0e1-4b62-7c3e-9a1b-2f6d5b0c9e12",
    "workflow": "",
    "stable": "routes",
    "canary": {"profile": "careful", "percent": 10},
    "shadow": None,
    "sound": True,
    "verb": "set",
    "by": "key:0199c0de-0000-7aaa-8bbb-000000000001",
    "at": "2026-03-01T09:00:00Z",
}
RELEASE_HISTORY: Json = {"releases": [RELEASE]}
RELEASES: Json = {
    "releases": [RELEASE],
    "profiles": [
        {
            "name": "careful",
            "digest": "4f1c2a97d0b3e865",
            "says": {
                "prompt": "answer.v1",
                "writers": ["strong", "extractive"],
                "passages": 12,
                "rerank": True,
                "approval": False,
                "abstain_below": None,
            },
        }
    ],
}
COMPARISON: Json = {
    "workflow": "",
    "since": "2026-02-01T00:00:00Z",
    "until": "2026-03-01T00:00:00Z",
    "comparisons": [
        {
            "kind": "canary",
            "former": "routes",
            "candidate": "careful",
            "answers": [812, 97],
            "enough": True,
            "failed": 0,
            "measures": [
                {
                    "measure": "abstained",
                    "former": 0.2118,
                    "candidate": 0.1443,
                    "difference": -0.0675,
                    "low": -0.1389,
                    "high": 0.0103,
                    "p": 0.0781,
                }
            ],
            "overlap": None,
        }
    ],
}
STREAM = (
    'event: step\ndata: {"name":"search"}\n\n'
    f'event: token\ndata: {{"text":"{_QUOTE} [1]"}}\n\n'
    'event: citation\ndata: {"n":1, …}\n\nevent: answer\ndata: {"kind":"answer", …}\n\n'
)


def of(example: Json, stream: str | None = None, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of a successful response."""
    content: Json = {"application/json": {"example": example}}
    if stream is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}, "example": stream}
    return {status: {"content": content}}
