"""What is kept of texts that are alike: how it ends, and how it is looked up.

A pair is of two texts, and counts while a live document shows each of them: nothing has to be put right when a new
version becomes current or access changes. What is kept of a text goes with the last document that shows it.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import Session

UNCOMPARED = "d.state = 'live' AND d.compared_version IS DISTINCT FROM d.current_version"
"""Of ``document d``: what it shows has not been compared with others yet."""

CURRENT = "v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version"
"""Joins to ``document d`` the version ``v`` that it shows."""

LINKS = """
    SELECT g.digest AS mine, g.digest AS other, 1.0 AS similarity, 1.0 AS containment, 0 AS conflicts
    FROM texts m JOIN signature g ON g.tenant_id = :tenant AND g.digest = m.text
    UNION ALL
    SELECT t.a, t.b, t.similarity, t.containment, t.conflicts
    FROM texts m JOIN twin t ON t.tenant_id = :tenant AND t.a = m.text
    UNION ALL
    SELECT t.b, t.a, t.similarity, t.containment, t.conflicts
    FROM texts m JOIN twin t ON t.tenant_id = :tenant AND t.b = m.text
"""
"""From each of ``texts`` to itself and to every text that is like it."""

# Locked in one order, so that who forgets and who pairs do not wait for each other.
_FORGET = sa.text(
    """
    WITH over AS MATERIALIZED (
        SELECT g.digest FROM signature g
        WHERE g.tenant_id = :tenant AND g.digest = ANY(CAST(:texts AS text[])) AND NOT EXISTS (
            SELECT 1 FROM document_version v
            JOIN document d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.current_version = v.version
            WHERE v.tenant_id = :tenant AND v.text = g.digest AND d.state = 'live')
        ORDER BY g.digest FOR UPDATE OF g)
    DELETE FROM signature g USING over WHERE g.tenant_id = :tenant AND g.digest = over.digest
    """
)


def forget(session: Session, tenant: str, texts: Collection[str]) -> None:
    """Remove what was found of those ``texts`` that no document shows any more, quotes and all.

    Two who each take away one of the last two documents have to come one after the other: who deletes documents calls
    this after the new epoch has begun, which holds up the other until then.
    """
    if texts:
        session.execute(_FORGET, {"tenant": tenant, "texts": sorted(texts)})
