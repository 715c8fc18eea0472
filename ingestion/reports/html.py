"""The staleness report as one page that reads in a mail client and in a browser: no script, no style sheet, nothing
fetched. Whatever comes from documents or people is escaped, and a link leads to the web or is no link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from ingestion.reports.chart import COLOURS, bars
from ingestion.reports.group import STATES, GroupReport, OwnerCounts, Used
from ingestion.reports.staleness import WINDOW, Listed, Named, Report
from ingestion.reports.suspected import SuspectedDocument
from ingestion.reports.twins import Party
from vouch.core.freshness import State

LABELS: Mapping[State, str] = {
    "fresh": "fresh",
    "ownerless": "ownerless",
    "due": "due for review",
    "stale": "stale",
    "source_gone": "source gone",
    "expired": "expired",
    "superseded": "superseded",
}
CLOSED = "These led to documents that you could read. You cannot any more: they are gone, or closed to you."
_FONT = "font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
_TEXT = f"{_FONT};font-size:14px;line-height:1.5;color:#1f2328"
_CELL = f"{_TEXT};padding:6px 10px 6px 0;border-bottom:1px solid #d8dee4;text-align:left;vertical-align:top"
_QUIET = "color:#59636e;font-size:12px"
_DAYS = WINDOW.days


def as_html(report: Report, closing: str = "") -> str:
    """The page of the report. ``closing``: HTML of ours, put at its end."""
    whose = "All documents" if report.owner is None and report.user is None else report.owner or report.user or ""
    title = f"What should be looked at: {_text(whose)}"
    parts = [
        f'<h1 style="{_FONT};font-size:22px;margin:0 0 4px">{title}</h1>',
        f'<p style="{_TEXT};margin:0 0 20px"><span style="{_QUIET}">As of {_moment(report.at)}.'
        f" Uses are questions of the last {_DAYS} days whose answers cited the document.</span></p>",
        bars(report.counts, LABELS),
        _documents(report),
        _superseded(report),
        _quarantined(report),
        _duplicates(report),
        _conflicts(report),
        _broken_links(report),
        _suspected(report),
        _unanswered(report),
        closing,
    ]
    return page(title, "".join(parts))


def page(title: str, inner: str) -> str:
    """A whole page around ``inner``; both are HTML."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title></head>"
        f'<body style="margin:0;background:#ffffff"><div style="max-width:860px;margin:0 auto;padding:24px;{_TEXT}">'
        f"{inner}</div></body></html>\n"
    )


def group_as_html(report: GroupReport) -> str:
    """The view of a group: a bar for each state of all its owners together, then owner by owner."""
    title = f"Documents of {_text(report.group)}"
    totals = {state: sum(one.counts[state] for one in report.owners) for state in STATES}
    columns = ("Owner", "To look at", *(LABELS[state].capitalize() for state in STATES), "Quarantined")
    owners = _table(columns, map(_owner, report.owners)) if report.owners else "<p>They own nothing.</p>"
    used = [
        (_text(one.owner), _told(row), _state(row.state), _uses(row)) for one in report.owners for row in one.most_used
    ]
    parts = [
        f'<h1 style="{_FONT};font-size:22px;margin:0 0 4px">{title}</h1>',
        f'<p style="{_TEXT};margin:0 0 20px"><span style="{_QUIET}">As of {_moment(report.at)}.'
        f" Uses are questions of the last {_DAYS} days whose answers cited the document.</span></p>",
        bars(totals, LABELS),
        _section("Owners", owners + _more("owners", report.owners_in_all - len(report.owners))),
        _section("Most used", _table(("Owner", "Document", "State", "Used"), used)) if used else "",
    ]
    return page(title, "".join(parts))


def _owner(one: OwnerCounts) -> tuple[str, ...]:
    numbers = (one.to_look_at, *(one.counts[state] for state in STATES), one.quarantined)
    return (_text(one.owner), *(str(n) if n else "–" for n in numbers))


def _told(row: Used) -> str:
    if row.document_id is None:
        return f'<span style="{_QUIET}">a document that you may not read</span>'
    return _name(row.named, row.document_id)


def _documents(report: Report) -> str:
    if not report.documents:
        return _section("Documents", "<p>Nothing is due, stale or expired, and everything has an owner.</p>")
    rows = (
        (_name(one.named, one.document_id), _state(one.state), _day(one.review_due), _day(one.modified_at),
         _text(one.owner or "nobody"), _uses(one))
        for one in report.documents
    )  # fmt: skip
    table = _table(("Document", "State", "Review due", "Last modified", "Owner", "Used"), rows)
    return _section("Documents", table + (_more("documents", None) if report.after is not None else ""))


def _superseded(report: Report) -> str:
    if not report.superseded:
        return ""
    rows = (
        (_name(one.named, one.document_id), _text(one.successor or one.superseded_by or ""), _uses(one))
        for one in report.superseded
    )
    more = _more("superseded documents", report.superseded_cited - len(report.superseded))
    return _section("Superseded, and still cited", _table(("Document", "Replaced by", "Used"), rows) + more)


def _quarantined(report: Report) -> str:
    if not report.quarantined:
        return ""
    rows = (
        (_name(one.named, one.document_id), _text(one.reason), _text(one.detail or "")) for one in report.quarantined
    )
    more = _more("quarantined documents", report.quarantined_in_all - len(report.quarantined))
    return _section("Quarantined", _table(("Document", "Reason", "Detail"), rows) + more)


def _broken_links(report: Report) -> str:
    found = report.broken_links
    unknown = f'<p style="{_QUIET}">{links_unknown(found.unknown)}</p>' if found.unknown else ""
    if not found.links:
        return unknown
    rows = (
        (_name(Named(one.external_id, one.title, one.uri), one.document_id), _text(one.target or ""))
        for one in found.links
    )
    said = "" if report.user is None else f"<p>{CLOSED}</p>"
    more = _more("links", found.in_all - len(found.links))
    return _section("Broken links", said + _table(("In the document", "Leads to"), rows) + more + unknown)


def links_unknown(documents: int) -> str:
    return f"{_number(documents, 'document')} read before links were kept: whether theirs are broken is not known."


def _suspected(report: Report) -> str:
    found = report.suspected
    if not found.documents:
        return ""
    rows = (
        (_name(Named(one.external_id, one.title, one.uri), one.document_id), _text(suspicions(one)))
        for one in found.documents
    )
    said = "<p>Words in these read as if they were meant for a model. Nothing obeys them; see why they are there.</p>"
    more = _more("documents", found.in_all - len(found.documents))
    return _section("Words meant for a model", said + _table(("Document", "Where"), rows) + more)


def suspicions(one: SuspectedDocument) -> str:
    """Where the words stand, and what they read like; their number alone where no more may be told."""
    if not one.places:
        return _number(one.places_in_all, "place")
    told = ", ".join(f"{place.ruse} at {place.start}–{place.end}" for place in one.places)
    more = one.places_in_all - len(one.places)
    return told + (f" and {_number(more, 'place')} more" if more else "")


def _unanswered(report: Report) -> str:
    found = report.unanswered
    if not found.questions:
        return ""
    said = f"{_number(found.questions, 'question')} of {_number(found.people, 'person', 'people')} in {_DAYS} days"
    text = f"<p>{said} found words in these documents and no answer. The questions themselves are their askers'.</p>"
    return _section("Unanswered", text)


def _duplicates(report: Report) -> str:
    found = report.twins
    if not found.duplicates:
        return ""
    rows = (
        (
            _party(one.mine),
            _party(one.other),
            f"{one.relation}, {one.similarity:.0%}",
            str(one.conflicts or "–"),
        )
        for one in found.duplicates
    )
    more = _more("pairs", found.duplicates_in_all - len(found.duplicates))
    return _section("Duplicates and versions", _table(("Document", "Like", "How", "Conflicts"), rows) + more)


def _conflicts(report: Report) -> str:
    found = report.twins
    if not found.conflicts:
        return ""
    rows = (
        (f"{_party(one.mine)}<br>{_text(one.ours.quote)}", f"{_party(one.other)}<br>{_text(one.theirs.quote)}")
        for one in found.conflicts
    )
    more = _more("conflicts", found.conflicts_in_all - len(found.conflicts))
    return _section("Conflicts", _table(("Says", "And another says"), rows) + more)


def _party(one: Party) -> str:
    return _name(Named(one.external_id, one.title, one.uri), one.document_id) + f" ({_day(one.modified_at)})"


def _section(heading: str, inner: str) -> str:
    return f'<h2 style="{_FONT};font-size:17px;margin:28px 0 8px">{heading}</h2>{inner}'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th style="{_CELL};font-weight:600" scope="col">{column}</th>' for column in columns)
    lines = ("".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<table cellpadding="0" cellspacing="0" border="0" style="border-collapse:collapse;width:100%">'
        f"<tr>{head}</tr>{body}</table>"
    )


def _name(named: Named, document_id: str) -> str:
    """The title with its link, and under it the external id; the id alone where no more may be told."""
    if named.external_id is None:
        return f'<span style="{_QUIET}">{_text(document_id)}</span>'
    title = _text(named.title or named.external_id)
    if _leads_to_the_web(named.uri):
        title = f'<a href="{escape(named.uri or "")}" rel="noreferrer" style="color:#0550ae">{title}</a>'
    return f'{title}<br><span style="{_QUIET}">{_text(named.external_id)}</span>'


def _leads_to_the_web(uri: str | None) -> bool:
    try:
        parts = urlsplit(uri or "")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _state(state: State) -> str:
    return f'<span style="color:{COLOURS[state]};font-weight:600">{LABELS[state]}</span>'


def _uses(one: Listed | Used) -> str:
    if not one.questions:
        return "–"
    return f"{_number(one.questions, 'question')}, {_number(one.people, 'person', 'people')}"


def _number(n: int, one: str, many: str | None = None) -> str:
    return f"{n} {one if n == 1 else many or f'{one}s'}"


def _more(what: str, n: int | None) -> str:
    if n is not None and n <= 0:
        return ""
    return f'<p style="{_QUIET}">{"More" if n is None else n} {what} {"follow" if n is None else "besides"}.</p>'


def _day(at: datetime | None) -> str:
    return "–" if at is None else at.date().isoformat()


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _text(text: str) -> str:
    """Escaped, without control characters, and with its direction of writing kept to itself."""
    plain = "".join("\ufffd" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text)
    return f"<bdi>{escape(plain)}</bdi>"
