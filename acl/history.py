"""The state of access as of an epoch that is past, recomputed from what was remembered of every change.

An epoch's changes are written in the transaction that begins it, so the state at an epoch is, of each user, membership
and document, the last row up to it. Ages and publication are no part of it: both are of a moment, not of an epoch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import CLOSURE_LIMIT, Access
from vouch.core.errors import AccessIncomplete, InvalidInput, Unauthenticated
from vouch.core.types import AUTHENTICATED

USERS_THEN = """
    SELECT x.user_id AS id FROM (
        SELECT DISTINCT ON (user_id) user_id, active FROM user_change
        WHERE tenant_id = :tenant AND epoch <= :{epoch} ORDER BY user_id, epoch DESC) x
    WHERE x.active
"""
"""Who was active; ``.format(epoch=…)`` names the parameter that holds the epoch."""
MEMBERS_THEN = """
    SELECT x.member FROM (
        SELECT DISTINCT ON (c.member) c.member, c.present FROM membership_change c
        WHERE c.tenant_id = :tenant AND c.group_id = b.principal AND c.epoch <= :{epoch}
        ORDER BY c.member, c.epoch DESC) x
    WHERE x.present
"""
"""The members of the group ``b.principal``."""
DOCUMENTS_THEN = """
    SELECT DISTINCT ON (document_id) document_id, CASE WHEN deleted THEN NULL ELSE acl_id END AS acl_id, deleted
    FROM document_change
    WHERE tenant_id = :tenant AND epoch <= :{epoch} {which} ORDER BY document_id, epoch DESC
"""
"""Each document's ACL; ``which`` narrows it to some."""
PERMITTING = """
    SELECT a.id FROM acl a WHERE a.tenant_id = :tenant
    AND EXISTS (SELECT 1 FROM clause c WHERE c.tenant_id = a.tenant_id AND c.acl_id = a.id)
    AND NOT EXISTS (
        SELECT 1 FROM clause c WHERE c.tenant_id = a.tenant_id AND c.acl_id = a.id
        AND (NOT c.allow && CAST(:{principals} AS text[]) OR c.deny && CAST(:{principals} AS text[])))
"""
"""The ACLs that permit somebody with these principals."""

_ACTIVE = sa.text(
    "SELECT active FROM user_change WHERE tenant_id = :tenant AND user_id = :user AND epoch <= :epoch"
    " ORDER BY epoch DESC LIMIT 1"
)
_CLOSURE = sa.text(
    """
    WITH RECURSIVE reached(principal) AS (
        SELECT unnest(CAST(:seeds AS text[]))
        UNION
        SELECT m.group_id FROM reached r CROSS JOIN LATERAL (
            SELECT DISTINCT ON (c.group_id) c.group_id, c.present FROM membership_change c
            WHERE c.tenant_id = :tenant AND c.member = r.principal AND c.epoch <= :epoch
            ORDER BY c.group_id, c.epoch DESC) m
        WHERE m.present
    )
    SELECT principal FROM reached LIMIT :limit
    """
)
_EDGES = sa.text(
    """
    SELECT x.member, x.group_id FROM (
        SELECT DISTINCT ON (group_id, member) group_id, member, present FROM membership_change
        WHERE tenant_id = :tenant AND member = ANY(CAST(:principals AS text[])) AND epoch <= :epoch
        ORDER BY group_id, member, epoch DESC) x
    WHERE x.present
    """
)
_DOCUMENTS = sa.text(DOCUMENTS_THEN.format(epoch="epoch", which="AND document_id = ANY(CAST(:ids AS text[]))"))
_READABLE = sa.text(
    f"""
    SELECT d.document_id FROM ({DOCUMENTS_THEN.format(epoch="epoch", which="")}) d
    JOIN ({PERMITTING.format(principals="principals")}) a ON a.id = d.acl_id
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class DocumentThen:
    """``acl_id`` None: nobody could read it."""

    acl_id: str | None
    deleted: bool


def require_history(session: Session, tenant: str, epoch: int, field: str) -> int:
    """The epoch, of which the state can be recomputed. Raises :class:`InvalidInput` for one that lies ahead, or
    before the first that history covers."""
    first, last = session.execute(
        sa.text("SELECT history_from, authz_epoch FROM tenant WHERE id = :tenant"), {"tenant": tenant}
    ).one()
    if not first <= epoch <= last:
        raise InvalidInput(f"history covers the epochs {first} to {last}", field=field)
    return epoch


def access_at(session: Session, tenant: str, user: str, epoch: int) -> Access:
    """What :func:`acl.resolve.resolve` said at ``epoch``, less the age of the memberships. Raises as it did."""
    values = {"tenant": tenant, "epoch": epoch}
    if not session.execute(_ACTIVE, {**values, "user": user}).scalar():
        raise Unauthenticated("The user was not active then.")
    found = session.execute(_CLOSURE, {**values, "seeds": [user, AUTHENTICATED], "limit": CLOSURE_LIMIT + 1})
    principals = frozenset(found.scalars())
    if len(principals) > CLOSURE_LIMIT:
        raise AccessIncomplete("The user belonged to more groups than can be resolved safely.")
    return Access(tenant, user, principals, epoch)


def edges_at(session: Session, access: Access) -> list[tuple[str, str]]:
    """(member, group) for every membership that one of the principals held at ``access.epoch``."""
    values = {"tenant": access.tenant, "epoch": access.epoch, "principals": sorted(access.principals)}
    return [(member, group) for member, group in session.execute(_EDGES, values)]


def documents_at(session: Session, tenant: str, epoch: int, document_ids: Collection[str]) -> dict[str, DocumentThen]:
    """The access of documents at ``epoch``. One that is not in the result had none yet."""
    rows = session.execute(_DOCUMENTS, {"tenant": tenant, "epoch": epoch, "ids": sorted(document_ids)})
    return {row.document_id: DocumentThen(row.acl_id, row.deleted) for row in rows}


def readable_at(session: Session, access: Access) -> frozenset[str]:
    """Every document whose access rules permitted the asker at ``access.epoch``."""
    values = {"tenant": access.tenant, "epoch": access.epoch, "principals": sorted(access.principals)}
    return frozenset(session.execute(_READABLE, values).scalars())
