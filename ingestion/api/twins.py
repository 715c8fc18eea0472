"""Duplicates and conflicts as the staleness report answers them over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, PlainSerializer

from ingestion.reports.twins import Contradiction, Duplicate
from vouch.core.clock import rfc3339
from vouch.core.series import Relation

_Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]


class PairedDocument(BaseModel):
    """What is null of a name may not be told: the request acts for nobody."""

    document_id: str
    source_id: str
    version: int
    modified_at: _Moment | None
    external_id: str | None
    title: str | None
    uri: str | None


class ReportedDuplicate(BaseModel):
    mine: PairedDocument = Field(description="The owner's; of several with this text, one.")
    other: PairedDocument
    relation: Relation
    similarity: float = Field(description="Of both texts' shingles (three words), the part that they share.")
    documents: int = Field(description="How many show the other text; of an identical one, how many there are in all.")
    conflicts: int

    @classmethod
    def of(cls, row: Duplicate) -> Self:
        return cls.model_validate(asdict(row))


class ReportedSpan(BaseModel):
    """Code-point offsets, end exclusive."""

    start: int
    end: int


class ReportedQuote(BaseModel):
    span: ReportedSpan
    quote: str = Field(description="Equals the document's text at `span`, character for character.")
    said: str = Field(description="The figure that the other document says otherwise.")


class ReportedConflict(BaseModel):
    kind: str = Field(examples=["amount", "date", "number", "percent", "time"])
    mine: PairedDocument
    other: PairedDocument
    ours: ReportedQuote
    theirs: ReportedQuote

    @classmethod
    def of(cls, row: Contradiction) -> Self:
        return cls.model_validate(asdict(row))
