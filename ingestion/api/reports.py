"""`/v1/reports`: what the owners of documents should look at (scope reports; of one's own, ask)."""

from __future__ import annotations

import base64
import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BaseModel, Field, PlainSerializer

from acl.audit import record_reading
from acl.caller import Caller, asker_of, calling, scope
from ingestion.api.requests import Cursor, ServicesDep, possible
from ingestion.api.suspected import ReportedSuspect
from ingestion.api.twins import ReportedConflict, ReportedDuplicate
from ingestion.reports.broken_links import BrokenLink
from ingestion.reports.delimited import as_csv
from ingestion.reports.html import as_html
from ingestion.reports.staleness import FIRST, Listed, Position, Quarantined, Report, staleness
from vouch.core.clock import rfc3339
from vouch.core.errors import AccessIncomplete, ActsForNobody, Forbidden, InvalidInput, NotFound
from vouch.core.freshness import State
from vouch.core.types import Json, principal_name
from vouch.serving.responses import problems

router = APIRouter(prefix="/reports", tags=["reports"])

Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
ReportsCaller = Annotated[Caller, Depends(scope("reports"))]


async def _looking(caller: Annotated[Caller, Depends(calling)]) -> Caller:
    """Dependency: one who may see reports, or who may ask and acts for a user, whose own report it then is."""
    if "reports" not in caller.scopes:
        asker_of(caller)
    return caller


OwnOrReports = Annotated[Caller, Depends(_looking)]
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d)\.([0-9A-Za-z-]{1,64})")
MOST_IN_A_PAGE = 1_000
# What is one person's to read is not for caches; and whatever is in the page, it does and fetches nothing.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups",
}


def _possible(text: str | None) -> str | None:
    return None if text is None else possible(text)


class _Document(BaseModel):
    """What is null of a name may not be told: the request acts for nobody, or nobody may read the document."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None


class ReportedDocument(_Document):
    state: State
    modified_at: Moment | None
    review_due: Moment | None
    verified_until: Moment | None
    questions: int = Field(description="Whose answers cited it in the last 30 days.")
    people: int = Field(description="Who asked them.")
    superseded_by: str | None = Field(description="Id of the newest document that replaces it.")
    successor: str | None = Field(description="Its title.")

    @classmethod
    def of(cls, row: Listed) -> Self:
        facts = asdict(row)
        return cls(**facts.pop("named"), **facts)


class ReportedQuarantine(_Document):
    reason: str = Field(examples=["encrypted", "deny_unmapped"])
    detail: str | None

    @classmethod
    def of(cls, row: Quarantined) -> Self:
        facts = asdict(row)
        return cls(**facts.pop("named"), **facts)


class ReportedLink(_Document):
    """A link that leads to a document no more."""

    target: str | None = Field(description="As it is written in the document; null: the request acts for nobody.")
    start: int | None = Field(description="Where its text begins in the document's, in characters; null: not known.")
    end: int | None

    @classmethod
    def of(cls, row: BrokenLink) -> Self:
        return cls(**asdict(row))


class UnansweredCount(BaseModel):
    questions: int
    people: int


class StalenessReport(BaseModel):
    """What should be looked at. Pages of `documents`; what stands beside them is the same on each."""

    owner: str | None = Field(description="Whose documents; null: all of the user's, or of the tenant.")
    user: str | None = Field(description="Whom the request acts for; null: names are not told.")
    generated_at: Moment
    since: Moment = Field(description="Uses and unanswered questions are counted from here.")
    counts: dict[State, int] = Field(description="Documents by state, those that need no look included.")
    documents: list[ReportedDocument] = Field(
        description="Expired, source_gone, stale, due and ownerless ones, the most used first."
    )
    superseded: list[ReportedDocument] = Field(description="Superseded, and cited all the same; at most 200.")
    superseded_cited: int = Field(description="How many there are in all.")
    quarantined: list[ReportedQuarantine] = Field(description="At most 200.")
    quarantined_in_all: int
    broken_links: list[ReportedLink] = Field(
        description="Those to what the user could read once and cannot now, be it gone or closed; at most 200."
    )
    broken_links_in_all: int
    links_unknown: int = Field(
        description="Documents that were read before links were kept: nothing is known of theirs until they change."
    )
    suspected: list[ReportedSuspect] = Field(
        description="Documents with words that read as if they were meant for a model; at most 200."
    )
    suspected_in_all: int
    unanswered: UnansweredCount = Field(
        description="Questions refused an answer though these documents hold some of their words: numbers alone."
    )
    duplicates: list[ReportedDuplicate] = Field(
        description="Pairs of texts that are alike, those that contradict each other first; at most 100."
    )
    duplicates_in_all: int
    conflicts: list[ReportedConflict] = Field(
        description="Sentences of such pairs that are the same but for a figure; at most 100, and none for a request"
        " that acts for nobody."
    )
    conflicts_in_all: int
    uncompared: int = Field(description="Documents whose current version is to be compared with others yet.")
    next_cursor: str | None

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls(
            owner=report.owner,
            user=report.user,
            generated_at=report.at,
            since=report.since,
            counts=dict(report.counts),
            documents=[ReportedDocument.of(row) for row in report.documents],
            superseded=[ReportedDocument.of(row) for row in report.superseded],
            superseded_cited=report.superseded_cited,
            quarantined=[ReportedQuarantine.of(row) for row in report.quarantined],
            quarantined_in_all=report.quarantined_in_all,
            broken_links=[ReportedLink.of(row) for row in report.broken_links.links],
            broken_links_in_all=report.broken_links.in_all,
            links_unknown=report.broken_links.unknown,
            suspected=[ReportedSuspect.of(row) for row in report.suspected.documents],
            suspected_in_all=report.suspected.in_all,
            unanswered=UnansweredCount(**asdict(report.unanswered)),
            duplicates=[ReportedDuplicate.of(row) for row in report.twins.duplicates],
            duplicates_in_all=report.twins.duplicates_in_all,
            conflicts=[ReportedConflict.of(row) for row in report.twins.conflicts],
            conflicts_in_all=report.twins.conflicts_in_all,
            uncompared=report.twins.uncompared,
            next_cursor=None if report.after is None else _encode(report.after),
        )


_PAIR: Json = {
    "mine": {
        "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
        "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
        "version": 3,
        "modified_at": "2025-11-02T09:00:00Z",
        "external_id": "hr/parental-leave.md",
        "title": "Parental leave",
        "uri": "https://files.example.org/handbook/hr/parental-leave.md",
    },
    "other": {
        "document_id": "0199c0de-7c22-7a40-8d15-6e7f80912a3b",
        "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
        "version": 1,
        "modified_at": "2024-02-01T09:00:00Z",
        "external_id": "archive/parental-leave-2024.md",
        "title": "Parental leave 2024",
        "uri": "https://files.example.org/handbook/archive/parental-leave-2024.md",
    },
}
_EXAMPLE: Json = {
    "owner": "user:carol",
    "user": "user:carol",
    "generated_at": "2026-11-21T09:00:00Z",
    "since": "2026-10-22T09:00:00Z",
    "counts": {"fresh": 41, "ownerless": 0, "due": 3, "stale": 1, "source_gone": 0, "expired": 0, "superseded": 1},
    "documents": [
        {
            "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "external_id": "hr/parental-leave.md",
            "title": "Parental leave",
            "uri": "https://files.example.org/handbook/hr/parental-leave.md",
            "owner": "user:carol",
            "state": "stale",
            "modified_at": "2025-11-02T09:00:00Z",
            "review_due": "2026-05-01T09:00:00Z",
            "verified_until": None,
            "questions": 17,
            "people": 9,
            "superseded_by": None,
            "successor": None,
        }
    ],
    "superseded": [],
    "superseded_cited": 0,
    "quarantined": [
        {
            "document_id": "0199c0de-8b62-7f00-8a2b-3c4d5e6f7081",
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "external_id": "hr/scan-0042.pdf",
            "title": None,
            "uri": "https://files.example.org/handbook/hr/scan-0042.pdf",
            "owner": "user:carol",
            "reason": "no_text",
            "detail": "There is no text in it.",
        }
    ],
    "quarantined_in_all": 1,
    "broken_links": [
        {
            "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "external_id": "hr/parental-leave.md",
            "title": "Parental leave",
            "uri": "https://files.example.org/handbook/hr/parental-leave.md",
            "owner": "user:carol",
            "target": "../pay/allowances-2024.md#children",
            "start": 412,
            "end": 430,
        }
    ],
    "broken_links_in_all": 1,
    "links_unknown": 0,
    "suspected": [
        {
            "document_id": "0199c0de-7c22-7a40-8d15-6e7f80912a3b",
            "source_id": "0199c0de-6f00-7d10-8c55-1d2e3f405162",
            "external_id": "inbox/offer.md",
            "title": "Offer",
            "uri": "https://files.example.org/handbook/inbox/offer.md",
            "owner": "user:carol",
            "places": [{"ruse": "override", "start": 904, "end": 940}],
            "places_in_all": 1,
            "looked_at": None,
        }
    ],
    "suspected_in_all": 1,
    "unanswered": {"questions": 4, "people": 3},
    "duplicates": [{**_PAIR, "relation": "version", "similarity": 0.8421, "documents": 1, "conflicts": 1}],
    "duplicates_in_all": 1,
    "conflicts": [
        {
            "kind": "amount",
            **_PAIR,
            "ours": {
                "span": {"start": 118, "end": 163},
                "quote": "Every parent may take 20 weeks of paid leave.",
                "said": "20 weeks",
            },
            "theirs": {
                "span": {"start": 97, "end": 142},
                "quote": "Every parent may take 16 weeks of paid leave.",
                "said": "16 weeks",
            },
        }
    ],
    "conflicts_in_all": 1,
    "uncompared": 0,
    "next_cursor": None,
}
_TEXT: Json = {"schema": {"type": "string"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/csv": {**_TEXT, "example": '"section","document_id",…'},
            "text/html": {**_TEXT, "example": "<!DOCTYPE html>…"},
        }
    }
}


@router.get(
    "/staleness",
    response_model=StalenessReport,
    responses={**problems(Forbidden, ActsForNobody, NotFound, InvalidInput, AccessIncomplete), **_RESPONSES},
)
def get_staleness(
    caller: OwnOrReports,
    services: ServicesDep,
    response: Response,
    owner: Annotated[str | None, Query(max_length=200), AfterValidator(_possible)] = None,
    format: Literal["json", "csv", "html"] = "json",
    limit: Annotated[int, Query(ge=1, le=MOST_IN_A_PAGE)] = 100,
    cursor: Cursor = None,
) -> StalenessReport | Response:
    """What should be looked at of the documents that an owner answers for, the most used first.

    For the user that the request acts for: what they own, alone or in a group, and may read today; the scope `ask` is
    enough. Acting for nobody: ids, states and counts, and no names; for the scope `reports` alone.
    """
    named = None if owner is None else principal_name(owner, field="owner")
    after = _decode(cursor)
    with services.catalog.reading(caller.tenant) as session:
        report = staleness(session, caller, named, limit=limit, after=after)
    if report.epoch is not None:
        told = {"documents": report.told, "epoch": report.epoch, "owner": named}
        record_reading(services.catalog, caller, "report.staleness", "report:staleness", told)
    if format == "json":
        response.headers.update(HEADERS)
        return StalenessReport.of(report)
    if format == "csv":
        return Response(as_csv(report), media_type="text/csv; charset=utf-8", headers=HEADERS)
    return Response(as_html(report), media_type="text/html; charset=utf-8", headers=HEADERS)


def _encode(position: Position) -> str:
    return base64.urlsafe_b64encode(".".join(map(str, position)).encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> Position:
    """Where the last page ended. Raises :class:`InvalidInput`."""
    if cursor is None:
        return FIRST
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError as error:
        raise InvalidInput("not a cursor", field="cursor") from error
    found = _POSITION.fullmatch(text)
    if found is None:
        raise InvalidInput("not a cursor", field="cursor")
    return int(found[1]), int(found[2]), int(found[3]), found[4]
