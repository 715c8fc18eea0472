"""The documents that questions are looked for in: of those that the asker may read, as many as one look can take."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import PERMITTED, parameters, recheck
from acl.resolve import Access
from retrieval.proposals.candidates import QUOTED, Evidence, Named, Readable
from vouch.core.types import Json

MOST = 2_000
"""Documents looked at, another part of a large catalog for each seed."""

# In an order of their own (OFFSET 0 keeps it), decided one after the other until there are enough: what may not be read
# takes no place of what may.
_READABLE = sa.text(
    f"""
    SELECT d.id, d.source_id, d.external_id, d.title, d.current_version FROM (
        SELECT * FROM document d WHERE d.tenant_id = :tenant AND d.state = 'live' ORDER BY md5(d.id || :seed) OFFSET 0
    ) d
    CROSS JOIN LATERAL (SELECT * FROM source s WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id OFFSET 0) s
    WHERE {PERMITTED} LIMIT :most
    """  # noqa: S608 - constants, no input
)
_OPENINGS = sa.text(
    """
    SELECT d.id, d.source_id, d.external_id, d.title, d.current_version, c.heading_path, c.quote
    FROM unnest(CAST(:ids AS text[])) AS wanted(id)
    JOIN document d ON (d.tenant_id, d.id) = (:tenant, wanted.id)
    CROSS JOIN LATERAL (
        SELECT c.heading_path, left(c.text, :quoted) AS quote FROM chunk c
        WHERE (c.tenant_id, c.document_id, c.version, c.chunker) = (:tenant, d.id, d.current_version, :chunker)
        ORDER BY c.ordinal LIMIT 1
    ) c
    """
)


def readable(session: Session, access: Access, seed: int) -> list[Readable]:
    """Decided by gate 2 in the session's snapshot. The same for the same catalog, user and ``seed``."""
    values = {**parameters(access), "seed": str(seed), "most": MOST}
    return [
        Readable(row.id, Named(row.source_id, row.external_id), row.title, row.current_version)
        for row in session.execute(_READABLE, values)
    ]


def openings(session: Session, access: Access, document_ids: set[str], chunker: str) -> dict[str, Evidence]:
    """How each of these begins, of those that the asker may read."""
    _, permitted = recheck(session, access, document_ids)
    values = {"tenant": access.tenant, "ids": sorted(permitted), "chunker": chunker, "quoted": QUOTED}
    return {
        row.id: Evidence(
            row.id,
            Named(row.source_id, row.external_id),
            row.title,
            row.current_version,
            tuple(row.heading_path),
            row.quote,
        )
        for row in session.execute(_OPENINGS, values)
    }


def keys(documents: list[Readable]) -> Json:
    """As parameters: the versions that are looked at, each by its document."""
    return {"ids": [one.id for one in documents], "versions": [one.version for one in documents]}
