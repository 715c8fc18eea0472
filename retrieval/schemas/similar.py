"""What is like a document, as it is answered over HTTP."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field

from retrieval.schemas.responses import Moment, Span
from retrieval.similar import Similar, SimilarPage
from retrieval.types import Conflict, Told
from vouch.core.series import Relation


class Side(BaseModel):
    """A sentence, and the figure in it that the other document says otherwise."""

    document_id: str
    version: int
    span: Span
    quote: str = Field(description="Equals the document's text at `span`, character for character.")
    figure: Span
    said: str = Field(description="The figure, as written.")

    @classmethod
    def of(cls, document_id: str, version: int, told: Told) -> Self:
        return cls(
            document_id=document_id,
            version=version,
            span=Span(start=told.span.start, end=told.span.end),
            quote=told.quote,
            figure=Span(start=told.figure.start, end=told.figure.end),
            said=told.said,
        )


class ConflictingSides(BaseModel):
    kind: Literal["date", "time", "percent", "amount", "number"]
    ours: Side = Field(description="In the document asked about.")
    theirs: Side


class SimilarDocument(BaseModel):
    document_id: str
    external_id: str
    source_id: str
    title: str
    uri: str
    version: int
    modified_at: Moment | None
    relation: Relation = Field(
        description="`identical`: the same text. `version`: the same name but for dates or versions, or a text that"
        " holds the other. `near`: alike."
    )
    newer: Literal["this", "other"] | None = Field(
        description="Which was modified later: the document asked about, or this one. Null: not known, or both at once."
    )
    similarity: float = Field(description="Of both texts' shingles (three words), the part that they share.")
    containment: float = Field(description="Of the shorter text's shingles, the part that the longer one has.")
    conflicts: list[ConflictingSides] = Field(description="At most 20.")
    conflicts_in_all: int

    @classmethod
    def of(cls, page: SimilarPage, one: Similar) -> Self:
        facts = {name: getattr(one, name) for name in cls.model_fields if name != "conflicts"}
        told = [_sides((page.document_id, page.version), (one.document_id, one.version), c) for c in one.conflicts]
        return cls(**facts, conflicts=told)


class SimilarResponse(BaseModel):
    document_id: str
    version: int
    compared: bool = Field(description="False: the current version is to be compared yet, and more may be found.")
    similar: list[SimilarDocument] = Field(description="Those that contradict it first, then the most similar.")
    in_all: int
    next_cursor: str | None

    @classmethod
    def of(cls, page: SimilarPage, next_cursor: str | None) -> Self:
        return cls(
            document_id=page.document_id,
            version=page.version,
            compared=page.compared,
            similar=[SimilarDocument.of(page, one) for one in page.similar],
            in_all=page.in_all,
            next_cursor=next_cursor,
        )


def _sides(mine: tuple[str, int], other: tuple[str, int], found: Conflict) -> ConflictingSides:
    return ConflictingSides.model_validate(
        {"kind": found.kind, "ours": Side.of(*mine, found.ours), "theirs": Side.of(*other, found.theirs)}
    )
