"""Gate 2: the authoritative decision, in SQL, about documents that are about to be shown."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access, resolve

# design.md, "Who may see what", 3 and 4, word for word. `state` is live and a version is current, or it is not
# a document yet; an ACL that was read from a source ages from the later of its own reading and the source's, and
# counts as too old before the first reading is complete. Where Vouch is the authority (push) nothing ages.
PERMITTED = """
    d.tenant_id = :tenant AND d.state = 'live' AND d.current_version IS NOT NULL AND s.state <> 'deleting'
    AND (
        s.acl_max_age_s IS NULL
        OR s.kind = 'push'
        OR greatest(d.acl_read_at, s.acl_read_at) > now() - make_interval(secs => s.acl_max_age_s)
    )
    AND EXISTS (SELECT 1 FROM clause c WHERE c.tenant_id = d.tenant_id AND c.acl_id = d.acl_id)
    AND NOT EXISTS (
        SELECT 1 FROM clause c
        WHERE c.tenant_id = d.tenant_id AND c.acl_id = d.acl_id
        AND (NOT c.allow && CAST(:principals AS text[]) OR c.deny && CAST(:principals AS text[]))
    )
"""

_RECHECK = sa.text(
    f"""
    SELECT d.id FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.id = ANY(CAST(:ids AS text[])) AND {PERMITTED}
    """  # noqa: S608 - a constant, no input
)


def recheck(session: Session, access: Access, document_ids: Collection[str]) -> tuple[Access, frozenset[str]]:
    """Which of ``document_ids`` the asker may read in this snapshot, and the access that decided it.

    The asker is resolved anew, so a group left or an account closed since ``access`` was made counts.
    Raises what :func:`acl.resolve.resolve` raises.
    """
    fresh = resolve(session, access.tenant, access.user)
    if not document_ids:
        return fresh, frozenset()
    rows = session.execute(
        _RECHECK,
        {"tenant": fresh.tenant, "ids": list(document_ids), "principals": sorted(fresh.principals)},
    )
    return fresh, frozenset(rows.scalars())
