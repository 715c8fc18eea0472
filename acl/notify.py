"""Telling people what they should know: who answers for a document hears of what was done with it, who asked of what a
reviewer decided."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.who import Asker
from vouch.catalog.tables import Notification
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.ids import new_id
from vouch.core.types import Json

_PEOPLE = sa.text(
    """
    WITH RECURSIVE inside(principal) AS (
        SELECT CAST(:owner AS text)
        UNION
        SELECT m.member FROM inside i JOIN membership m ON m.tenant_id = :tenant AND m.group_id = i.principal
    )
    SELECT u.id FROM inside i JOIN app_user u ON u.tenant_id = :tenant AND u.id = i.principal WHERE u.active
    ORDER BY u.id
    """
)


def notify(
    session: Session, tenant: str, owner: str | None, *, kind: str, document_id: str | None, detail: Json
) -> list[str]:
    """Leave word for ``owner``: a user, or everyone active in a group. Returns whom it reaches, maybe nobody."""
    if owner is None:
        return []
    people = list(session.execute(_PEOPLE, {"tenant": tenant, "owner": owner}).scalars())
    session.add_all(
        Notification(tenant_id=tenant, id=new_id(), user_id=user, kind=kind, document_id=document_id, detail=detail)
        for user in people
    )
    return people


def waiting(
    session: Session, asker: Asker, *, unseen: bool, limit: int, before: str | None = None
) -> list[Notification]:
    """Up to ``limit`` of the asker's own, newest first, of those before the id ``before``."""
    query = select(Notification).where(
        col(Notification.tenant_id) == asker.tenant, col(Notification.user_id) == asker.user
    )
    if unseen:
        query = query.where(col(Notification.seen_at).is_(None))
    if before is not None:
        query = query.where(col(Notification.id) < before)
    return list(session.exec(query.order_by(col(Notification.id).desc()).limit(limit)))


def mark_seen(session: Session, asker: Asker, notification_id: str) -> None:
    """Raises :class:`NotFound` for one that is not the asker's."""
    row = session.get(Notification, (asker.tenant, notification_id), with_for_update=True)
    if row is None or row.user_id != asker.user:
        raise NotFound()
    row.seen_at = row.seen_at or clock.now()
