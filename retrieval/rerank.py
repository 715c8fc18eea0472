"""Order the admitted hits by how well each answers the question, where a reranker is configured and wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval.services import Services
from retrieval.types import Hit
from vouch.core.context import in_context
from vouch.gateway.rerank import Readable

DEPTH = 30
"""Hits reranked at least: the page shown is chosen from these."""


def rerank(services: Services, query: str, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Hits by falling rerank score, ties by fused score; as they came when there is no reranker.

    ``hits`` are those that gate 2 has admitted: nothing else takes part.
    """
    if services.reranker is None or not hits:
        return tuple(hits)
    scores = services.reranker.rerank(query, [_readable(hit) for hit in hits])
    scored = [
        replace(hit, score=score, scores=replace(hit.scores, rerank=score))
        for hit, score in zip(hits, scores, strict=True)
    ]
    return tuple(sorted(scored, key=lambda hit: (-hit.score, -hit.scores.fused)))


def _readable(hit: Hit) -> Readable:
    text = in_context(hit.title, hit.heading_path, hit.text)
    return Readable(text, hit.title, hit.document_id, hit.scores.fused, hit.vector)
