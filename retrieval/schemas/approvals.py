"""Answers that a person approves, as reviewers see them over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from retrieval import types
from retrieval.approvals.edit import EditedClaim, Quoted
from retrieval.approvals.opened import Opened, holder
from retrieval.examples import ANSWER
from retrieval.guard import clean
from retrieval.schemas.responses import AnswerResponse, Citation, Claim, Moment, Notice
from vouch.catalog.tables import Approval
from vouch.core.types import Json

MOST_CLAIMS = 50
MOST_QUOTES = 20
LONGEST_CLAIM = 2_000
LONGEST_QUOTE = 4_000
LONGEST_REASON = 1_000

Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="What was read: refused if it says otherwise by now.")]


def _said(value: str) -> str:
    if not (visible := clean(value).strip()):
        raise ValueError("holds no character that can be seen")
    return visible


def _body(example: Json) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class QuoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document_id: str = Field(min_length=1, max_length=128, description="A document that the answer cites.")
    quote: str = Field(min_length=1, max_length=LONGEST_QUOTE, description="Its words, character for character.")


class ClaimIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        str,
        StringConstraints(max_length=LONGEST_CLAIM),
        AfterValidator(_said),
    ]
    citations: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        [], max_length=MOST_QUOTES, description="Numbers of citations that the answer has."
    )
    quotes: list[QuoteIn] = Field([], max_length=MOST_QUOTES, description="New ones, of documents that it cites.")


class EditRequest(BaseModel):
    model_config = _body(
        {
            "version": 1,
            "claims": [
                {
                    "text": "Every parent may take 20 weeks of paid leave.",
                    "citations": [1],
                    "quotes": [
                        {
                            "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
                            "quote": "Leave is requested six weeks ahead.",
                        }
                    ],
                }
            ],
        }
    )

    version: Version
    claims: list[ClaimIn] = Field(min_length=1, max_length=MOST_CLAIMS, description="All of the answer, in order.")

    def edited(self) -> list[EditedClaim]:
        return [
            EditedClaim(
                one.text,
                tuple(dict.fromkeys(one.citations)),
                tuple(Quoted(quote.document_id, quote.quote) for quote in one.quotes),
            )
            for one in self.claims
        ]


class ReleaseRequest(BaseModel):
    model_config = _body({"version": 1})

    version: Version


class RejectRequest(BaseModel):
    model_config = _body({"version": 1, "reason": "The figure is of last year's policy; ask the people team."})

    version: Version
    reason: Annotated[
        str,
        StringConstraints(max_length=LONGEST_REASON),
        AfterValidator(_said),
    ] = Field(description="Told to who asked.")


class Waiting(BaseModel):
    """An answer of the queue. ``version`` counts its texts."""

    answer_id: str
    status: types.Status
    question: str
    asked_by: str
    why: types.Need = Field(
        description="Why a person approves it: its profile, its workflow, or a chat model wrote it."
    )
    created_at: Moment
    version: int
    claimed_by: str | None = Field(description="Who has it at the moment.")
    claimed_until: Moment | None
    edited_by: str | None
    decided_by: str | None
    decided_at: Moment | None
    reason: str | None = Field(description="Why it was rejected.")

    @classmethod
    def of(cls, row: Any) -> Self:
        """``row``: of `approval`, with what the answer says of itself."""
        return cls(
            question=row.question, asked_by=row.user_id, status=row.status, created_at=row.created_at, **_of(row)
        )


class Review(Waiting):
    """All that there is to decide about."""

    text: str
    claims: list[Claim]
    citations: list[Citation]
    notices: list[Notice]
    writer: str = Field(description="Who wrote it first.")
    original: Json | None = Field(description="What it said before it was edited: `text`, `claims`, `citations`.")

    @classmethod
    def about(cls, found: Opened) -> Self:
        row, answer = found.row, found.answer
        whole = AnswerResponse.of(found.released, answer.trace_id, None)
        asked = {"question": answer.question, "asked_by": answer.user_id, "created_at": answer.created_at}
        shown = {name: getattr(whole, name) for name in ("text", "claims", "citations", "notices")}
        told = {"status": answer.status, "writer": found.released.usage["writer"], "original": row.original}
        return cls(**asked, **shown, **told, **_of(row))


def _of(row: Approval) -> dict[str, Any]:
    by = holder(row)
    return {
        "answer_id": row.answer_id,
        "why": row.why,
        "version": row.version,
        "claimed_by": by,
        "claimed_until": row.claimed_until if by else None,
        "edited_by": row.edited_by,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
        "reason": row.reason,
    }


class Queue(BaseModel):
    approvals: list[Waiting]
    next_cursor: str | None


WAITING: Json = {
    "answer_id": "0199c0df-1b3c-7a5d-8e2f-3c4b5a697887",
    "status": "awaiting_review",
    "question": "How many weeks of parental leave?",
    "asked_by": "user:alice",
    "why": "workflow",
    "created_at": "2026-02-03T10:15:00Z",
    "version": 1,
    "claimed_by": "user:carol",
    "claimed_until": "2026-02-03T11:00:00Z",
    "edited_by": None,
    "decided_by": None,
    "decided_at": None,
    "reason": None,
}
QUEUE: Json = {"approvals": [WAITING], "next_cursor": None}
REVIEW: Json = {
    **WAITING,
    **{name: ANSWER[name] for name in ("text", "claims", "citations", "notices")},
    "writer": "chat:hosted:answer.v1",
    "original": None,
}
