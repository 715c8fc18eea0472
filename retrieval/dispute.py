"""Is a cited figure contradicted elsewhere? Looks up, for documents that are cited, what was found when their texts
were compared with those like them (``ingestion/twins``), as far as the asker may read the other document too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import PERMITTED, parameters
from acl.resolve import Access
from retrieval.similar import side
from retrieval.types import Told

# Of several documents that show the same other text, the one that was modified last speaks.
_DISPUTES = sa.text(
    f"""
    WITH cited AS (
        SELECT d.id, d.current_version AS version, v.text
        FROM unnest(CAST(:ids AS text[])) AS candidate
        JOIN document d ON d.tenant_id = :tenant AND d.id = candidate
        JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    ), disputed AS (
        SELECT c.id, c.version, t.a, t.b, true AS cites_a, t.b AS other FROM cited c
        JOIN twin t ON t.tenant_id = :tenant AND t.a = c.text WHERE t.conflicts > 0
        UNION ALL
        SELECT c.id, c.version, t.a, t.b, false, t.a FROM cited c
        JOIN twin t ON t.tenant_id = :tenant AND t.b = c.text WHERE t.conflicts > 0
    )
    SELECT DISTINCT ON (x.id, x.a, x.b, f.n) x.id AS cited, x.version, x.cites_a, d.id AS other, f.*
    FROM disputed x
    JOIN twin_conflict f ON f.tenant_id = :tenant AND f.a = x.a AND f.b = x.b
    JOIN document_version v ON v.tenant_id = :tenant AND v.text = x.other
    JOIN document d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.current_version = v.version
    JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.id <> x.id AND {PERMITTED}
    ORDER BY x.id, x.a, x.b, f.n, d.modified_at DESC NULLS LAST, d.id
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Dispute:
    """What version ``version`` of a cited document says, and what another says in its place."""

    document_id: str
    version: int
    ours: Told
    other: str
    theirs: Told


def disputes(session: Session, access: Access, document_ids: Collection[str]) -> tuple[Dispute, ...]:
    """Of the versions that these documents show now. The other documents are readable under ``access``."""
    if not document_ids:
        return ()
    rows = session.execute(_DISPUTES, {**parameters(access), "ids": sorted(document_ids)})
    return tuple(
        Dispute(
            row.cited,
            row.version,
            side(row, "a" if row.cites_a else "b"),
            row.other,
            side(row, "b" if row.cites_a else "a"),
        )
        for row in rows
    )
