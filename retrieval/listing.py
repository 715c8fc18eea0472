"""Filters without a word to look for: the documents that fit, the newest first, each by the passage it opens with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import PERMITTED, parameters, recheck
from acl.resolve import Access
from retrieval.facets import MATCHES, Fitting
from retrieval.freshness import standings, treatments
from retrieval.recheck import Decided, hit_of, load
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.types import Candidate, Hit, Scores
from vouch.core.types import Json, SearchFilter

_STEP = 4
"""Times as many documents that are looked at where too few of them pass; :data:`MATCHES` at most."""

# A document whose source tells no date counts as older than any, here as in the index. Documents are taken in their
# order and looked at one by one until there are enough (OFFSET 0 keeps the lookups apart): left to itself PostgreSQL
# decides about all that there are and sorts them then.
_FITTING = sa.text(
    f"""
    SELECT d.id, d.current_version AS version, o.ordinal FROM (
        SELECT * FROM document d
        WHERE d.tenant_id = :tenant AND d.state = 'live'
        AND (cardinality(CAST(:source AS text[])) = 0 OR d.source_id = ANY(CAST(:source AS text[])))
        AND (cardinality(CAST(:owner AS text[])) = 0 OR d.owner = ANY(CAST(:owner AS text[])))
        AND (CAST(:after AS timestamptz) IS NULL OR d.modified_at >= CAST(:after AS timestamptz))
        AND (CAST(:before AS timestamptz) IS NULL OR d.modified_at IS NULL OR d.modified_at < :before)
        ORDER BY d.modified_at DESC NULLS LAST, d.id OFFSET 0
    ) d
    CROSS JOIN LATERAL (SELECT * FROM source s WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT v.meta FROM document_version v
        WHERE v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version OFFSET 0
    ) v
    CROSS JOIN LATERAL (
        SELECT min(c.ordinal) AS ordinal FROM chunk c
        WHERE c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = d.current_version
        AND c.chunker = :chunker OFFSET 0
    ) o
    WHERE {PERMITTED} AND o.ordinal IS NOT NULL
    AND (cardinality(CAST(:mime AS text[])) = 0 OR v.meta ->> 'mime' = ANY(CAST(:mime AS text[])))
    AND (cardinality(CAST(:language AS text[])) = 0 OR v.meta ->> 'language' = ANY(CAST(:language AS text[])))
    ORDER BY d.modified_at DESC NULLS LAST, d.id LIMIT :limit
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Listed:
    """``access``: what decided."""

    access: Access
    hits: tuple[Hit, ...]


def listing(services: Services, access: Access, where: SearchFilter, sieve: Sieve, limit: int) -> Listed:
    """The newest ``limit`` documents that the asker may read now and that fit. The sieve goes by the passage shown.

    Raises what :func:`acl.recheck.recheck` raises.
    """
    with services.catalog.reading(access.tenant) as session:
        access, _ = recheck(session, access, ())
        looked_at = min(MATCHES, 2 * limit)
        while True:
            found = _fitting(session, access, services.recipe.chunker, where, looked_at)
            hits = _hits(session, access, services.recipe.chunker, found, sieve)
            if len(found) < looked_at or len(hits) >= limit or looked_at >= MATCHES:
                return Listed(access, hits[:limit])
            looked_at = min(MATCHES, looked_at * _STEP)


def fitting_filters(services: Services, access: Access, where: SearchFilter, sieve: Sieve) -> Fitting:
    """The opening passages of all documents that would be listed, up to :data:`retrieval.facets.MATCHES`."""
    with services.catalog.reading(access.tenant) as session:
        access, _ = recheck(session, access, ())
        found = _fitting(session, access, services.recipe.chunker, where, MATCHES + 1)
        kept = found[:MATCHES]
        treated = treatments(session, access.tenant, {one.document_id for one in kept})
        kept = [one for one in kept if one.document_id not in treated or treated[one.document_id].done != "drop"]
        if sieve and kept:
            loaded = load(session, access.tenant, services.recipe.chunker, kept)
            kept = [one for one in kept if one.key in loaded and sieve.passes(loaded[one.key])]
    return Fitting(tuple(kept), len(found) <= MATCHES)


def _fitting(session: Session, access: Access, chunker: str, where: SearchFilter, most: int) -> list[Candidate]:
    """The newest documents that are permitted and fit, each by its opening passage."""
    names: Json = {name: list(getattr(where, name)) for name in ("source", "owner", "mime", "language")}
    given = {**parameters(access), **names, "after": where.modified_after, "before": where.modified_before}
    rows = session.execute(_FITTING, {**given, "chunker": chunker, "limit": most})
    return [Candidate(row.id, row.version, row.ordinal, Scores()) for row in rows]


def _hits(
    session: Session, access: Access, chunker: str, fitting: Sequence[Candidate], sieve: Sieve
) -> tuple[Hit, ...]:
    """Their hits, in their order; those left out that their source wants left out."""
    documents = {one.document_id for one in fitting}
    if not documents:
        return ()
    replaced_by, treated = standings(session, access.tenant, documents)
    _, readable = recheck(session, access, documents.union(*replaced_by.values()))
    decided = Decided(readable, replaced_by, treated)
    dropped = {one for one, told in decided.treated.items() if told.done == "drop"}
    candidates = [one for one in fitting if one.document_id in readable - dropped]
    loaded = load(session, access.tenant, chunker, candidates) if candidates else {}
    found = [(one, loaded[one.key]) for one in candidates if one.key in loaded]
    # They stand by their date, so that none stands lower than it would.
    return tuple(replace(hit_of(one, row, decided), demoted=None) for one, row in found if sieve.passes(row))
