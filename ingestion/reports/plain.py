"""The staleness report as plain text, for who reads mail without HTML. Lines, and nothing that steers a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from ingestion.reports.html import CLOSED, LABELS, links_unknown, suspicions
from ingestion.reports.staleness import WINDOW, Listed, Named, Report
from ingestion.reports.twins import Twins

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def as_text(report: Report) -> str:
    """The page of the report."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"What should be looked at: {inert(report.owner or report.user or 'all documents')}"
    yield f"As of {report.at:%Y-%m-%d %H:%M} UTC. Uses are questions of the last {WINDOW.days} days."
    yield ", ".join(f"{n} {LABELS[state]}" for state, n in report.counts.items() if n) or "No documents."
    if report.documents:
        yield from ("", "Documents")
        for one in report.documents:
            due = "" if one.review_due is None else f", review due {one.review_due.date().isoformat()}"
            yield from _named(one.named, one.document_id, f"{LABELS[one.state]}{due}{_uses(one)}")
        if report.after is not None:
            yield "  More documents follow."
    if report.superseded:
        yield from ("", "Superseded, and still cited")
        for one in report.superseded:
            by = one.successor or one.superseded_by or ""
            yield from _named(one.named, one.document_id, f"replaced by {inert(by)}{_uses(one)}")
    yield from _alike(report.twins)
    if report.quarantined:
        yield from ("", f"Quarantined: {report.quarantined_in_all}")
        for kept in report.quarantined:
            yield from _named(kept.named, kept.document_id, f"{kept.reason} {inert(kept.detail or '')}".strip())
    if report.broken_links.links:
        yield from ("", f"Broken links: {report.broken_links.in_all}", *_why(report))
        for link in report.broken_links.links:
            named = Named(link.external_id, link.title, link.uri)
            yield from _named(named, link.document_id, f"leads to {inert(link.target or 'what is gone')}")
    if report.broken_links.unknown:
        yield from ("", links_unknown(report.broken_links.unknown))
    if report.suspected.documents:
        yield from ("", f"Words meant for a model: {report.suspected.in_all}")
        for suspect in report.suspected.documents:
            named = Named(suspect.external_id, suspect.title, suspect.uri)
            yield from _named(named, suspect.document_id, suspicions(suspect))
    if report.unanswered.questions:
        asked = f"{report.unanswered.questions} (people: {report.unanswered.people})"
        yield from ("", "Unanswered")
        yield f"  Questions that found words in these documents and no answer: {asked}"


def _alike(found: Twins) -> Iterator[str]:
    if found.duplicates:
        yield from ("", f"Duplicates and versions: {found.duplicates_in_all}")
        for pair in found.duplicates:
            other = inert(pair.other.title or pair.other.external_id or pair.other.document_id)
            yield f"  {inert(pair.mine.title or pair.mine.external_id or pair.mine.document_id)}"
            yield f"    {pair.relation}, {pair.similarity:.0%} alike: {other}"
    if found.conflicts:
        yield from ("", f"Contradictions: {found.conflicts_in_all}")
        for one in found.conflicts:
            for party, quoted in ((one.mine, one.ours), (one.other, one.theirs)):
                yield f"  {inert(party.title or party.external_id or party.document_id)}"
                yield f"    {inert(quoted.quote)}"


def _why(report: Report) -> Iterator[str]:
    if report.user is not None:
        yield f"  {CLOSED}"


def _named(named: Named, document_id: str, said: str) -> Iterator[str]:
    yield f"  {inert(named.title or named.external_id or document_id)}"
    yield f"    {said}"
    if named.uri:
        yield f"    {inert(named.uri)}"


def _uses(one: Listed) -> str:
    return f", used in {one.questions} by {one.people}" if one.questions else ""


def inert(text: str) -> str:
    """``text`` in one line, without control characters and changes of writing direction."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in _BIDI else c for c in text)
