"""Our types as Qdrant Edge's, and back."""

from __future__ import annotations

import numpy as np
import qdrant_edge as edge

from vouch.core.types import IndexHit, Point, SparseVector
from vouch.index.filters import AnyOf, Between, Conditions, targets
from vouch.index.payload import DENSE, INTEGERS, KEYWORDS, LEXICAL, LOT, RULE, TENANT, lot, point_payload, stored_point
from vouch.index.plan import SMALL_INDEX, VACUUM_FROM, VACUUM_SHARE, DensePlan
from vouch.index.protocol import IndexOp, SetAccess, StoredPoint, UpsertPoints
from vouch.index.rules import Rules

BYTES_PER_FLOAT = 4


def shard_config(dimensions: int) -> edge.EdgeConfig:
    """Inner product over unit vectors: cosine would scale them again and read back other bits than were written."""
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Dot)},
        sparse_vectors={LEXICAL: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(
            deleted_threshold=VACUUM_SHARE,
            vacuum_min_vector_number=VACUUM_FROM,
            indexing_threshold=SMALL_INDEX * dimensions * BYTES_PER_FLOAT // 1024,
        ),
        wal_enabled=True,
    )


def payload_indexes() -> list[edge.UpdateOperation]:
    """Indexes on everything that filters; made before any data."""
    return [
        *(
            edge.UpdateOperation.create_field_index(field, edge.KeywordIndexParams(is_tenant=field == TENANT))
            for field in KEYWORDS
        ),
        *(edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Integer) for field in INTEGERS),
        *(
            edge.UpdateOperation.create_field_index(field, edge.IntegerIndexParams(lookup=True, range=False))
            for field in (RULE, LOT)
        ),
    ]


def edge_filter(conditions: Conditions) -> edge.Filter:
    return edge.Filter(
        must=[_condition(c) for c in conditions.must], must_not=[_condition(c) for c in conditions.must_not]
    )


def _condition(condition: AnyOf | Between) -> edge.FieldCondition:
    if isinstance(condition, Between):
        return edge.FieldCondition(condition.field, range=edge.RangeFloat(gte=condition.gte, lt=condition.lt))
    return edge.FieldCondition(condition.field, match=edge.MatchAny([*condition.values]))


def operation(op: IndexOp, rules: Rules) -> edge.UpdateOperation | None:
    """None for one that names nothing. Every rule in it is among ``rules``."""
    if isinstance(op, UpsertPoints):
        return edge.UpdateOperation.upsert_points([edge_point(point, rules) for point in op.points])
    conditions = targets(op)
    if conditions is None:
        return None
    if isinstance(op, SetAccess):
        rule = {RULE: rules.number(op.tenant, op.access)}
        return edge.UpdateOperation.set_payload_by_filter(edge_filter(conditions), rule)
    return edge.UpdateOperation.delete_points_by_filter(edge_filter(conditions))


def edge_point(point: Point, rules: Rules) -> edge.Point:
    vector: dict[str, edge.NamedVector] = {DENSE: point.dense.tolist()}
    if point.lexical:  # an empty sparse vector would count as a document in the IDF
        vector[LEXICAL] = edge.SparseVector(list(point.lexical.indices), list(point.lexical.values))
    access = {RULE: rules.number(point.tenant, point.access), LOT: lot(point.id)}
    return edge.Point(point.id, vector, {**point_payload(point), **access})


def search_params(plan: DensePlan) -> edge.SearchParams:
    acorn = edge.AcornSearchParams(enable=True, max_selectivity=1.0) if plan.mode == "acorn" else None
    return edge.SearchParams(exact=plan.mode == "exact", hnsw_ef=plan.hnsw_ef, acorn=acorn)


def hit_of(scored: edge.ScoredPoint) -> IndexHit:
    payload = scored.payload or {}
    return IndexHit(payload["document_id"], payload["version"], payload["ordinal"], scored.score)


def stored_of(record: edge.Record, rules: Rules) -> StoredPoint:
    vectors = record.vector if isinstance(record.vector, dict) else {}
    sparse = vectors.get(LEXICAL)
    lexical = (
        SparseVector(tuple(sparse.indices), tuple(sparse.values))
        if isinstance(sparse, edge.SparseVector)
        else SparseVector((), ())
    )
    dense = np.asarray(vectors.get(DENSE, ()), np.float32)
    payload = record.payload or {}
    access = rules.access(str(payload.get(TENANT)), payload.get(RULE))
    return stored_point(str(record.id), payload, access, dense, lexical)
