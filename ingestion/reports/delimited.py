"""The staleness report as CSV (RFC 4180): one table, a row for each document, its section in the first column."""

from __future__ import annotations

from collections.abc import Iterator

from ingestion.reports.broken_links import BrokenLink
from ingestion.reports.group import STATES, GroupReport
from ingestion.reports.staleness import Listed, Quarantined, Report
from ingestion.reports.suspected import SuspectedDocument
from ingestion.reports.twins import Contradiction, Duplicate
from vouch.core import delimited
from vouch.core.clock import rfc3339

COLUMNS = (
    "section", "document_id", "source_id", "external_id", "title", "uri", "owner", "state", "modified_at",
    "review_due", "verified_until", "questions", "people", "superseded_by", "reason", "detail", "relation",
    "similarity", "quote", "other_id", "other_external_id", "other_title", "other_quote",
    "target",
)  # fmt: skip
GROUP_COLUMNS = (
    "section", "owner", *STATES, "to_look_at", "quarantined", "document_id", "external_id", "title", "uri", "state",
    "questions", "people",
)  # fmt: skip


def as_csv(report: Report) -> str:
    """The page of the report, with a heading."""
    return delimited.as_csv(COLUMNS, _rows(report))


def group_as_csv(report: GroupReport) -> str:
    """The view of a group: a row for each owner, then one for each document told of."""
    return delimited.as_csv(GROUP_COLUMNS, _group_rows(report))


def _rows(report: Report) -> Iterator[dict[str, object]]:
    for section, rows in (("documents", report.documents), ("superseded", report.superseded)):
        yield from (_listed(section, row) for row in rows)
    yield from map(_quarantined, report.quarantined)
    yield from map(_duplicate, report.twins.duplicates)
    yield from map(_conflict, report.twins.conflicts)
    yield from map(_broken_link, report.broken_links.links)
    yield from map(_suspected, report.suspected.documents)
    unanswered = report.unanswered
    yield {"section": "unanswered", "questions": unanswered.questions, "people": unanswered.people}


def _group_rows(report: GroupReport) -> Iterator[dict[str, object]]:
    for one in report.owners:
        counts = {str(state): n for state, n in one.counts.items()}
        yield {
            "section": "owners", "owner": one.owner, **counts, "to_look_at": one.to_look_at,
            "quarantined": one.quarantined,
        }  # fmt: skip
    for one in report.owners:
        for row in one.most_used:
            named = {name: getattr(row.named, name) for name in ("external_id", "title", "uri")}
            yield {
                "section": "most_used", "owner": one.owner, "document_id": row.document_id, **named,
                "state": row.state, "questions": row.questions, "people": row.people,
            }  # fmt: skip


def _listed(section: str, row: Listed) -> dict[str, object]:
    moments = {name: rfc3339(getattr(row, name)) for name in ("modified_at", "review_due", "verified_until")}
    return {**_common(section, row), "state": row.state, **moments, "questions": row.questions, "people": row.people,
            "superseded_by": row.superseded_by}  # fmt: skip


def _quarantined(row: Quarantined) -> dict[str, object]:
    return {**_common("quarantined", row), "state": "quarantined", "reason": row.reason, "detail": row.detail}


def _duplicate(row: Duplicate) -> dict[str, object]:
    return {**_pair("duplicate", row), "relation": row.relation, "similarity": row.similarity}


def _conflict(row: Contradiction) -> dict[str, object]:
    return {**_pair("conflict", row), "reason": row.kind, "quote": row.ours.quote, "other_quote": row.theirs.quote}


def _pair(section: str, row: Duplicate | Contradiction) -> dict[str, object]:
    mine, other = row.mine, row.other
    names = {name: getattr(mine, name) for name in ("document_id", "source_id", "external_id", "title", "uri")}
    return {
        "section": section, **names, "modified_at": rfc3339(mine.modified_at), "other_id": other.document_id,
        "other_external_id": other.external_id, "other_title": other.title,
    }  # fmt: skip


def _broken_link(row: BrokenLink) -> dict[str, object]:
    told = ("document_id", "source_id", "external_id", "title", "uri", "owner", "target")
    return {"section": "broken_links", **{name: getattr(row, name) for name in told}}


def _suspected(row: SuspectedDocument) -> dict[str, object]:
    told = ("document_id", "source_id", "external_id", "title", "uri", "owner")
    places = ", ".join(f"{one.ruse} {one.start}-{one.end}" for one in row.places)
    return {"section": "suspected", **{name: getattr(row, name) for name in told}, "detail": places}


def _common(section: str, row: Listed | Quarantined) -> dict[str, object]:
    named = {name: getattr(row.named, name) for name in ("external_id", "title", "uri")}
    return {
        "section": section, "document_id": row.document_id, "source_id": row.source_id, **named, "owner": row.owner
    }  # fmt: skip
