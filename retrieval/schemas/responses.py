"""What is answered over HTTP, built from stage types."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, PlainSerializer

from retrieval import types
from retrieval.answers import Kept
from retrieval.documents import TextPart
from retrieval.profiles.serving import Arm
from retrieval.types import Card, Released
from vouch.catalog.tables import Answer
from vouch.core.clock import rfc3339
from vouch.core.freshness import State
from vouch.core.types import Json

Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]


class Span(BaseModel):
    """Code-point offsets, end exclusive."""

    start: int
    end: int


class Freshness(BaseModel):
    state: State = Field(description="Never `ownerless` to a reader: that is for reports.")
    modified_at: Moment | None
    review_due: Moment | None
    superseded_by: str | None = Field(None, description="Id of a newer document that you can read.")

    @classmethod
    def of(cls, freshness: types.Freshness) -> Self:
        return cls(
            state=freshness.state,
            modified_at=freshness.modified_at,
            review_due=freshness.review_due,
            superseded_by=freshness.superseded_by,
        )


class Claim(BaseModel):
    text: str
    citations: list[int]
    verdict: types.Verdict
    score: float


class Citation(BaseModel):
    n: int
    document_id: str
    external_id: str
    version: int
    title: str
    uri: str
    place: str = Field(description="Where the quote itself stands: `p. 12`, `sheet Costs, rows 8–9`, a heading.")
    span: Span
    quote: str = Field(description="Equals the document's text at `span`, character for character.")
    verified: Literal[True] = True
    freshness: Freshness

    @classmethod
    def of(cls, citation: types.Citation) -> Self:
        document = citation.document
        return cls(
            n=citation.n,
            document_id=document.document_id,
            external_id=document.external_id,
            version=citation.version,
            title=document.title,
            uri=document.uri,
            place=citation.place,
            span=Span(start=citation.span.start, end=citation.span.end),
            quote=citation.quote,
            freshness=Freshness.of(document.freshness),
        )


class Abstention(BaseModel):
    reason: types.AbstentionReason
    missing: str
    ask: list[str] = Field([], description="Who owns the nearest documents that you may read, the nearest first.")

    @classmethod
    def of(cls, one: types.Abstention) -> Self:
        return cls(reason=one.reason, missing=one.missing, ask=list(one.ask))


class Notice(BaseModel):
    """Something to know of the evidence, or of the answer itself. ``document_id`` is what it is about first,
    ``document_ids`` all of it."""

    kind: types.NoticeKind
    text: str
    document_id: str | None = Field(description="Null where it is about the answer: `left_out`, `incomplete`.")
    document_ids: list[str]
    citations: list[int]


class MadeBy(BaseModel):
    """How an answer was made."""

    profile: str
    digest: str = Field(description="Of what the profile says: another one of that name has another.")
    arm: Arm = Field(description="As what it served: `default` where nothing is released, `asked` for by its name.")
    release: str | None
    prompt: str | None = Field(description="Its version; null where no chat model wrote.")
    prompt_sha256: str | None
    writer: str
    model: str | None = Field(description="As the model's server calls it.")
    settings: str = Field(description="The fingerprint of all else that shaped the answer, documents aside.")


class AnswerResponse(BaseModel):
    answer_id: str
    kind: Literal["answer", "abstention"]
    status: types.Status = Field(
        "released",
        description="Of what is `awaiting_review`, or was `rejected`, there is no text, claim, citation or notice.",
    )
    text: str = Field(description="The claims in order, each followed by its citations as `[n]`.")
    claims: list[Claim]
    citations: list[Citation]
    notices: list[Notice]
    abstention: Abstention | None
    rejected: int = Field(description="Drafted claims and quotes that verification refused.")
    conversation_id: str | None
    usage: dict[str, Any]
    made_by: MadeBy | None = Field(description="Null of answers from before that was kept.")
    trace_id: str

    @classmethod
    def of(cls, released: Released, trace_id: str, conversation_id: str | None) -> Self:
        abstention = released.abstention
        return cls(
            answer_id=released.id,
            kind="abstention" if abstention else "answer",
            status="awaiting_review" if released.awaits else "released",
            text=released.text,
            claims=[
                Claim(text=claim.text, citations=list(claim.citations), verdict=claim.verdict, score=claim.score)
                for claim in released.claims
            ],
            citations=[Citation.of(citation) for citation in released.citations],
            notices=[
                Notice(
                    kind=notice.kind,
                    text=notice.text,
                    document_id=next(iter(notice.document_ids), None),
                    document_ids=list(notice.document_ids),
                    citations=list(notice.citations),
                )
                for notice in released.notices
            ],
            abstention=Abstention.of(abstention) if abstention else None,
            rejected=released.rejected,
            conversation_id=conversation_id,
            usage=released.usage,
            made_by=MadeBy(**released.made_by) if released.made_by else None,
            trace_id=trace_id,
        )


class KeptAnswerResponse(AnswerResponse):
    question: str
    created_at: Moment | None
    edited: bool = Field(False, description="A reviewer changed it before releasing it.")
    reason: str | None = Field(None, description="Why a reviewer rejected it, in their words.")

    @classmethod
    def again(cls, kept: Kept) -> Self:
        row, decided = kept.row, kept.approval
        body = dict(AnswerResponse.of(kept.released, row.trace_id, row.conversation_id)) | {"status": row.status}
        return cls(
            **body,
            question=row.question,
            created_at=row.created_at,
            edited=row.status == "released" and decided is not None and decided.edited_by is not None,
            reason=decided.reason if decided is not None else None,
        )


class CitationsResponse(BaseModel):
    citations: list[Citation]
    next_cursor: None = None


class AskedBefore(BaseModel):
    answer_id: str
    question: str
    created_at: Moment | None
    status: types.Status = "released"

    @classmethod
    def of(cls, row: Answer) -> Self:
        return cls.model_validate(
            {"answer_id": row.id, "question": row.question, "created_at": row.created_at, "status": row.status}
        )


class ConversationResponse(BaseModel):
    conversation_id: str
    questions: list[AskedBefore]


class Review(BaseModel):
    """An owner's word that the current version holds."""

    by: str
    at: Moment
    until: Moment | None = Field(description="Verified so long; null where the policy alone says when to look again.")
    comment: str | None


class DocumentResponse(BaseModel):
    document_id: str
    external_id: str
    source_id: str
    title: str
    uri: str
    mime: str
    language: str
    owner: str | None
    version: int
    freshness: Freshness
    review: Review | None

    @classmethod
    def of(cls, card: Card) -> Self:
        return cls(
            document_id=card.document_id,
            external_id=card.external_id,
            source_id=card.source_id,
            title=card.title,
            uri=card.uri,
            mime=card.mime,
            language=card.language,
            owner=card.owner,
            version=card.version,
            freshness=Freshness.of(card.freshness),
            review=Review(**asdict(card.review)) if card.review else None,
        )


class TextResponse(BaseModel):
    document_id: str
    version: int
    span: Span
    text: str
    length: int = Field(description="Characters of the whole text.")

    @classmethod
    def of(cls, part: TextPart) -> Self:
        return cls(
            document_id=part.document_id,
            version=part.version,
            span=Span(start=part.span.start, end=part.span.end),
            text=part.text,
            length=part.length,
        )


class TraceResponse(BaseModel):
    """How a question went. What is null is not yours to see, or was not reached."""

    trace_id: str
    kind: Literal["search", "ask"]
    created_at: str
    ms: float
    steps: list[Json]
    walk: list[Json] | None = Field(
        None, description="Each step as it was entered, with when it began; null in traces that do not have it."
    )
    access: Json
    index: Json
    writer: Json
    outdated: int
    made_by: Json | None = Field(None, description="How the answer was made; null of searches, and of older traces.")
    reuse: Json = Field({}, description="Of which `kind` an answer is that was given again, or why none was: `missed`.")
    query: str | None = None
    asked: Json | None = None
    rewrite: Json | None = None
    candidates: list[Json] | None = None
    demoted: list[Json] | None = Field(
        None, description="Candidates that stand lower than they rank: for which `state`, or for which `successor`."
    )
    dropped: list[Json] | None = Field(
        None, description="What you may read and its source has left out of search, and for which `state`."
    )
    passages: list[Json] | None = None
    suspected: list[Json] | None = Field(
        None, description="What reads as if it were meant for a model, in the question or a passage: `ruse` and `span`."
    )
    rejected: list[Json] | None = None
    answer: Json | None = None
    refused: list[Json] | None = Field(None, description="What gate 2 refused; for administrators.")
