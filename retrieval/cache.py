"""Vectors of recent queries, kept in this process. Access is never cached, here or anywhere."""

from __future__ import annotations

from functools import lru_cache

from vouch.core.types import Vector
from vouch.gateway.embed import Embedder

SIZE = 2_048
"""Queries kept: some 3 MB of vectors."""


class QueryVectors:
    """Embeds queries, remembering each per tenant, so that no tenant can time what another asked."""

    def __init__(self, embedder: Embedder) -> None:
        @lru_cache(SIZE)
        def embedded(tenant: str, query: str) -> Vector:
            vector: Vector = embedder.embed([query])[0]
            vector.setflags(write=False)
            return vector

        self._embedded = embedded

    def of(self, tenant: str, query: str) -> Vector:
        """Shape (dimensions,), unit length, not writable."""
        return self._embedded(tenant, query)
