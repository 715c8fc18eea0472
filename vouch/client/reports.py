"""`/v1/reports` (scope `reports`; of one's own, `ask`): what the owners of documents should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class BrokenLink(Result):
    """A link in the document that leads to no document any more, and where its text stands in the document's."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    target: str | None
    start: int | None
    end: int | None


class SuspectedPlace(Result):
    ruse: str
    start: int
    end: int


class SuspectedDocument(Result):
    """A document with words that read as if they were meant for a model, and where they stand in its text."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    places: tuple[SuspectedPlace, ...]
    places_in_all: int
    looked_at: int | None


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
    broken_links: tuple[BrokenLink, ...]
    broken_links_in_all: int
    links_unknown: int
    suspected: tuple[SuspectedDocument, ...] = ()
    suspected_in_all: int = 0
    unanswered: Uses
    duplicates: tuple[Duplicate, ...]
    duplicates_in_all: int
    conflicts: tuple[ReportedConflict, ...]
    conflicts_in_all: int
    uncompared: int
    next_cursor: str | None


class UsedDocument(Uses):
    """What should be looked at and is cited; what is None may not be told."""

    document_id: str | None
    external_id: str | None
    title: str | None
    uri: str | None
    state: str


class OwnerReport(Result):
    """What of one owner's documents should be looked at, in numbers."""

    owner: str
    counts: dict[str, int]
    to_look_at: int
    quarantined: int
    most_used: tuple[UsedDocument, ...]


class GroupStaleness(Result):
    """The view of a group for who looks after it, owner by owner."""

    group: str
    user: str | None
    generated_at: AwareDatetime
    since: AwareDatetime
    owners: tuple[OwnerReport, ...]
    owners_in_all: int


class ReportSchedule(Result):
    """When reports are mailed; ``send_to``: who gets one unless they said otherwise."""

    schedule: str | None
    send_to: tuple[str, ...]
    next_at: AwareDatetime | None
    mail_server: bool


class Delivery(Result):
    """What became of one message."""

    id: str
    user: str
    kind: str
    due_at: AwareDatetime
    state: str
    attempts: int
    handed_over: int
    next_try: AwareDatetime | None
    ended_at: AwareDatetime | None
    problem: dict[str, str] | None


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

    def group(self, group: str) -> GroupStaleness:
        """How the documents of a group stand: for its manager, or in numbers for who acts for nobody."""
        return self.connection.get("/v1/reports/staleness/group", GroupStaleness, {"group": group})

    def group_as(self, format: Literal["csv", "html"], group: str) -> str:
        """The same as text."""
        return self.connection.text("/v1/reports/staleness/group", {"group": group, "format": format})

    def schedule(self) -> ReportSchedule:
        """When reports are mailed (scope `admin`, as all below)."""
        return self.connection.get("/v1/reports/schedule", ReportSchedule)

    def set_schedule(self, schedule: str | None, send_to: Sequence[str]) -> ReportSchedule:
        """``schedule``: `7d`, a cron expression, or None for never."""
        body = {"schedule": schedule, "send_to": list(send_to)}
        return ReportSchedule.model_validate(self.connection.send("PUT", "/v1/reports/schedule", body))

    def deliveries(self, *, state: str | None = None, user: str | None = None) -> Iterator[Delivery]:
        """What became of each message, newest first."""
        query = {"state": state, "user": user}
        return self.connection.pages("/v1/reports/deliveries", "deliveries", Delivery, query)

    def send(self, user: str) -> None:
        """Send one user their report now, should there be anything in it."""
        self.connection.send("POST", "/v1/reports/deliveries", {"user": user})

    def retry(self, user: str | None = None) -> int:
        """Try again what was given up, of one user or of all. Returns how many messages."""
        return int(self.connection.send("POST", "/v1/reports/deliveries/retry", {"user": user})["deliveries"])
