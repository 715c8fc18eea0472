"""The index by brute force, in double precision and plain Python: what every backend is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vouch.core.types import ANYONE, AccessFilter, IndexHit, IndexQuery, Point, SearchFilter
from vouch.index.protocol import IndexOp, RemoveVersions, UpsertPoints

Key = tuple[str, int, int]
TOLERANCE = 1e-3
"""Lexical scores come with four significant digits."""


class Oracle:
    def __init__(self) -> None:
        self.points: dict[str, Point] = {}

    def apply(self, ops: Sequence[IndexOp]) -> None:
        for op in ops:
            if isinstance(op, UpsertPoints):
                self.points.update({point.id: point for point in op.points})
            elif isinstance(op, RemoveVersions):
                for point in list(self.points.values()):
                    if (point.tenant, point.document_id) == (op.tenant, op.document_id) and (
                        op.versions is None or point.version in op.versions
                    ):
                        del self.points[point.id]
            else:
                for point in list(self.points.values()):
                    if point.tenant == op.tenant and point.document_id in op.document_ids:
                        self.points[point.id] = replace(point, access=op.access)

    def visible(self, access: AccessFilter) -> list[Point]:
        return [point for point in self.points.values() if _may_see(access, point)]

    def count(self, access: AccessFilter, where: SearchFilter) -> int:
        return sum(_matches(where, point) for point in self.visible(access))

    def dense(self, query: IndexQuery, access: AccessFilter) -> dict[Key, float]:
        if query.dense is None:
            return {}
        wanted = query.dense.astype(np.float64)
        return {
            _key(point): float(wanted @ point.dense.astype(np.float64))
            for point in self.visible(access)
            if _matches(query.where, point)
        }

    def lexical(self, query: IndexQuery, access: AccessFilter) -> dict[Key, float]:
        if query.lexical is None:
            return {}
        corpus = [dict(zip(p.lexical.indices, p.lexical.values, strict=True)) for p in self.visible(access)]
        documents = sum(1 for terms in corpus if terms)
        scores: dict[Key, float] = {}
        for point, terms in zip(self.visible(access), corpus, strict=True):
            shared = [t for t in query.lexical.indices if t in terms]
            if shared and _matches(query.where, point):
                weights = dict(zip(query.lexical.indices, query.lexical.values, strict=True))
                scores[_key(point)] = sum(
                    weights[t] * terms[t] * _idf(sum(t in other for other in corpus), documents) for t in shared
                )
        return scores


def _may_see(access: AccessFilter, point: Point) -> bool:
    first, *others = point.access.allow
    return (
        point.tenant == access.tenant
        and bool(access.principals & set(first))
        and all(access.principals & set(slot) or ANYONE in slot for slot in others)
        and not access.principals & set(point.access.deny)
    )


def _matches(where: SearchFilter, point: Point) -> bool:
    after, before = where.modified_after, where.modified_before
    return (
        (not where.source or point.source_id in where.source)
        and (not where.mime or point.mime in where.mime)
        and (not where.language or point.language in where.language)
        and (not where.owner or point.owner in where.owner)
        and (after is None or point.modified_at >= after.timestamp())
        and (before is None or point.modified_at < before.timestamp())
    )


def _idf(having: int, documents: int) -> float:
    return math.log(1 + (documents - having + 0.5) / (having + 0.5))


def _key(point: Point) -> Key:
    return point.document_id, point.version, point.ordinal


def assert_ranking(hits: Sequence[IndexHit], scores: dict[Key, float], limit: int) -> None:
    """``hits`` are the best ``limit`` of ``scores``; among scores closer than the tolerance any order will do."""
    best = sorted(scores.values(), reverse=True)[:limit]
    assert len(hits) == len(best)
    assert len({(hit.document_id, hit.version, hit.ordinal) for hit in hits}) == len(hits)
    for hit, expected in zip(hits, best, strict=True):
        own = scores[hit.document_id, hit.version, hit.ordinal]
        assert math.isclose(hit.score, own, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        assert math.isclose(hit.score, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
