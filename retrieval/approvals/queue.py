"""The queue: answers that wait for a person, the oldest first, as far as the reviewer may know of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from acl.audit import record, record_reading
from acl.caller import Asker
from acl.recheck import PERMITTED, parameters
from acl.resolve import resolve
from retrieval.approvals.opened import Opened, opened, require_free, require_open
from retrieval.metrics import APPROVALS
from retrieval.services import Services
from retrieval.types import Status
from vouch.catalog.database import Catalog
from vouch.core import clock
from vouch.core.clock import rfc3339

Position = tuple[datetime, str]
"""Of an answer among those of its status: when it was asked for, and its id."""

_PAGE = sa.text(
    f"""
    SELECT p.*, a.question, a.user_id, a.status, a.created_at
    FROM approval p JOIN answer a ON a.tenant_id = p.tenant_id AND a.id = p.answer_id
    WHERE p.tenant_id = :tenant AND a.status = :status AND a.user_id <> :reviewer AND cardinality(p.inputs) > 0
    AND NOT EXISTS (
        SELECT 1 FROM unnest(p.inputs) AS input WHERE NOT EXISTS (
            SELECT 1 FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
            WHERE d.tenant_id = :tenant AND d.id = input AND {PERMITTED}
        )
    )
    AND (CAST(:at AS timestamptz) IS NULL OR (a.created_at, a.id) > (CAST(:at AS timestamptz), :id))
    ORDER BY a.created_at, a.id LIMIT :limit
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Page:
    """``rows`` of `approval` with what the answer says of itself; ``next`` is where the page after them begins."""

    rows: tuple[Any, ...]
    next: Position | None


def listed(catalog: Catalog, reviewer: Asker, status: Status, *, limit: int, after: Position | None = None) -> Page:
    """Up to ``limit`` answers that others asked for, made from documents all of which the reviewer may read now."""
    at, id_ = after or (None, "")
    with catalog.reading(reviewer.tenant) as session:
        access = resolve(session, reviewer.tenant, reviewer.user)
        asked = {"status": status, "reviewer": reviewer.user, "at": at, "id": id_, "limit": limit + 1}
        found = session.execute(_PAGE, {**parameters(access), **asked}).all()
    rows = tuple(found[:limit])
    detail = {"answers": sorted(row.answer_id for row in rows), "status": status, "epoch": access.epoch}
    record_reading(catalog, reviewer, "approval.list", "approvals", detail)
    return Page(rows, (rows[-1].created_at, rows[-1].answer_id) if len(found) > limit else None)


def claim(services: Services, reviewer: Asker, answer_id: str) -> Opened:
    """Take it for :attr:`vouch.core.settings.Settings.approval_claim_min`; one's own claim begins anew.

    Raises :class:`NotFound`, :class:`AlreadyDecided` and, while another's claim lasts, :class:`AlreadyClaimed`.
    """
    with services.catalog.transaction(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id, lock=True)
        require_open(found)
        require_free(found, reviewer)
        found.row.claimed_by = reviewer.user
        found.row.claimed_until = clock.now() + timedelta(minutes=services.settings.approval_claim_min)
        session.flush()
        detail = {"until": rfc3339(found.row.claimed_until), "version": found.row.version, "epoch": found.access.epoch}
        record(session, reviewer, "approval.claim", f"answer:{answer_id}", detail)
    APPROVALS.labels("claimed").inc()
    return found
