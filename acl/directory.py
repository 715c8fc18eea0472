"""Users, groups and memberships of the local directory. Every change bumps the epoch in its transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Group, Membership, User
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.types import AUTHENTICATED, Json, Principal, principal_name

MAX_NAME = 200


def put_user(session: Session, tenant: str, user: str, *, name: str, active: bool = True, actor: str) -> int:
    """Create or replace a user. Returns the epoch."""
    user = principal_name(user, kind="user", field="id")
    values = {"name": _name(name), "active": active}
    session.execute(
        insert(User)
        .values(tenant_id=tenant, id=user, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "id"], set_={**values, "updated_at": sa.func.now()})
    )
    return _bump(session, tenant, "user", user, actor, {"active": active})


def delete_user(session: Session, tenant: str, user: str, *, actor: str) -> int:
    """Remove a user and every membership of theirs. Raises :class:`NotFound`."""
    _remove(session, tenant, "app_user", user)
    _forget_member(session, tenant, user)
    return _bump(session, tenant, "user", user, actor, {"deleted": True})


def put_group(
    session: Session, tenant: str, group: str, *, name: str, members: Sequence[str] | None = None, actor: str
) -> int:
    """Create or replace a group; ``members`` None leaves the members as they are. Cycles are legal."""
    group = principal_name(group, kind="group", field="id")
    session.execute(
        insert(Group)
        .values(tenant_id=tenant, id=group, name=_name(name))
        .on_conflict_do_update(
            index_elements=["tenant_id", "id"], set_={"name": _name(name), "updated_at": sa.func.now()}
        )
    )
    if members is not None:
        wanted = _members(members, "members")
        session.execute(
            sa.text("DELETE FROM membership WHERE tenant_id = :t AND group_id = :g AND NOT member = ANY(:keep)"),
            {"t": tenant, "g": group, "keep": wanted},
        )
        _add(session, tenant, group, wanted)
    return _bump(session, tenant, "group", group, actor, {"members": list(members) if members is not None else None})


def delete_group(session: Session, tenant: str, group: str, *, actor: str) -> int:
    """Remove a group with its memberships, its own and those it holds in others. Raises :class:`NotFound`."""
    _remove(session, tenant, "app_group", group)
    _forget_member(session, tenant, group)
    return _bump(session, tenant, "group", group, actor, {"deleted": True})


def change_members(
    session: Session, tenant: str, group: str, *, add: Sequence[str], remove: Sequence[str], actor: str
) -> int:
    """Add and remove members. Raises :class:`NotFound` for an unknown group."""
    known = session.execute(
        sa.text("SELECT 1 FROM app_group WHERE tenant_id = :t AND id = :g FOR UPDATE"), {"t": tenant, "g": group}
    ).scalar()
    if known is None:
        raise NotFound()
    session.execute(
        sa.text("DELETE FROM membership WHERE tenant_id = :t AND group_id = :g AND member = ANY(:gone)"),
        {"t": tenant, "g": group, "gone": _members(remove, "remove")},
    )
    _add(session, tenant, group, _members(add, "add"))
    return _bump(session, tenant, "members", group, actor, {"add": list(add), "remove": list(remove)})


def _add(session: Session, tenant: str, group: str, members: Sequence[str]) -> None:
    if members:
        session.execute(
            insert(Membership)
            .values([{"tenant_id": tenant, "group_id": group, "member": m} for m in members])
            .on_conflict_do_nothing()
        )


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


def _forget_member(session: Session, tenant: str, principal: str) -> None:
    session.execute(
        sa.text("DELETE FROM membership WHERE tenant_id = :t AND member = :p"), {"t": tenant, "p": principal}
    )


def _bump(session: Session, tenant: str, kind: str, subject: str, actor: str, detail: Json) -> int:
    return epochs.bump(session, tenant, kind=kind, subject=subject, actor=actor, detail=detail)
