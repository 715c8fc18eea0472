"""Our types as `qdrant-client`'s, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from qdrant_client import models

from vouch.core.types import IndexHit, Point, SparseVector
from vouch.index.filters import AnyOf, Between, Conditions
from vouch.index.payload import DENSE, LEXICAL, TENANT, access_payload, point_payload, stored_access, stored_point
from vouch.index.plan import DensePlan
from vouch.index.protocol import StoredPoint


def dense_config(dimensions: int) -> models.DenseVectorNameConfig:
    """Inner product, as in the embedded index: unit vectors are read back bit for bit."""
    return models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=dimensions, distance=models.Distance.DOT))


def sparse_config() -> dict[str, models.SparseVectorParams]:
    return {LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def keyword_index(field: str) -> models.KeywordIndexParams:
    return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True if field == TENANT else None)


def server_filter(conditions: Conditions) -> models.Filter:
    return models.Filter(
        must=[_condition(c) for c in conditions.must], must_not=[_condition(c) for c in conditions.must_not]
    )


def _condition(condition: AnyOf | Between) -> models.FieldCondition:
    if isinstance(condition, Between):
        return models.FieldCondition(key=condition.field, range=models.Range(gte=condition.gte, lt=condition.lt))
    return models.FieldCondition(key=condition.field, match=models.MatchAny(any=[*condition.values]))


def server_point(point: Point) -> models.PointStruct:
    vector: dict[str, Any] = {DENSE: point.dense.tolist()}
    if point.lexical:  # an empty sparse vector would count as a document in the IDF
        vector[LEXICAL] = sparse(point.lexical)
    return models.PointStruct(
        id=point.id, vector=vector, payload={**point_payload(point), **access_payload(point.access)}
    )


def sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def search_params(plan: DensePlan) -> models.SearchParams:
    acorn = models.AcornSearchParams(enable=True, max_selectivity=1.0) if plan.mode == "acorn" else None
    return models.SearchParams(exact=plan.mode == "exact", hnsw_ef=plan.hnsw_ef, acorn=acorn)


def hit_of(scored: models.ScoredPoint) -> IndexHit:
    payload = scored.payload or {}
    return IndexHit(payload["document_id"], payload["version"], payload["ordinal"], scored.score)


def stored_of(record: models.Record) -> StoredPoint:
    vectors: Mapping[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    found = vectors.get(LEXICAL)
    lexical = (
        SparseVector(tuple(found.indices), tuple(found.values))
        if isinstance(found, models.SparseVector)
        else SparseVector((), ())
    )
    payload, dense = record.payload or {}, np.asarray(vectors.get(DENSE, ()), np.float32)
    return stored_point(str(record.id), payload, stored_access(payload), dense, lexical)
