"""How far a document may be relied on today, and which documents replace it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from retrieval.types import Freshness
from vouch.core import clock

# Two documents that each claim to replace the other replace nothing.
_SUCCESSORS = sa.text(
    """
    WITH old AS (
        SELECT id, source_id, external_id, supersedes FROM document
        WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS text[]))
    )
    SELECT old.id AS old, new.id AS new FROM old
    JOIN document new ON new.source_id = old.source_id AND old.external_id = ANY(new.supersedes)
    WHERE new.tenant_id = :tenant AND cardinality(new.supersedes) > 0
    AND new.state = 'live' AND new.current_version IS NOT NULL
    AND new.id <> old.id AND NOT new.external_id = ANY(old.supersedes)
    ORDER BY new.modified_at DESC NULLS LAST, new.id
    """
)


def successors(session: Session, tenant: str, document_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each document the live documents of its source that list it in ``supersedes``, newest first.

    Not yet decided for any asker: what they may not read must be dropped before anything is said of it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row in session.execute(_SUCCESSORS, {"tenant": tenant, "ids": list(document_ids)}):
        found[row.old] = (*found.get(row.old, ()), row.new)
    return found


def readable_successor(document_id: str, found: Mapping[str, tuple[str, ...]], readable: Collection[str]) -> str | None:
    """The newest successor that the asker may read."""
    return next((new for new in found.get(document_id, ()) if new in readable), None)


def freshness(
    modified_at: datetime | None, review_every_s: int | None, stale_after_s: int | None, superseded_by: str | None
) -> Freshness:
    """Superseded before stale before due before fresh. Without ``modified_at`` nothing ages."""
    due = stale = None
    if modified_at is not None:
        due, stale = _after(modified_at, review_every_s), _after(modified_at, stale_after_s)
    now = clock.now()
    if superseded_by is not None:
        return Freshness("superseded", modified_at, due, superseded_by)
    if stale is not None and stale <= now:
        return Freshness("stale", modified_at, due)
    return Freshness("due" if due is not None and due <= now else "fresh", modified_at, due)


def _after(moment: datetime, seconds: int | None) -> datetime | None:
    """None also for what lies beyond the calendar: a clock set to the year 9999 is not to stop anybody's search."""
    try:
        return moment + timedelta(seconds=seconds) if seconds else None
    except OverflowError:
        return None
