"""Order the admitted hits by how well each answers the question, where a reranker is configured and wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import sqlalchemy as sa

from acl.resolve import Access
from retrieval.services import Services
from retrieval.types import ChunkKey, Hit
from vouch.core.context import in_context
from vouch.core.types import Vector
from vouch.gateway.rerank import Readable

DEPTH = 30
"""Hits reranked at least: the page shown is chosen from these."""

# The catalog keeps what was embedded, so nothing is asked of the index and nothing is embedded again.
_VECTORS = sa.text(
    """
    SELECT c.document_id, c.version, c.ordinal, (
        SELECT e.vector FROM embedding e
        WHERE e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash
    ) AS vector
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[]), CAST(:ordinals AS int[]))
        AS k(document_id, version, ordinal)
    JOIN chunk c ON c.tenant_id = :tenant AND c.document_id = k.document_id AND c.version = k.version
        AND c.chunker = :chunker AND c.ordinal = k.ordinal
    """
)


def rerank(services: Services, access: Access, query: str, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Hits by falling rerank score, ties by fused score; as they came when there is no reranker.

    ``hits`` are those that gate 2 has admitted for ``access``: nothing else takes part.
    """
    if services.reranker is None or not hits:
        return tuple(hits)
    vectors = _vectors(services, access, hits) if services.reranker.by_vectors else {}
    scores = services.reranker.rerank(query, [_readable(hit, vectors.get(hit.key)) for hit in hits])
    scored = [
        replace(hit, score=score, scores=replace(hit.scores, rerank=score))
        for hit, score in zip(hits, scores, strict=True)
    ]
    return tuple(sorted(scored, key=lambda hit: (-hit.score, -hit.scores.fused)))


def _vectors(services: Services, access: Access, hits: Sequence[Hit]) -> Mapping[ChunkKey, Vector]:
    """As the generation that is searched has them. A hit whose vector is not kept is left out."""
    documents, versions, ordinals = zip(*(hit.key for hit in hits), strict=True)
    named = {"documents": list(documents), "versions": list(versions), "ordinals": list(ordinals)}
    made = services.recipe
    with services.catalog.reading(access.tenant) as session:
        given = {"tenant": access.tenant, "model": made.model, "chunker": made.chunker, **named}
        rows = session.execute(_VECTORS, given).all()
    return {
        (row.document_id, row.version, row.ordinal): np.frombuffer(row.vector, dtype="<f4")
        for row in rows
        if row.vector is not None
    }


def _readable(hit: Hit, vector: Vector | None) -> Readable:
    text = in_context(hit.title, hit.heading_path, hit.text)
    return Readable(text, hit.title, hit.document_id, hit.scores.fused, vector)
