"""Users, groups and memberships of the local directory. Every change bumps the epoch in its transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Group, User, UserChange
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.types import AUTHENTICATED, Json, Principal, principal_name

MAX_NAME = 200

# Each returns the memberships it changed: group, member, and whether it is there now.
_KEEP = (
    "DELETE FROM membership WHERE tenant_id = :t AND group_id = :g AND NOT member = ANY(CAST(:m AS text[]))"
    " RETURNING group_id, member, false"
)
_DROP = (
    "DELETE FROM membership WHERE tenant_id = :t AND group_id = :g AND member = ANY(CAST(:m AS text[]))"
    " RETURNING group_id, member, false"
)
_ADD = (
    "INSERT INTO membership (tenant_id, group_id, member) SELECT :t, :g, unnest(CAST(:m AS text[]))"
    " ON CONFLICT DO NOTHING RETURNING group_id, member, true"
)
_FORGET = "DELETE FROM membership WHERE tenant_id = :t AND member = :p RETURNING group_id, member, false"
_REMEMBER = sa.text(
    "INSERT INTO membership_change (tenant_id, group_id, member, epoch, present) VALUES (:t, :g, :m, :e, :p)"
)


def put_user(session: Session, tenant: str, user: str, *, name: str, active: bool = True, actor: str) -> int:
    """Create or replace a user. Returns the epoch."""
    user = principal_name(user, kind="user", field="id")
    values = {"name": _name(name), "active": active}
    epoch = _bump(session, tenant, "user", user, actor, {"active": active})
    session.execute(
        insert(User)
        .values(tenant_id=tenant, id=user, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "id"], set_={**values, "updated_at": sa.func.now()})
    )
    _remember_user(session, tenant, user, epoch, active)
    return epoch


def delete_user(session: Session, tenant: str, user: str, *, actor: str) -> int:
    """Remove a user and every membership of theirs. Raises :class:`NotFound`."""
    epoch = _bump(session, tenant, "user", user, actor, {"deleted": True})
    _remove(session, tenant, "app_user", user)
    _change(session, tenant, epoch, sa.text(_FORGET), {"p": user})
    _remember_user(session, tenant, user, epoch, None)
    return epoch


def put_group(
    session: Session, tenant: str, group: str, *, name: str, members: Sequence[str] | None = None, actor: str
) -> int:
    """Create or replace a group; ``members`` None leaves the members as they are. Cycles are legal."""
    group = principal_name(group, kind="group", field="id")
    wanted = None if members is None else _members(members, "members")
    epoch = _bump(session, tenant, "group", group, actor, {"members": wanted})
    session.execute(
        insert(Group)
        .values(tenant_id=tenant, id=group, name=_name(name))
        .on_conflict_do_update(
            index_elements=["tenant_id", "id"], set_={"name": _name(name), "updated_at": sa.func.now()}
        )
    )
    if wanted is not None:
        _change(session, tenant, epoch, sa.text(_KEEP), {"g": group, "m": wanted})
        _change(session, tenant, epoch, sa.text(_ADD), {"g": group, "m": wanted})
    return epoch


def delete_group(session: Session, tenant: str, group: str, *, actor: str) -> int:
    """Remove a group with its memberships, its own and those it holds in others. Raises :class:`NotFound`."""
    epoch = _bump(session, tenant, "group", group, actor, {"deleted": True})
    _change(session, tenant, epoch, sa.text(_KEEP), {"g": group, "m": []})
    _change(session, tenant, epoch, sa.text(_FORGET), {"p": group})
    _remove(session, tenant, "app_group", group)
    return epoch


def change_members(
    session: Session, tenant: str, group: str, *, add: Sequence[str], remove: Sequence[str], actor: str
) -> int:
    """Add and remove members; one named in both stays. Raises :class:`NotFound` for an unknown group."""
    added, removed = _members(add, "add"), _members(remove, "remove")
    epoch = _bump(session, tenant, "members", group, actor, {"add": added, "remove": removed})
    known = session.execute(
        sa.text("SELECT 1 FROM app_group WHERE tenant_id = :t AND id = :g FOR NO KEY UPDATE"), {"t": tenant, "g": group}
    ).scalar()
    if known is None:
        raise NotFound()
    _change(session, tenant, epoch, sa.text(_DROP), {"g": group, "m": sorted(set(removed) - set(added))})
    _change(session, tenant, epoch, sa.text(_ADD), {"g": group, "m": added})
    return epoch


def _change(session: Session, tenant: str, epoch: int, statement: sa.TextClause, values: Json) -> None:
    """Change memberships, and remember under the epoch which rows came and went."""
    changed = session.execute(statement, {"t": tenant, **values}).all()
    if changed:
        session.execute(
            _REMEMBER,
            [{"t": tenant, "g": group, "m": member, "e": epoch, "p": present} for group, member, present in changed],
        )


def _remember_user(session: Session, tenant: str, user: str, epoch: int, active: bool | None) -> None:
    session.add(UserChange(tenant_id=tenant, user_id=user, epoch=epoch, active=active))
    session.flush()


def _members(members: Sequence[str], field: str) -> list[str]:
    names = sorted({str(Principal.parse(m, "", field=field)) for m in members})
    if AUTHENTICATED in names:
        raise InvalidInput("everyone authenticated cannot be a member; name the group in an ACL instead", field=field)
    return names


def _name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME:
        raise InvalidInput(f"a name has 1 to {MAX_NAME} characters", field="name")
    return name.strip()


def _remove(session: Session, tenant: str, table: str, principal: str) -> None:
    gone = session.execute(
        sa.text(f"DELETE FROM {table} WHERE tenant_id = :t AND id = :p RETURNING 1"),  # noqa: S608 - our own names
        {"t": tenant, "p": principal},
    ).scalar()
    if gone is None:
        raise NotFound()


def _bump(session: Session, tenant: str, kind: str, subject: str, actor: str, detail: Json) -> int:
    return epochs.bump(session, tenant, kind=kind, subject=subject, actor=actor, detail=detail)
