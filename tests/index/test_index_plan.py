"""How a search is planned and when an index is compacted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from tests.index.world import ALICE, NOBODY, asker, point, readers, unit
from vouch.core.types import AccessFilter, IndexQuery, SearchFilter
from vouch.index import plan as planning
from vouch.index.edge import EdgeIndex
from vouch.index.plan import (
    EXACT,
    MOST_COMPARED,
    POINTS_PER_EF,
    SMALL_INDEX,
    DensePlan,
    Sample,
    choose,
    choose_by_fields,
    fell_short,
    worth_compacting,
)
from vouch.index.protocol import Index, UpsertPoints
from vouch.index.qdrant import QdrantIndex

Open = Callable[[planning.Choose], Index]

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect:UserWarning", "ignore:Local mode:UserWarning"
)


def planned(points: int, visible: int) -> DensePlan:
    return choose(points, lambda: visible)


def test_small_indexes_are_searched_exactly_whoever_asks_and_estimate_nothing() -> None:
    def never() -> int:
        raise AssertionError("estimated")

    assert choose(0, never) == choose(SMALL_INDEX, never) == EXACT


def test_few_visible_points_are_searched_exactly_in_any_index() -> None:
    # The case in which a filtered graph was seen to find nothing at all: one in a hundred of a million.
    assert planned(1_000_000, 10_000) == EXACT
    assert planned(100_000, 1024 * POINTS_PER_EF) == EXACT
    assert planned(100_000_000, MOST_COMPARED) == EXACT


def test_many_visible_points_are_searched_through_the_graph_wider_where_there_are_more() -> None:
    assert planned(100_000, 70_000) == DensePlan("graph", 1024)
    assert planned(300_000, 150_000) == DensePlan("graph", 2048)
    assert planned(1_000_000, 500_000) == DensePlan("graph", 8192)


def test_a_thin_slice_of_a_very_large_index_needs_acorn() -> None:
    assert planned(10_000_000, 300_000) == DensePlan("acorn", 512)
    assert planned(10_000_000, 1_999_999) == DensePlan("acorn", 512)
    assert planned(10_000_000, 2_000_000) == DensePlan("graph", 8192)


def test_where_principals_have_links_of_their_own_a_thinner_slice_is_walked() -> None:
    assert choose_by_fields(10_000_000, lambda: 999_999) == DensePlan("acorn", 512)
    assert choose_by_fields(10_000_000, lambda: 1_000_000) == DensePlan("graph", 8192)
    assert choose_by_fields(10_000_000, lambda: 200_000) == EXACT


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_nobody_who_sees_little_is_searched_through_a_graph(points: int, visible: int) -> None:
    plan = planned(points, min(points, visible))
    assert (plan.hnsw_ef is None) == (plan == EXACT)
    if points <= SMALL_INDEX or visible <= 1024 * POINTS_PER_EF:
        assert plan == EXACT
    if plan.mode == "graph":
        assert visible >= 0.2 * points


@given(st.integers(SMALL_INDEX + 1, 10**8), st.integers(0, 10**8), st.integers(0, 10**8))
def test_who_sees_less_is_never_searched_for_less_thoroughly(points: int, one: int, other: int) -> None:
    less, more = sorted((min(points, one), min(points, other)))
    assert _thoroughness(planned(points, less)) >= _thoroughness(planned(points, more))


def _thoroughness(plan: DensePlan) -> int:
    return ("graph", "acorn", "exact").index(plan.mode)


def test_plans_say_what_they_are() -> None:
    assert EXACT.json() == {"mode": "exact"}
    assert DensePlan("graph", 512).json() == {"mode": "graph", "hnsw_ef": 512}


def test_a_graph_that_finds_fewer_than_asked_for_has_lost_some() -> None:
    assert fell_short(DensePlan("graph", 256), found=9, limit=10)
    assert not fell_short(DensePlan("graph", 256), found=10, limit=10)
    assert not fell_short(EXACT, found=0, limit=10)


def test_a_sample_stands_for_the_index_it_was_drawn_from() -> None:
    sample = Sample("ids", size=1_000, points=50_000, drawn_at=100.0)
    assert sample.visible(50_000, 0) == 0
    assert sample.visible(50_000, 250) == 12_500
    assert sample.visible(50_000, 1_000) == 50_000
    assert sample.serves(50_000, now=100.0) and sample.serves(52_500, now=159.9) and sample.serves(47_500, now=101.0)
    assert not sample.serves(50_000, now=160.0)
    assert not sample.serves(52_501, now=100.0) and not sample.serves(47_499, now=100.0)


def test_compaction_is_worth_it_when_much_is_garbage_or_unindexed() -> None:
    assert not worth_compacting(points=0, garbage=0, unindexed=0)
    assert not worth_compacting(points=100, garbage=900, unindexed=1000)
    assert worth_compacting(points=400, garbage=1200, unindexed=1600)
    assert not worth_compacting(points=10_000, garbage=1200, unindexed=11_200)
    assert not worth_compacting(points=19_000, garbage=0, unindexed=19_000)
    assert worth_compacting(points=50_000, garbage=0, unindexed=50_000)
    assert not worth_compacting(points=50_000, garbage=0, unindexed=5_000)


@pytest.fixture(params=["edge", "qdrant"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens an index of either kind that is planned as the test says."""
    indexes: list[EdgeIndex | QdrantIndex] = []

    def open_(choose: planning.Choose) -> Index:
        local = request.param == "qdrant"
        client = QdrantClient(":memory:") if local else None
        indexes.append(QdrantIndex(client, "g1", choose=choose) if client else EdgeIndex(tmp_path, "g1", choose=choose))
        return indexes[-1]

    yield open_
    for index in indexes:
        index.close()


@pytest.mark.parametrize("plan", [EXACT, DensePlan("graph", 256), DensePlan("acorn", 256)])
def test_every_plan_is_carried_out_under_the_filter(plan: DensePlan, opened: Open) -> None:
    index = opened(lambda points, visible: plan)
    points = tuple(point(f"d{n}", access=NOBODY if n % 2 else point("d").access) for n in range(40))
    index.apply([UpsertPoints(points)], upto=1)
    hits = index.search(IndexQuery(unit(1), None, 20), ALICE)
    assert hits.plan["dense"] == plan.json()
    assert {hit.document_id for hit in hits.dense} == {f"d{n}" for n in range(0, 40, 2)}


def test_a_graph_that_fell_short_is_followed_by_an_exact_search(opened: Open) -> None:
    index = opened(lambda points, visible: DensePlan("graph", 256))
    index.apply([UpsertPoints(tuple(point(f"d{n}") for n in range(5)))], upto=1)
    hits = index.search(IndexQuery(unit(1), None, 6), ALICE)
    assert hits.plan["dense"] == EXACT.json()
    assert len(hits.dense) == 5


class Noting:
    """Plans exactly, and notes the estimate."""

    noted = -1

    def __call__(self, points: int, visible: Callable[[], int]) -> DensePlan:
        self.noted = visible()
        return EXACT


OVERLAPPING = [f"group:{n}" for n in range(20)]


@pytest.mark.parametrize(
    ("access", "where", "share"),
    [
        (asker("group:half"), SearchFilter(), 0.5),
        (asker("group:half"), SearchFilter(source=("rare",)), 0.05),
        (asker(*OVERLAPPING), SearchFilter(), 0.1),  # supposed independent: 1 - .95 ** 20, two thirds
        (asker("group:first", "group:second"), SearchFilter(), 0.0),  # supposed independent: a quarter
        (asker("group:first", "group:both"), SearchFilter(), 0.5),  # supposed independent: a quarter
        (asker("group:half", "group:barred"), SearchFilter(), 0.25),
        (asker("group:stranger"), SearchFilter(), 0.0),
    ],
)
def test_the_estimate_holds_however_conditions_depend_on_each_other(
    opened: Open, access: AccessFilter, where: SearchFilter, share: float
) -> None:
    noting, rng = Noting(), np.random.default_rng(7)
    index = opened(noting)
    made = []
    for n in range(2_000):
        half, tenth = n % 2 == 0, n % 10 == 1
        several = list(rng.choice(OVERLAPPING, 10, replace=False)) if tenth else []
        first = ["group:first", "group:half"] if half else ["group:other", *several]
        second = ["group:both", "group:half"] if half else ["group:second", *OVERLAPPING]
        deny = ["group:barred"] if n % 4 == 0 else []
        source = "rare" if n % 20 == 0 else "usual"
        made.append(point(f"d{n}", access=readers(first, second, deny=deny), source_id=source))
    index.apply([UpsertPoints(tuple(made))], upto=1)
    index.search(IndexQuery(unit(1), None, 5, where), access)
    assert noting.noted == pytest.approx(share * 2_000, abs=160)  # four standard deviations of the sample
    assert index.count(access, where) == share * 2_000
