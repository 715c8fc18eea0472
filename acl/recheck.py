"""Gate 2: the authoritative decision, in SQL, about documents that are about to be shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access, resolve
from vouch.core.types import CLAUSE_SLOTS, Json

# design.md, "Who may see what", 3 and 4, word for word. `state` is live and a version is current, or it is not
# a document yet.
THERE = "d.tenant_id = :tenant AND d.state = 'live' AND d.current_version IS NOT NULL AND s.state <> 'deleting'"

# An ACL that was read from a source ages from the later of its own reading and the source's, and counts as too old
# before the first reading is complete; where Vouch is the authority (push) it does not age. Memberships that an
# issuer told of age for every source that says how old access may be; those of Vouch's own directory do not.
FRESH = """(
    s.acl_max_age_s IS NULL
    OR (s.kind = 'push' OR greatest(d.acl_read_at, s.acl_read_at) > now() - make_interval(secs => s.acl_max_age_s))
    AND coalesce(CAST(:memberships_read_at AS timestamptz), 'infinity') > now() - make_interval(secs => s.acl_max_age_s)
)"""


def admits(of: str) -> str:
    """The condition that the rules of ``of`` (a row with ``tenant_id`` and ``acl_id``) let the user in."""
    # OFFSET 0 has the clauses of each document looked up; a join would compare those of every ACL that there is.
    return f"""
    EXISTS (SELECT 1 FROM clause c WHERE c.tenant_id = {of}.tenant_id AND c.acl_id = {of}.acl_id)
    AND NOT EXISTS (
        SELECT 1 FROM clause c
        WHERE c.tenant_id = {of}.tenant_id AND c.acl_id = {of}.acl_id
        AND (NOT c.allow && CAST(:principals AS text[]) OR c.deny && CAST(:principals AS text[]))
        OFFSET 0
    )
"""  # noqa: S608 - constants, no input


WOULD_PERMIT = f"""
    {FRESH}
    AND {admits("d")}
"""
"""The condition on ``document d`` and its ``source s`` but for being there, for lists of what could not be taken in."""

PERMITTED = f"{THERE} AND {WOULD_PERMIT}"
"""The whole condition; its parameters are :func:`parameters`."""

# Each candidate is looked up by its key (OFFSET 0 keeps the lookups apart from the rest): left to itself, and without
# statistics, PostgreSQL reads every document of a source instead.
_RECHECK = sa.text(
    f"""
    SELECT d.id FROM unnest(CAST(:ids AS text[])) AS candidate
    CROSS JOIN LATERAL (SELECT * FROM document d WHERE (d.tenant_id, d.id) = (:tenant, candidate) OFFSET 0) d
    CROSS JOIN LATERAL (SELECT * FROM source s WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id OFFSET 0) s
    WHERE {PERMITTED}
    """  # noqa: S608 - a constant, no input
)
_REASONS = sa.text(
    f"""
    SELECT d.id, CASE
        WHEN NOT ({THERE}) THEN 'state'
        WHEN NOT coalesce({FRESH}, false) THEN 'aged'
        WHEN (SELECT count(DISTINCT c.allow) FROM clause c
              WHERE c.tenant_id = d.tenant_id AND c.acl_id = d.acl_id) > :slots THEN 'inexact'
        ELSE 'lag_or_error' END
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :tenant AND d.id = ANY(CAST(:ids AS text[]))
    """  # noqa: S608 - a constant, no input
)

Rejection = Literal["lag_or_error", "inexact", "aged", "asker", "state"]


def parameters(access: Access) -> Json:
    """The parameters of :data:`PERMITTED`, to which a statement adds its own."""
    return {
        "tenant": access.tenant,
        "principals": sorted(access.principals),
        "memberships_read_at": access.memberships_read_at,
    }


def recheck(session: Session, access: Access, document_ids: Collection[str]) -> tuple[Access, frozenset[str]]:
    """Which of ``document_ids`` the asker may read in this snapshot, and the access that decided it.

    The asker is resolved anew, so a group left or an account closed since ``access`` was made counts.
    Raises what :func:`acl.resolve.resolve` raises.
    """
    fresh = resolve(session, access.tenant, access.user)
    if not document_ids:
        return fresh, frozenset()
    rows = session.execute(_RECHECK, {**parameters(fresh), "ids": list(document_ids)})
    return fresh, frozenset(rows.scalars())


def why_rejected(
    session: Session, searched: Access, fresh: Access, document_ids: Collection[str]
) -> dict[str, Rejection]:
    """Why gate 2 refused what gate 1 had let through for ``searched``, in the snapshot of ``fresh``.

    ``lag_or_error`` is the alarm: gate 1 ought to have excluded the document. It was right to admit what is older
    than its source allows (``aged``), what has more allow lists than it compares (``inexact``), and what the asker
    could read until a moment ago (``asker``); ``state``: the document or its source is being removed.
    """
    if not document_ids:
        return {}
    rows = session.execute(_REASONS, {**parameters(fresh), "ids": list(document_ids), "slots": CLAUSE_SLOTS}).all()
    found: dict[str, Rejection] = dict.fromkeys(document_ids, "state")
    for document_id, reason in rows:
        moved = reason == "lag_or_error" and searched.principals != fresh.principals
        found[document_id] = "asker" if moved else reason
    return found
