"""What changed between two epochs, and what that did: to a user's documents, or to a document's readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.history import DOCUMENTS_THEN, MEMBERS_THEN, PERMITTING, USERS_THEN, access_at, documents_at, require_history
from acl.readers import CLAUSES_PERMIT
from vouch.core.clock import rfc3339
from vouch.core.errors import AccessIncomplete, InvalidInput, Unauthenticated
from vouch.core.types import Json

# An event without any row of its own is a row too: a group that was made empty, a token that was asked for.
_CHANGES = sa.text(
    """
    SELECT * FROM (
        SELECT e.epoch, e.at, e.actor, e.kind, e.subject, coalesce(c.what, '') AS what, coalesce(c.name, '') AS name,
            coalesce(c.member, '') AS member, c.there, c.acl_id
        FROM authz_event e LEFT JOIN LATERAL (
            SELECT 'user' AS what, user_id AS name, '' AS member, active AS there, NULL AS acl_id
            FROM user_change WHERE tenant_id = e.tenant_id AND epoch = e.epoch
            UNION ALL SELECT 'membership', group_id, member, present, NULL
            FROM membership_change WHERE tenant_id = e.tenant_id AND epoch = e.epoch
            UNION ALL SELECT 'document', document_id, '', NOT deleted, acl_id
            FROM document_change WHERE tenant_id = e.tenant_id AND epoch = e.epoch) c ON true
        WHERE e.tenant_id = :tenant AND e.epoch > :from AND e.epoch <= :to AND e.epoch >= :epoch) x
    WHERE (x.epoch, x.what, x.name, x.member) > (:epoch, :what, :name, :member)
    ORDER BY x.epoch, x.what, x.name, x.member LIMIT :limit
    """
)


def _documents(epoch: str, principals: str) -> str:
    return (
        f"SELECT d.document_id AS id FROM ({DOCUMENTS_THEN.format(epoch=epoch, which='')}) d"  # noqa: S608 - constants
        f" JOIN ({PERMITTING.format(principals=principals)}) a ON a.id = d.acl_id"
    )


def _users(epoch: str, acl: str) -> str:
    members, users = MEMBERS_THEN.format(epoch=epoch), USERS_THEN.format(epoch=epoch)
    permit = CLAUSES_PERMIT.format(acl=f":{acl}", members=members, users=users)
    return f"WITH RECURSIVE {permit} SELECT id FROM permitted"  # noqa: S608 - constants


def _difference(before: str, after: str) -> sa.TextClause:
    return sa.text(
        f"""
        WITH before AS ({before}), afterwards AS ({after}), moved AS (
            SELECT a.id, 'gained' AS change FROM afterwards a
            WHERE NOT EXISTS (SELECT 1 FROM before b WHERE b.id = a.id)
            UNION ALL
            SELECT b.id, 'lost' FROM before b
            WHERE NOT EXISTS (SELECT 1 FROM afterwards a WHERE a.id = b.id))
        SELECT m.id, m.change, d.external_id, d.source_id FROM moved m
        LEFT JOIN document d ON d.tenant_id = :tenant AND d.id = m.id
        WHERE m.id > :after ORDER BY m.id LIMIT :limit
        """  # noqa: S608 - constants, no input
    )


_DOCUMENTS_MOVED = _difference(_documents("from", "principals_from"), _documents("to", "principals_to"))
_READERS_MOVED = _difference(_users("from", "acl_from"), _users("to", "acl_to"))


@dataclass(frozen=True, slots=True)
class Between:
    """After epoch ``first`` up to and with ``last``; at most ``limit`` rows of each list."""

    first: int
    last: int
    limit: int


def changes(session: Session, tenant: str, between: Between, after: tuple[int, str, str, str]) -> Json:
    """The rows of users, memberships and documents that the epochs changed, with who did it, in order.

    ``after``: where the last page ended, ``(0, "", "", "")`` for the first. Raises :class:`InvalidInput` for epochs
    of which there is no history.
    """
    _require(session, tenant, between)
    epoch, what, name, member = after
    values = {"tenant": tenant, "from": between.first, "to": between.last, "limit": between.limit + 1}
    rows = session.execute(
        _CHANGES, {**values, "epoch": epoch, "what": what, "name": name, "member": member}
    ).all()  # fmt: skip
    last = rows[between.limit - 1] if len(rows) > between.limit else None
    return {
        "changes": [_change(row) for row in rows[: between.limit]],
        "next": [last.epoch, last.what, last.name, last.member] if last else None,
    }


def documents_moved(session: Session, tenant: str, user: str, between: Between, after: str) -> Json:
    """The documents that a user gained and lost: those whose rules permit them after the one epoch and not after
    the other. Raises :class:`InvalidInput` as above."""
    _require(session, tenant, between)
    values = {"principals_from": _principals(session, tenant, user, between.first)}
    values["principals_to"] = _principals(session, tenant, user, between.last)
    return _moved(session, tenant, _DOCUMENTS_MOVED, values, between, after)


def readers_moved(session: Session, tenant: str, document_id: str, between: Between, after: str) -> Json:
    """The users who became and ceased to be readers of a document. Raises :class:`InvalidInput` as above."""
    _require(session, tenant, between)
    values = {"acl_from": _acl(session, tenant, document_id, between.first)}
    values["acl_to"] = _acl(session, tenant, document_id, between.last)
    return _moved(session, tenant, _READERS_MOVED, values, between, after)


def _moved(session: Session, tenant: str, statement: sa.TextClause, values: Json, between: Between, after: str) -> Json:
    epochs = {"from": between.first, "to": between.last}
    rows = session.execute(
        statement, {**values, **epochs, "tenant": tenant, "after": after, "limit": between.limit + 1}
    ).all()  # fmt: skip
    return {
        "moved": rows[: between.limit],
        "next": rows[between.limit - 1].id if len(rows) > between.limit else None,
    }


def _require(session: Session, tenant: str, between: Between) -> None:
    require_history(session, tenant, between.first, "from")
    require_history(session, tenant, between.last, "to")
    if between.last < between.first:
        raise InvalidInput("the later epoch comes last", field="to")


def _principals(session: Session, tenant: str, user: str, epoch: int) -> list[str]:
    try:
        return sorted(access_at(session, tenant, user, epoch).principals)
    except (Unauthenticated, AccessIncomplete):
        return []  # such a user may read nothing


def _acl(session: Session, tenant: str, document_id: str, epoch: int) -> str | None:
    then = documents_at(session, tenant, epoch, [document_id]).get(document_id)
    return then.acl_id if then else None


def _change(row: Any) -> Json:
    said: Json = {
        "epoch": row.epoch, "at": rfc3339(row.at), "actor": row.actor, "kind": row.kind, "subject": row.subject,
        "user": None, "group": None, "member": None, "document_id": None, "state": None, "acl_id": row.acl_id,
    }  # fmt: skip
    match row.what:
        case "user":
            state = "deleted" if row.there is None else "active" if row.there else "inactive"
            said |= {"user": row.name, "state": state}
        case "membership":
            said |= {"group": row.name, "member": row.member, "state": "added" if row.there else "removed"}
        case "document":
            said |= {"document_id": row.name, "state": "changed" if row.there else "deleted"}
    return said
