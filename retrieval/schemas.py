"""The shapes of the HTTP interface. Requests refuse what they do not know; responses are built from stage types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from retrieval import types
from retrieval.documents import TextPart
from retrieval.generate import Profile
from retrieval.guard import MAX_CONVERSATION_ID, MAX_LIMIT, clean
from retrieval.pack import PASSAGES
from retrieval.types import Card, Hit, Question, Released
from vouch.catalog.tables import Answer
from vouch.core.clock import rfc3339, utc
from vouch.core.types import Json, SearchFilter

Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
MAX_COMMENT = 2_000


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _visible(value: str) -> str:
    if value != clean(value) or not value.strip():
        raise ValueError("holds characters that cannot be seen, or none that can")
    return value


Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_visible)]
Names = Annotated[list[Name], Field(max_length=100), BeforeValidator(_one_or_more)]
Time = Annotated[AwareDatetime, AfterValidator(utc)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(body: Json) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class Filter(_Request):
    """Narrows what is searched. Each list is an *or*, together they are an *and*."""

    source: Names = Field([], description="Source ids.")
    mime: Names = Field([], description="Media types.")
    language: Names = Field([], description="Language codes.")
    owner: Names = Field([], description="Owners, such as `user:carol`.")
    modified_after: Time | None = None
    modified_before: Time | None = None

    def where(self) -> SearchFilter:
        return SearchFilter(
            source=tuple(self.source),
            mime=tuple(self.mime),
            language=tuple(self.language),
            owner=tuple(self.owner),
            modified_after=self.modified_after,
            modified_before=self.modified_before,
        )


class SearchRequest(_Request):
    model_config = _example(
        {
            "query": "How many days of parental leave?",
            "limit": 5,
            "mode": "hybrid",
            "filter": {"mime": ["text/markdown"], "modified_after": "2025-01-01T00:00:00Z"},
        }
    )

    query: str = Field(description="Up to 4,000 characters.", examples=["How many days of parental leave?"])
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    mode: types.Mode = "hybrid"
    rerank: bool = True
    filter: Filter = Filter()

    def question(self) -> Question:
        return Question(self.query, self.limit, self.mode, self.rerank, self.filter.where())


class AskRequest(_Request):
    model_config = _example({"question": "How many days of parental leave?", "conversation_id": "mine-1"})

    question: str = Field(description="Up to 4,000 characters.", examples=["How many days of parental leave?"])
    conversation_id: Annotated[Name, Field(max_length=MAX_CONVERSATION_ID)] | None = Field(
        None, description="Any id of your own; a short question is then understood after the one before it."
    )
    stream: bool = Field(False, description="Answer with server-sent events.")
    limit: int = Field(PASSAGES, ge=1, le=MAX_LIMIT, description="Passages that the answer may be written from.")
    filter: Filter = Filter()
    profile: Profile | None = Field(None, description="What writes the answer; by default the chat model if there is.")

    def as_question(self) -> Question:
        where = self.filter.where()
        return Question(self.question, self.limit, where=where, conversation_id=self.conversation_id)


class FeedbackRequest(_Request):
    model_config = _example({"helpful": True, "comment": "Right, and quickly found."})

    helpful: bool
    comment: Annotated[str, Field(max_length=MAX_COMMENT), AfterValidator(clean)] | None = None


class Span(BaseModel):
    """Code-point offsets, end exclusive."""

    start: int
    end: int


class Freshness(BaseModel):
    state: types.FreshnessState
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


class Scores(BaseModel):
    dense: float | None
    lexical: float | None
    fused: float
    rerank: float | None


class SearchHit(BaseModel):
    document_id: str
    external_id: str
    version: int
    source_id: str
    title: str
    uri: str
    span: Span
    text: str
    place: str = Field(description="Where in the document, for people: a page, a sheet, a heading.")
    heading_path: list[str]
    score: float
    scores: Scores
    freshness: Freshness

    @classmethod
    def of(cls, hit: Hit) -> Self:
        scores = hit.scores
        return cls(
            document_id=hit.document_id,
            external_id=hit.external_id,
            version=hit.version,
            source_id=hit.source_id,
            title=hit.title,
            uri=hit.uri,
            span=Span(start=hit.span.start, end=hit.span.end),
            text=hit.text,
            place=hit.place,
            heading_path=list(hit.heading_path),
            score=hit.score,
            scores=Scores(dense=scores.dense, lexical=scores.lexical, fused=scores.fused, rerank=scores.rerank),
            freshness=Freshness.of(hit.freshness),
        )


class SearchResponse(BaseModel):
    hits: list[SearchHit]
    trace_id: str


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
    place: str
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


class Notice(BaseModel):
    """Something to know of the evidence. ``document_id`` is what it is about first, ``document_ids`` all of it."""

    kind: Literal["superseded", "stale", "conflict"]
    text: str
    document_id: str
    document_ids: list[str]
    citations: list[int]


class AnswerResponse(BaseModel):
    answer_id: str
    kind: Literal["answer", "abstention"]
    text: str = Field(description="The claims in order, each followed by its citations as `[n]`.")
    claims: list[Claim]
    citations: list[Citation]
    notices: list[Notice]
    abstention: Abstention | None
    rejected: int = Field(description="Drafted claims and quotes that verification refused.")
    conversation_id: str | None
    usage: dict[str, Any]
    trace_id: str

    @classmethod
    def of(cls, released: Released, trace_id: str, conversation_id: str | None) -> Self:
        abstention = released.abstention
        return cls(
            answer_id=released.id,
            kind="abstention" if abstention else "answer",
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
                    document_id=notice.document_ids[0],
                    document_ids=list(notice.document_ids),
                    citations=list(notice.citations),
                )
                for notice in released.notices
            ],
            abstention=Abstention(reason=abstention.reason, missing=abstention.missing) if abstention else None,
            rejected=released.rejected,
            conversation_id=conversation_id,
            usage=released.usage,
            trace_id=trace_id,
        )


class KeptAnswerResponse(AnswerResponse):
    question: str
    created_at: Moment | None


class CitationsResponse(BaseModel):
    citations: list[Citation]
    next_cursor: None = None


class AskedBefore(BaseModel):
    answer_id: str
    question: str
    created_at: Moment | None

    @classmethod
    def of(cls, row: Answer) -> Self:
        return cls(answer_id=row.id, question=row.question, created_at=row.created_at)


class ConversationResponse(BaseModel):
    conversation_id: str
    questions: list[AskedBefore]


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
    access: Json
    index: Json
    writer: Json
    outdated: int
    query: str | None = None
    asked: Json | None = None
    rewrite: Json | None = None
    candidates: list[Json] | None = None
    passages: list[Json] | None = None
    rejected: list[Json] | None = None
    answer: Json | None = None
    refused: list[Json] | None = Field(None, description="What gate 2 refused; for administrators.")


class ExplainedClause(BaseModel):
    clause: int
    allow: list[str]
    deny: list[str]
    permits: bool
    allowed_by: dict[str, list[str]] = Field(description="Matched principals, each with a membership path to it.")
    denied_by: dict[str, list[str]]


class ExplainResponse(BaseModel):
    user: str
    document_id: str
    decision: Literal["allowed", "denied"]
    epoch: int | None
    reasons: list[str]
    clauses: list[ExplainedClause]
    acl_read_at: str | None
    acl_max_age_s: int | None
