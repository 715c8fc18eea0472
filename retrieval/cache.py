"""Vectors of recent queries, kept in this process. Access is never cached, here or anywhere."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from vouch.core.errors import VouchError
from vouch.core.types import Vector
from vouch.gateway.embed import Embedder

log = logging.getLogger(__name__)

SIZE = 2_048
"""Queries kept: some 3 MB of vectors."""
AT_ONCE = 16
"""Queries embedded together, at most."""


@dataclass(eq=False, slots=True)
class _Wanted:
    query: str
    tried: bool = False
    vector: Vector | None = None


class QueryVectors:
    """Embeds queries, remembering each per tenant, so that no tenant can time what another asked.

    Those that come in while others are being embedded are embedded together, for half the CPU; nobody waits for others
    to come. A vector is the same, whatever it was embedded beside (``tests/contracts/test_embedders.py``).
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._turn = threading.Lock()
        self._waiting: deque[_Wanted] = deque()
        self._embedded = lru_cache(SIZE)(self._embed)

    def of(self, tenant: str, query: str) -> Vector:
        """Shape (dimensions,), unit length, not writable. Raises what the embedder does."""
        return self._embedded(tenant, query)

    def _embed(self, tenant: str, query: str) -> Vector:
        own = _Wanted(query)
        self._waiting.append(own)
        with self._turn:
            while not own.tried:
                self._embed_waiting()
            if own.vector is None:
                own.vector = self._all([query])[0]
        return own.vector

    def _embed_waiting(self) -> None:
        """In the order of coming. Where they fail together each has to be tried alone: one may be at fault."""
        some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        vectors: list[Vector] = []
        try:
            vectors = self._all([one.query for one in some])
        except (VouchError, RuntimeError, ValueError) as error:
            log.warning("%d queries were not embedded together", len(some), exc_info=error)
        for one, vector in zip_longest(some, vectors):
            one.tried, one.vector = True, vector

    def _all(self, queries: list[str]) -> list[Vector]:
        """Each a copy: what is remembered of one is not to hold on to the others."""
        rows = [row.copy() for row in self._embedder.embed(queries)]
        for row in rows:
            row.setflags(write=False)
        return rows
