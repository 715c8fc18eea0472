"""Writing a document's access: clauses interned by content, the epoch bumped, the index told, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from vouch.catalog import epoch as epochs
from vouch.catalog import outbox
from vouch.catalog.tables import AclRow, ClauseRow
from vouch.core.errors import InvalidInput
from vouch.core.ids import sha256
from vouch.core.types import Acl, Clause

_REMEMBER = sa.text(
    """
    INSERT INTO document_change (tenant_id, document_id, epoch, acl_id, deleted)
    SELECT tenant_id, id, :epoch, acl_id, false FROM document WHERE tenant_id = :tenant AND id = ANY(:ids)
    """
)

# All of them, those too whose access will turn out to be the same: another's change of one of those may not come
# between, or the later epoch would hold the earlier access. By id, so that two who meet do not wait for each other.
_LOCK = sa.text(
    "SELECT 1 FROM document WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS text[])) ORDER BY id FOR NO KEY UPDATE"
)

_ASSIGN = sa.text(
    """
    UPDATE document d SET acl_id = v.acl_id, updated_at = now()
    FROM unnest(CAST(:ids AS text[]), CAST(:acls AS text[])) AS v(id, acl_id)
    WHERE d.tenant_id = :tenant AND d.id = v.id AND d.acl_id IS DISTINCT FROM v.acl_id
    AND d.state <> 'deleted'
    RETURNING d.id, d.acl_id
    """
)

OPERATION = 500
"""Documents of one operation to the index, so that nothing waits long behind one."""
MAX_CLAUSES = 64
MAX_PRINCIPALS = 2_000


NAMED = 100
"""Documents, and ACLs, that the log of a change names; the hash is over all, each line a document and its ACL's id."""


def digest(acl: Acl) -> str:
    """The id of an ACL: the hash of its clauses."""
    return sha256(json.dumps(_rows(acl), separators=(",", ":")).encode())


def _rows(acl: Acl) -> list[tuple[list[str], list[str]]]:
    return [(sorted(c.allow), sorted(c.deny)) for c in acl]


def intern(session: Session, tenant: str, acl: Acl | None) -> str | None:
    """The id of ``acl``, stored once per tenant. None for no ACL, and for the empty one: both mean nobody.

    Raises :class:`InvalidInput` past :data:`MAX_CLAUSES` clauses or :data:`MAX_PRINCIPALS` principals in one.
    """
    if not acl:
        return None
    if len(acl) > MAX_CLAUSES or any(len(c.allow) + len(c.deny) > MAX_PRINCIPALS for c in acl):
        raise InvalidInput(
            f"at most {MAX_CLAUSES} clauses of {MAX_PRINCIPALS} principals each are accepted", field="access"
        )
    rows = _rows(acl)
    acl_id = digest(acl)
    added = session.execute(
        insert(AclRow)
        .values(tenant_id=tenant, id=acl_id, clauses=len(rows))
        .on_conflict_do_nothing()
        .returning(sa.literal(1))
    ).first()
    if added:
        session.add_all(
            ClauseRow(tenant_id=tenant, acl_id=acl_id, ordinal=n, allow=allow, deny=deny)
            for n, (allow, deny) in enumerate(rows)
        )
        session.flush()
    return acl_id


def load(session: Session, tenant: str, acl_ids: Iterable[str]) -> dict[str, Acl]:
    """The clauses behind ids, ordered."""
    rows = session.exec(
        select(ClauseRow)
        .where(col(ClauseRow.tenant_id) == tenant, col(ClauseRow.acl_id).in_(list(acl_ids)))
        .order_by(col(ClauseRow.acl_id), col(ClauseRow.ordinal))
    )
    found: dict[str, list[Clause]] = {}
    for row in rows:
        found.setdefault(row.acl_id, []).append(Clause(frozenset(row.allow), frozenset(row.deny)))
    return {acl_id: tuple(clauses) for acl_id, clauses in found.items()}


def assign(session: Session, tenant: str, acls: Mapping[str, Acl | None], *, actor: str) -> int | None:
    """Give each document (id → ACL) its access. Returns the new epoch, or None when nothing differed.

    Holds for the very next request through gate 2; the index follows by the ``access`` operation.
    """
    session.execute(_LOCK, {"tenant": tenant, "ids": list(acls)})
    wanted = sorted(set(acls.values()), key=lambda acl: digest(acl or ()))
    interned = {acl: intern(session, tenant, acl) for acl in wanted}
    rows = session.execute(_ASSIGN, {"tenant": tenant, "ids": list(acls), "acls": [interned[a] for a in acls.values()]})
    became = {row.id: row.acl_id for row in rows}
    if not became:
        return None
    changed = sorted(became)
    epoch = epochs.bump(
        session,
        tenant,
        kind="access",
        subject=f"{len(changed)} documents",
        actor=actor,
        detail={
            "documents": changed[:NAMED],
            "acls": sorted({acl_id or "" for acl_id in became.values()})[:NAMED],
            "sha256": sha256("\n".join(f"{id_} {became[id_] or ''}" for id_ in changed).encode()),
        },
    )
    session.execute(_REMEMBER, {"tenant": tenant, "ids": changed, "epoch": epoch})
    for start in range(0, len(changed), OPERATION):
        outbox.append(session, tenant, "access", changed[start : start + OPERATION])
    return epoch
