"""Documents with words meant for a model, as the staleness report answers them over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, Field

from ingestion.reports.suspected import SuspectedDocument


class SuspectedPlace(BaseModel):
    ruse: str = Field(description="What the words read like: `override`, `steering`, `disclosure`, …")
    start: int
    end: int


class ReportedSuspect(BaseModel):
    """What is null of a name may not be told: the request acts for nobody."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    places: list[SuspectedPlace] = Field(description="In its text, in characters; none: the request acts for nobody.")
    places_in_all: int
    looked_at: int | None = Field(description="Characters from the beginning, where the text is longer than that.")

    @classmethod
    def of(cls, row: SuspectedDocument) -> Self:
        return cls.model_validate(asdict(row))
