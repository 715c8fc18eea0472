"""Order the hits by how far each may be relied on, within bounds.

    rank ─▶ what its source has demoted, and what is superseded by another hit, falls ─▶ a successor comes before
            what it supersedes

Ranks decide, not scores, for scores of one reranker are probabilities and of another anything. A place
is worth ``1 / (K + place)``; a hit that falls keeps four fifths of that. So the very best passage falls to the third
place at the lowest, and nothing that stood further behind than that overtakes it, however fresh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from retrieval.fuse import K
from retrieval.types import Hit

KEEPS = Fraction(4, 5)
"""Of the worth of its place."""


def demote(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The same hits in another order; those that fell say for what."""
    present = {hit.document_id for hit in hits}
    marked = [
        replace(hit, demoted=hit.demoted or "superseded") if hit.freshness.superseded_by in present else hit
        for hit in hits
    ]
    return _after_successors([marked[i] for i in fallen([hit.demoted is not None for hit in marked])])


def fallen(falls: Sequence[bool], keeps: Fraction = KEEPS) -> list[int]:
    """The new order of places 0, 1, …, each of which falls or does not; of two that are worth the same, the one that
    falls comes second."""

    def distance(place: int) -> Fraction:
        return (K + place + 1) / (keeps if falls[place] else Fraction(1))

    return sorted(range(len(falls)), key=lambda place: (distance(place), falls[place], place))


def reach(size: int) -> int:
    """The hits that it takes to know the first ``size`` of them once some have fallen."""
    return math.ceil((K + size) / KEEPS) - K


def _after_successors(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """A document's first hit is preceded by one of its successor, where there is one: that one comes up, for the
    other has fallen as far as it may."""
    order = list(hits)
    for document_id in dict.fromkeys(hit.document_id for hit in hits):
        first = next(i for i, hit in enumerate(order) if hit.document_id == document_id)
        successor = order[first].freshness.superseded_by
        best = next((i for i, hit in enumerate(order) if hit.document_id == successor), None)
        if best is not None and best > first:
            order.insert(first, order.pop(best))
    return tuple(order)
