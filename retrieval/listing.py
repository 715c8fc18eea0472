"""Filters without a word to look for: the documents that fit, the newest first, each by the passage it opens with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import PERMITTED, parameters, recheck
from acl.resolve import Access
from retrieval.freshness import successors, treatments
from retrieval.recheck import Decided, hit_of, load
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.types import Candidate, Hit, Scores
from vouch.core.types import Json, SearchFilter

MOST = 4_000
"""Documents that are looked at."""
_STEP = 4

# A document whose source tells no date counts as older than any, here as in the index.
_FITTING = sa.text(
    f"""
    SELECT d.id, d.current_version AS version, o.ordinal FROM document d
    JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    CROSS JOIN LATERAL (
        SELECT min(c.ordinal) AS ordinal FROM chunk c
        WHERE c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = d.current_version
    ) o
    WHERE {PERMITTED} AND o.ordinal IS NOT NULL
    AND (cardinality(CAST(:source AS text[])) = 0 OR d.source_id = ANY(CAST(:source AS text[])))
    AND (cardinality(CAST(:owner AS text[])) = 0 OR d.owner = ANY(CAST(:owner AS text[])))
    AND (cardinality(CAST(:mime AS text[])) = 0 OR v.meta ->> 'mime' = ANY(CAST(:mime AS text[])))
    AND (cardinality(CAST(:language AS text[])) = 0 OR v.meta ->> 'language' = ANY(CAST(:language AS text[])))
    AND coalesce(d.modified_at, 'epoch') >= coalesce(CAST(:after AS timestamptz), '-infinity')
    AND coalesce(d.modified_at, 'epoch') < coalesce(CAST(:before AS timestamptz), 'infinity')
    ORDER BY d.modified_at DESC NULLS LAST, d.id LIMIT :limit
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Listed:
    """``whole``: there are no more than these."""

    access: Access
    hits: tuple[Hit, ...]
    whole: bool


def listing(services: Services, access: Access, where: SearchFilter, sieve: Sieve, limit: int) -> Listed:
    """The newest ``limit`` documents that the asker may read now and that fit. The sieve goes by the passage shown.

    Raises what :func:`acl.recheck.recheck` raises.
    """
    with services.catalog.reading(access.tenant) as session:
        access, _ = recheck(session, access, ())
        looked_at = min(MOST, 2 * limit)
        while True:
            rows = session.execute(_FITTING, {**parameters(access), **_given(where), "limit": looked_at}).all()
            hits = _hits(session, access, rows, sieve)
            whole = len(rows) < looked_at
            if whole or len(hits) >= limit or looked_at >= MOST:
                return Listed(access, hits[:limit], whole and len(hits) <= limit)
            looked_at = min(MOST, looked_at * _STEP)


def _given(where: SearchFilter) -> Json:
    names: Json = {name: list(getattr(where, name)) for name in ("source", "owner", "mime", "language")}
    return names | {"after": where.modified_after, "before": where.modified_before}


def _hits(session: Session, access: Access, rows: Sequence[Any], sieve: Sieve) -> tuple[Hit, ...]:
    """Of documents that are permitted, in their order; those left out that their source wants left out."""
    documents = {row.id for row in rows}
    if not documents:
        return ()
    replaced_by = successors(session, access.tenant, documents)
    _, readable = recheck(session, access, documents.union(*replaced_by.values()))
    decided = Decided(readable, replaced_by, treatments(session, access.tenant, documents))
    dropped = {one for one, told in decided.treated.items() if told.done == "drop"}
    candidates = [Candidate(row.id, row.version, row.ordinal, Scores()) for row in rows if row.id not in dropped]
    loaded = load(session, access.tenant, candidates) if candidates else {}
    found = [(one, loaded[one.key]) for one in candidates if one.key in loaded]
    # They stand by their date, so that none stands lower than it would.
    return tuple(replace(hit_of(one, row, decided), demoted=None) for one, row in found if sieve.passes(row))
