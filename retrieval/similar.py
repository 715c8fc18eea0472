"""What is like a document, and what contradicts it, for who may read both: decided here and now by gate 2's own
condition, before anything is counted, ordered or cut off, so that what may not be read leaves no trace."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from acl.audit import record_reading, shown
from acl.caller import Asker
from acl.recheck import PERMITTED, parameters
from acl.resolve import resolve
from retrieval.documents import cards
from retrieval.services import Services
from retrieval.types import Conflict, Told
from vouch.catalog.twins import CURRENT, LINKS, UNCOMPARED
from vouch.core.errors import NotFound
from vouch.core.series import Relation, related
from vouch.core.types import Span

MOST_CONFLICTS = 20
"""Of one pair in one response; how many there are is told."""
Position = tuple[int, float, str]
"""Of a document in the list: conflicts, similarity, id."""
FIRST: Position = (2**31 - 1, 1.0, "")

_SUBJECT = sa.text(
    f"""
    SELECT d.title, d.external_id, d.modified_at, v.text, NOT ({UNCOMPARED}) AS compared
    FROM document d JOIN document_version v ON {CURRENT} WHERE d.tenant_id = :tenant AND d.id = :document
    """  # noqa: S608 - constants, no input
)
_SIMILAR = sa.text(
    f"""
    WITH texts AS (SELECT CAST(:text AS text) AS text), links AS ({LINKS}),
    found AS (
        SELECT d.id, d.external_id, d.source_id, d.title, d.uri, d.modified_at, d.current_version AS version,
            l.other, l.similarity, l.containment, l.conflicts
        FROM links l
        JOIN document_version v ON v.tenant_id = :tenant AND v.text = l.other
        JOIN document d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.current_version = v.version
        JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
        WHERE d.id <> :document AND {PERMITTED}
    )
    SELECT f.*, (SELECT count(*) FROM found) AS in_all FROM found f
    WHERE (-f.conflicts, -f.similarity, f.id) > (-:conflicts, -:similarity, :id)
    ORDER BY -f.conflicts, -f.similarity, f.id LIMIT :limit
    """  # noqa: S608 - constants, no input
)
_CONFLICTS = sa.text(
    """
    SELECT * FROM (
        SELECT c.*, row_number() OVER (PARTITION BY a, b ORDER BY n) AS place FROM twin_conflict c
        WHERE tenant_id = :tenant
        AND (a = :text AND b = ANY(CAST(:others AS text[])) OR b = :text AND a = ANY(CAST(:others AS text[])))) c
    WHERE place <= :most ORDER BY a, b, n
    """
)


@dataclass(frozen=True, slots=True)
class Similar:
    """Another document that is like the one asked about. ``newer``: which was modified later, where that is known."""

    document_id: str
    external_id: str
    source_id: str
    title: str
    uri: str
    version: int
    modified_at: datetime | None
    relation: Relation
    newer: Literal["this", "other"] | None
    similarity: float
    containment: float
    conflicts: tuple[Conflict, ...]
    conflicts_in_all: int


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """``compared`` False: the version is to be compared yet, and more may be found. ``after``: where the next page
    begins."""

    document_id: str
    version: int
    compared: bool
    similar: tuple[Similar, ...]
    in_all: int
    after: Position | None


def read_similar(
    services: Services, asker: Asker, document_id: str, *, limit: int, after: Position = FIRST
) -> SimilarPage:
    """The documents like this one that the asker may read, those that contradict it first.

    Raises :class:`NotFound` as :func:`retrieval.documents.read_document` does.
    """
    with services.catalog.reading(asker.tenant) as session:
        access, found = cards(session, resolve(session, asker.tenant, asker.user), [document_id])
        if document_id not in found:
            raise NotFound()
        version = found[document_id].version
        subject = session.execute(_SUBJECT, {"tenant": asker.tenant, "document": document_id}).one()
        conflicts, similarity, id_ = after
        page = {"conflicts": conflicts, "similarity": similarity, "id": id_, "limit": limit + 1}
        values = {**parameters(access), **page, "document": document_id, "text": subject.text}
        rows = session.execute(_SIMILAR, values).all()
        in_all = rows[0].in_all if rows else 0
        told = _conflicts(session, asker.tenant, subject.text, {row.other for row in rows[:limit] if row.conflicts})
    similar = tuple(_similar(subject, row, told.get(row.other, ())) for row in rows[:limit])
    detail = shown([(document_id, version), *((one.document_id, one.version) for one in similar)], access.epoch)
    record_reading(services.catalog, asker, "document.similar", f"document:{document_id}", detail)
    last = rows[limit - 1] if len(rows) > limit else None
    position = (last.conflicts, last.similarity, last.id) if last is not None else None
    return SimilarPage(document_id, version, subject.compared, similar, in_all, position)


def _conflicts(session: Session, tenant: str, text: str, others: Collection[str]) -> dict[str, Sequence[Conflict]]:
    """By the other text; ``ours`` is the side of ``text``."""
    found: dict[str, list[Conflict]] = {}
    values = {"tenant": tenant, "text": text, "others": sorted(others), "most": MOST_CONFLICTS}
    for row in session.execute(_CONFLICTS, values) if others else ():
        ours, theirs = ("a", "b") if row.a == text else ("b", "a")
        told = Conflict(row.kind, side(row, ours), side(row, theirs))
        found.setdefault(getattr(row, theirs), []).append(told)
    return dict(found)


def side(row: Any, of: Literal["a", "b"] | str) -> Told:
    """One side of a row of ``twin_conflict``."""
    start, end, at, to, quote = (getattr(row, f"{of}_{part}") for part in ("start", "end", "from", "to", "quote"))
    return Told(Span(start, end), quote, Span(at, to))


def _similar(subject: Any, row: Any, conflicts: Sequence[Conflict]) -> Similar:
    mine, theirs = (subject.title, subject.external_id), (row.title, row.external_id)
    same = subject.text == row.other
    alike = {"similarity": row.similarity, "containment": row.containment}
    return Similar(
        document_id=row.id,
        external_id=row.external_id,
        source_id=row.source_id,
        title=row.title,
        uri=row.uri,
        version=row.version,
        modified_at=row.modified_at,
        relation="identical" if same else related(mine, theirs, **alike),
        newer=_newer(subject.modified_at, row.modified_at),
        **alike,
        conflicts=tuple(conflicts),
        conflicts_in_all=row.conflicts,
    )


def _newer(this: datetime | None, other: datetime | None) -> Literal["this", "other"] | None:
    if this is None or other is None or this == other:
        return None
    return "this" if this > other else "other"
