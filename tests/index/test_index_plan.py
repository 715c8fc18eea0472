"""How a search is planned and when an index is compacted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from tests.index.world import ALICE, NOBODY, point, unit
from vouch.core.types import IndexQuery
from vouch.index import plan as planning
from vouch.index.edge import EdgeIndex
from vouch.index.plan import EXACT, EXACT_UP_TO, SMALL_INDEX, DensePlan, choose, worth_compacting
from vouch.index.protocol import UpsertPoints
from vouch.index.qdrant import QdrantIndex


def test_small_indexes_are_searched_exactly_whoever_asks() -> None:
    assert choose(0, 0) == choose(SMALL_INDEX, SMALL_INDEX) == EXACT


def test_few_visible_points_are_searched_exactly_in_any_index() -> None:
    # The case in which a filtered graph was seen to find nothing at all: one in a hundred of a million.
    assert choose(1_000_000, 10_000) == EXACT
    assert choose(100_000_000, EXACT_UP_TO) == EXACT


def test_many_visible_points_are_searched_through_the_graph() -> None:
    assert choose(100_000, 50_000) == DensePlan("graph", 256)
    assert choose(1_000_000, 1_000_000) == DensePlan("graph", 256)
    assert choose(1_000_000, 150_000) == DensePlan("graph", 512)


def test_a_thin_slice_of_a_large_index_needs_acorn() -> None:
    assert choose(1_000_000, 40_000) == DensePlan("acorn", 256)


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_narrower_view_never_widens_the_risk(points: int, visible: int) -> None:
    plan = choose(points, min(points, visible))
    assert (plan == EXACT) == (points <= SMALL_INDEX or min(points, visible) <= EXACT_UP_TO)
    assert (plan.hnsw_ef is None) == (plan == EXACT)


def test_plans_say_what_they_are() -> None:
    assert EXACT.json() == {"mode": "exact"}
    assert DensePlan("graph", 512).json() == {"mode": "graph", "hnsw_ef": 512}


def test_compaction_is_worth_it_when_much_is_garbage_or_unindexed() -> None:
    assert not worth_compacting(points=0, garbage=0, unindexed=0)
    assert not worth_compacting(points=100, garbage=900, unindexed=1000)
    assert worth_compacting(points=400, garbage=1200, unindexed=1600)
    assert not worth_compacting(points=10_000, garbage=1200, unindexed=11_200)
    assert not worth_compacting(points=19_000, garbage=0, unindexed=19_000)
    assert worth_compacting(points=50_000, garbage=0, unindexed=50_000)
    assert not worth_compacting(points=50_000, garbage=0, unindexed=5_000)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning", "ignore:Local mode:UserWarning")
@pytest.mark.parametrize("plan", [EXACT, DensePlan("graph", 256), DensePlan("acorn", 256)])
def test_every_plan_is_carried_out_under_the_filter(
    plan: DensePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "is_small", lambda points: False)
    monkeypatch.setattr(planning, "choose", lambda points, visible: plan)
    edge = EdgeIndex(tmp_path, "g1")
    for index in (edge, QdrantIndex(QdrantClient(":memory:"), "g1")):
        points = tuple(point(f"d{n}", access=NOBODY if n % 2 else point("d").access) for n in range(40))
        index.apply([UpsertPoints(points)], upto=1)
        hits = index.search(IndexQuery(unit(1), None, 40), ALICE)
        assert hits.plan["dense"] == plan.json()
        assert {hit.document_id for hit in hits.dense} == {f"d{n}" for n in range(0, 40, 2)}
    edge.close()
