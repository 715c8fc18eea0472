"""Managers of a group: who may see how its documents stand. An administrator of the directory names them.

To manage is not to read: a manager is told numbers, and by name only what they may read anyway."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core.errors import NotFound
from vouch.core.types import principal_name

_GROUP = sa.text("SELECT 1 FROM app_group WHERE tenant_id = :t AND id = :g")
_KNOWN = sa.text("SELECT count(*) FROM app_user WHERE tenant_id = :t AND id = ANY(CAST(:u AS text[]))")
_ADD = sa.text(
    "INSERT INTO group_manager (tenant_id, group_id, user_id) SELECT :t, :g, unnest(CAST(:u AS text[]))"
    " ON CONFLICT DO NOTHING"
)
_REMOVE = sa.text(
    "DELETE FROM group_manager WHERE tenant_id = :t AND group_id = :g AND user_id = ANY(CAST(:u AS text[]))"
)
_MANAGERS = sa.text("SELECT user_id FROM group_manager WHERE tenant_id = :t AND group_id = :g ORDER BY user_id")
_INSIDE = sa.text(
    """
    WITH RECURSIVE inside(principal) AS (
        SELECT CAST(:g AS text)
        UNION
        SELECT m.member FROM inside i JOIN membership m ON m.tenant_id = :t AND m.group_id = i.principal
    )
    SELECT principal FROM inside ORDER BY principal
    """
)


def change_managers(
    session: Session, tenant: str, group: str, *, add: Sequence[str], remove: Sequence[str]
) -> list[str]:
    """Add and remove managers; one named in both stays. Returns all there are then.

    Raises :class:`InvalidInput` for what is no user, :class:`NotFound` for a group or a user who is not there.
    """
    added = sorted({principal_name(one, kind="user", field="add") for one in add})
    removed = {principal_name(one, kind="user", field="remove") for one in remove}
    _require(session, tenant, group)
    if session.execute(_KNOWN, {"t": tenant, "u": added}).scalar_one() < len(added):
        raise NotFound()
    session.execute(_REMOVE, {"t": tenant, "g": group, "u": sorted(removed - set(added))})
    session.execute(_ADD, {"t": tenant, "g": group, "u": added})
    return managers(session, tenant, group)


def managers(session: Session, tenant: str, group: str) -> list[str]:
    """Raises :class:`NotFound` for a group that is not there."""
    _require(session, tenant, group)
    return list(session.execute(_MANAGERS, {"t": tenant, "g": group}).scalars())


def inside(session: Session, tenant: str, group: str) -> list[str]:
    """The group and everything in it, users and groups, nested to any depth. Raises :class:`NotFound`."""
    _require(session, tenant, group)
    return list(session.execute(_INSIDE, {"t": tenant, "g": group}).scalars())


def _require(session: Session, tenant: str, group: str) -> None:
    if session.execute(_GROUP, {"t": tenant, "g": group}).scalar() is None:
        raise NotFound()
