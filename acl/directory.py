"""Users, groups and memberships of the local directory. Every change bumps the epoch in its transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

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
_JOIN = (
    "INSERT INTO membership (tenant_id, group_id, member) SELECT :t, unnest(CAST(:g AS text[])), :p"
    " ON CONFLICT DO NOTHING RETURNING group_id, member, true"
)
_LEAVE = (
    "DELETE FROM membership WHERE tenant_id = :t AND member = :p AND group_id = ANY(CAST(:g AS text[]))"
    " RETURNING group_id, member, false"
)
_TOLD = (
    "INSERT INTO membership (tenant_id, group_id, member)"
    " SELECT :t, * FROM unnest(CAST(:g AS text[]), CAST(:m AS text[]))"
    " ON CONFLICT DO NOTHING RETURNING group_id, member, true"
)
_TOLD_NO_MORE = (
    "DELETE FROM membership WHERE tenant_id = :t AND (group_id, member) IN"
    " (SELECT * FROM unnest(CAST(:g AS text[]), CAST(:m AS text[]))) RETURNING group_id, member, false"
)
_FORGET = "DELETE FROM membership WHERE tenant_id = :t AND member = :p RETURNING group_id, member, false"
_REMEMBER = sa.text(
    "INSERT INTO membership_change (tenant_id, group_id, member, epoch, present) VALUES (:t, :g, :m, :e, :p)"
)

_KNOWN = sa.text(
    """
    SELECT u.active, u.memberships_read_at, ARRAY(
        SELECT m.group_id FROM membership m
        WHERE m.tenant_id = u.tenant_id AND m.member = u.id AND starts_with(m.group_id, :prefix)) AS groups
    FROM app_user u WHERE u.tenant_id = :t AND u.id = :u
    """
)


_OF_ISSUER = sa.text("SELECT group_id, member FROM membership WHERE tenant_id = :t AND starts_with(group_id, :prefix)")
_LAST_TOLD = sa.text("SELECT max(memberships_read_at) FROM app_group WHERE tenant_id = :t AND starts_with(id, :prefix)")
_NAME_GROUPS = sa.text(
    "INSERT INTO app_group (tenant_id, id, name)"
    " SELECT :t, id, substr(id, length(:prefix) + 1) FROM unnest(CAST(:g AS text[])) AS id ON CONFLICT DO NOTHING"
)
_DROP_EMPTY = sa.text(
    "DELETE FROM app_group g WHERE tenant_id = :t AND starts_with(id, :prefix) AND NOT EXISTS"
    " (SELECT 1 FROM membership m WHERE m.tenant_id = g.tenant_id AND m.group_id = g.id)"
)
_DATE_GROUPS = sa.text(
    "UPDATE app_group SET memberships_read_at = :at WHERE tenant_id = :t AND starts_with(id, :prefix)"
)
NAMED = 100
"""Memberships that the log of a whole reading names; all of them are in the history."""


@dataclass(frozen=True, slots=True)
class Known:
    """A user as the directory has them, with the groups of one issuer that they are in directly."""

    active: bool
    memberships_read_at: datetime | None
    groups: frozenset[str]


def serially(session: Session, tenant: str) -> None:
    """Let no other change of the tenant's access come between what is read from here on and what is then written."""
    session.execute(sa.text("SELECT 1 FROM tenant WHERE id = :t FOR NO KEY UPDATE"), {"t": tenant})


def known_user(session: Session, tenant: str, user: str, issuer: str) -> Known | None:
    row = session.execute(_KNOWN, {"t": tenant, "u": user, "prefix": f"group:{issuer}/"}).first()
    return None if row is None else Known(row.active, row.memberships_read_at, frozenset(row.groups))


def provision_user(session: Session, tenant: str, user: str, *, name: str, actor: str) -> None:
    """Create a user of whom the tenant has never heard. One who was deleted stays so: that was somebody's decision."""
    serially(session, tenant)
    heard = session.execute(
        sa.text(
            "SELECT 1 FROM user_change WHERE tenant_id = :t AND user_id = :u"
            " UNION ALL SELECT 1 FROM app_user WHERE tenant_id = :t AND id = :u LIMIT 1"
        ),
        {"t": tenant, "u": user},
    ).scalar()
    if heard is None:
        put_user(session, tenant, user, name=name, actor=actor)


def replace_groups(
    session: Session, tenant: str, user: str, groups: frozenset[str], *, issuer: str, at: datetime
) -> None:
    """Make ``groups`` the user's groups of ``issuer``, as it told at ``at``. What was told later stands.

    A new epoch begins only where the groups differ.
    """
    serially(session, tenant)
    known = known_user(session, tenant, user, issuer)
    if known is None or (known.memberships_read_at is not None and known.memberships_read_at >= at):
        return
    joined, left = sorted(groups - known.groups), sorted(known.groups - groups)
    if joined or left:
        epoch = _bump(session, tenant, "members", user, f"issuer:{issuer}", {"joined": joined, "left": left})
        new = [{"tenant_id": tenant, "id": group, "name": group.partition("/")[2]} for group in joined]
        if new:
            session.execute(insert(Group).values(new).on_conflict_do_nothing())
        _change(session, tenant, epoch, sa.text(_JOIN), {"p": user, "g": joined})
        _change(session, tenant, epoch, sa.text(_LEAVE), {"p": user, "g": left})
    session.execute(
        sa.text("UPDATE app_user SET memberships_read_at = :at WHERE tenant_id = :t AND id = :u"),
        {"t": tenant, "u": user, "at": at},
    )


def replace_memberships(
    session: Session, tenant: str, issuer: str, told: Collection[tuple[str, str]], *, at: datetime, actor: str
) -> int:
    """Make ``told``, (group, member) each, all there is in the groups of ``issuer``, as its source had them at ``at``.

    What was told later stands. Returns how many memberships changed; a new epoch begins only where one did.
    """
    serially(session, tenant)
    mine = {"t": tenant, "prefix": f"group:{issuer}/"}
    last = session.execute(_LAST_TOLD, mine).scalar()
    if last is not None and last >= at:
        return 0
    present = {(group, member) for group, member in session.execute(_OF_ISSUER, mine)}
    joined, left = sorted(set(told) - present), sorted(present - set(told))
    if joined or left:
        said = {"joined": joined[:NAMED], "left": left[:NAMED], "changed": len(joined) + len(left)}
        epoch = _bump(session, tenant, "members", f"issuer:{issuer}", actor, said)
        session.execute(_NAME_GROUPS, {**mine, "g": sorted({group for group, _ in joined})})
        for statement, pairs in ((_TOLD_NO_MORE, left), (_TOLD, joined)):
            named = {"g": [group for group, _ in pairs], "m": [member for _, member in pairs]}
            _change(session, tenant, epoch, sa.text(statement), named)
        session.execute(_DROP_EMPTY, mine)
    session.execute(_DATE_GROUPS, {**mine, "at": at})
    return len(joined) + len(left)


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
    """Remove a user, every membership of theirs, and every key bound to them: whoever has the name next is another.

    Raises :class:`NotFound`.
    """
    epoch = _bump(session, tenant, "user", user, actor, {"deleted": True})
    _remove(session, tenant, "app_user", user)
    _change(session, tenant, epoch, sa.text(_FORGET), {"p": user})
    _remember_user(session, tenant, user, epoch, None)
    session.execute(
        sa.text("UPDATE api_key SET revoked_at = now() WHERE tenant_id = :t AND user_id = :u AND revoked_at IS NULL"),
        {"t": tenant, "u": user},
    )
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
