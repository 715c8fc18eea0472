"""Which texts of a version have no vector yet, for one index generation; and vectors by what they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import IndexGeneration
from vouch.core.context import KEPT, context_hash, context_named

# Vectors are looked up one by one: a join would read the whole table for a handful as long as it has no statistics.
_KNOWN = """(
    SELECT 1 FROM embedding e WHERE e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash
) IS NOT NULL"""
_TEXTS = f"""
    SELECT c.text_hash, v.meta ->> 'embedded_title', c.heading_path, c.text
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    JOIN chunk c ON c.tenant_id = :tenant AND c.document_id = w.document_id AND c.version = w.version
        AND c.chunker = :chunker
    JOIN document_version v ON v.tenant_id = c.tenant_id AND v.document_id = c.document_id AND v.version = c.version
    WHERE NOT (:kept AND {_KNOWN})
    ORDER BY c.text_hash
"""  # noqa: S608 - constants, no input
_FOUND = sa.text(
    """
    SELECT w.tenant, w.hash, (SELECT e.vector FROM embedding e
        WHERE e.tenant_id = w.tenant AND e.model = :model AND e.text_hash = w.hash)
    FROM unnest(CAST(:tenants AS text[]), CAST(:hashes AS text[])) AS w(tenant, hash)
    """
)
_CUT = sa.text(
    """
    SELECT w.document_id, w.version, count(c.ordinal)
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    LEFT JOIN chunk c ON c.tenant_id = :tenant AND c.document_id = w.document_id AND c.version = w.version
        AND c.chunker = :chunker
    GROUP BY w.document_id, w.version ORDER BY w.document_id, w.version
    """
)

# By the driver, for its %b: as text, each of the vectors would be twice as long.
_KEEP = """
    INSERT INTO embedding (tenant_id, model, text_hash, vector)
    SELECT %s, %s, hash, vector FROM unnest(%s::text[], %b::bytea[]) AS made(hash, vector) ON CONFLICT DO NOTHING
"""

Named = tuple[str, int]
"""Document and version."""


def vectors(session: Session, model: str, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], bytes]:
    """Of those (tenant, hash of the text) that are embedded."""
    distinct = sorted(set(wanted))
    values = {"model": model, "tenants": [t for t, _ in distinct], "hashes": [h for _, h in distinct]}
    rows = session.execute(_FOUND, values) if distinct else ()
    return {(tenant, hash_): vector for tenant, hash_, vector in rows if vector is not None}


def keep(session: Session, tenant: str, model: str, made: Mapping[str, bytes]) -> None:
    """Store vectors by the hash of their text; what is there already stays. In the order of the hashes: two workers
    that make the same ones at once must not wait for each other in a circle."""
    hashes = sorted(made)
    values = (tenant, model, hashes, [made[hash_] for hash_ in hashes])
    session.connection().exec_driver_sql(_KEEP, values)


def unembedded(session: Session, tenant: str, versions: Sequence[Named], generation: IndexGeneration) -> dict[str, str]:
    """What ``versions`` lack for ``generation``: hash → text, as it is to be embedded. Only of what is cut."""
    context = context_named(generation.context)
    rows = session.execute(
        sa.text(_TEXTS), {**_values(tenant, versions, generation), "kept": generation.context == KEPT}
    )
    texts: dict[str, str] = {}
    for kept, title, heading_path, text in rows:
        embedded = context(title or "", heading_path, text)
        texts[context_hash(generation.context, embedded, kept)] = embedded
    if generation.context == KEPT:
        return texts
    known = vectors(session, generation.model, [(tenant, hash_) for hash_ in texts])
    return {hash_: text for hash_, text in texts.items() if (tenant, hash_) not in known}


def chunks_of(
    session: Session, tenant: str, versions: Sequence[Named], generation: IndexGeneration
) -> dict[Named, int]:
    """How many chunks each of ``versions`` has in the way that ``generation`` cuts; 0 where it was not cut so."""
    rows = session.execute(_CUT, _values(tenant, versions, generation))
    return {(document_id, version): count for document_id, version, count in rows}


def _values(tenant: str, versions: Sequence[Named], generation: IndexGeneration) -> dict[str, object]:
    return {
        "tenant": tenant,
        "documents": [document_id for document_id, _ in versions],
        "versions": [version for _, version in versions],
        "model": generation.model,
        "chunker": generation.chunker,
    }
