"""What stands before and after the best hits, in the same section: a sentence is understood by those around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from acl.recheck import recheck
from acl.resolve import Access
from retrieval.recheck import load, part_of
from retrieval.services import Services
from retrieval.types import Candidate, ChunkKey, Hit, Scores

WIDENED = 3
"""Hits, the best, that are given with what is around them."""


def neighbours(services: Services, access: Access, hits: Sequence[Hit]) -> Mapping[ChunkKey, tuple[Hit, ...]]:
    """The chunks next to each of the best hits that stand under its heading. Of documents that the asker may read now:
    a hit that they may not read any more has none."""
    best = hits[:WIDENED]
    around = {hit.key: _next_to(hit) for hit in best}
    if not best:
        return {}
    with services.catalog.reading(access.tenant) as session:
        _, readable = recheck(session, access, {hit.document_id for hit in best})
        wanted = [one for hit in best if hit.document_id in readable for one in around[hit.key]]
        rows = load(session, access.tenant, services.recipe.chunker, wanted) if wanted else {}
    parts = {hit.key: [part_of(hit, rows[one.key]) for one in around[hit.key] if one.key in rows] for hit in best}
    return {
        hit.key: tuple(replace(one, score=0.0) for one in parts[hit.key] if one.heading_path == hit.heading_path)
        for hit in best
    }


def _next_to(hit: Hit) -> tuple[Candidate, ...]:
    ordinals = (n for n in (hit.ordinal - 1, hit.ordinal + 1) if n >= 0)
    return tuple(Candidate(hit.document_id, hit.version, n, Scores()) for n in ordinals)
