"""`/v1/reports` (scope `reports`): what the owners of documents should look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from vouch.client.http import Connection
from vouch.client.results import Result, Span


class Uses(Result):
    """Questions of the last 30 days, and how many people asked them."""

    questions: int
    people: int


class ReportedDocument(Uses):
    """``external_id``, ``title`` and ``uri`` are None where they may not be told."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    state: str
    modified_at: AwareDatetime | None
    review_due: AwareDatetime | None
    verified_until: AwareDatetime | None
    superseded_by: str | None
    successor: str | None


class QuarantinedDocument(Result):
    """As :class:`ReportedDocument`, with why it could not be taken in."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    reason: str
    detail: str | None


class PairedDocument(Result):
    """A document of a pair; names as of :class:`ReportedDocument`."""

    document_id: str
    source_id: str
    version: int
    modified_at: AwareDatetime | None
    external_id: str | None
    title: str | None
    uri: str | None


class Duplicate(Result):
    """Two texts that are alike, by one document of each. ``relation``: identical, version or near."""

    mine: PairedDocument
    other: PairedDocument
    relation: str
    similarity: float
    documents: int
    conflicts: int


class Quoted(Result):
    span: Span
    quote: str
    said: str


class ReportedConflict(Result):
    """Two sentences that are the same but for a figure."""

    kind: str
    mine: PairedDocument
    other: PairedDocument
    ours: Quoted
    theirs: Quoted


class StalenessReport(Result):
    """``documents`` are one page; what stands beside them is the same on each."""

    owner: str | None
    user: str | None
    generated_at: AwareDatetime
    since: AwareDatetime
    counts: dict[str, int]
    documents: tuple[ReportedDocument, ...]
    superseded: tuple[ReportedDocument, ...]
    superseded_cited: int
    quarantined: tuple[QuarantinedDocument, ...]
    quarantined_in_all: int
    unanswered: Uses
    duplicates: tuple[Duplicate, ...]
    duplicates_in_all: int
    conflicts: tuple[ReportedConflict, ...]
    conflicts_in_all: int
    uncompared: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Reports:
    """Of a client that acts for a user: what that user owns and may read. Else ids, states and counts."""

    connection: Connection

    def staleness(
        self, owner: str | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> StalenessReport:
        """The report, with a page of its documents; ``owner`` None: all that the user owns."""
        query = {"owner": owner, "limit": limit, "cursor": cursor}
        return self.connection.get("/v1/reports/staleness", StalenessReport, query)

    def staleness_documents(self, owner: str | None = None) -> Iterator[ReportedDocument]:
        """Every document that should be looked at, the most used first."""
        return self.connection.pages("/v1/reports/staleness", "documents", ReportedDocument, {"owner": owner})

    def staleness_as(
        self, format: Literal["csv", "html"], owner: str | None = None, *, limit: int | None = None
    ) -> str:
        """The report as text: a table for a spreadsheet, or a page for a mail client or a browser."""
        return self.connection.text("/v1/reports/staleness", {"owner": owner, "format": format, "limit": limit})
