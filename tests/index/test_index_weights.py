"""Words of a large index are weighed by some of what the asker sees, chosen by nothing but that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.oracle import Oracle, assert_ranking
from tests.index.world import ALICE, NOBODY, asker, point, readers
from vouch.core.types import AccessFilter, IndexHit, IndexQuery, Point, SparseVector
from vouch.index import plan
from vouch.index.edge import EdgeIndex
from vouch.index.payload import LOTS, lot
from vouch.index.plan import PROBED, WEIGHED, WEIGHED_WHOLE, weighing
from vouch.index.protocol import RemoveVersions, SetAccess, UpsertPoints

WHOLE, SOME = 1_000, 400
"""In these tests, in place of :data:`WEIGHED_WHOLE` and :data:`WEIGHED`."""
QUERY = IndexQuery(None, SparseVector((1, 2, 3), (1.0, 1.0, 1.0)), 50)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeIndex]:
    monkeypatch.setattr(plan, "WEIGHED_WHOLE", WHOLE)
    monkeypatch.setattr(plan, "WEIGHED", SOME)
    with closing(EdgeIndex(tmp_path, "g1")) as opened:
        yield opened


def made(count: int, prefix: str = "d", **fields: object) -> list[Point]:
    """Every point has the first word, a third the second, a ninth the third."""
    terms = [(1, 2, 3) if n % 9 == 0 else (1, 2) if n % 3 == 0 else (1,) for n in range(count)]
    vectors = [SparseVector(some, tuple(0.5 + (n * 7 % 11) / 8 for _ in some)) for n, some in enumerate(terms)]
    return [point(f"{prefix}{n}", lexical=vector, **fields) for n, vector in enumerate(vectors)]  # type: ignore[arg-type]


def found(index: EdgeIndex, access: AccessFilter = ALICE) -> tuple[IndexHit, ...]:
    return index.search(QUERY, access).lexical


def chosen(points: list[Point]) -> int:
    return weighing(sum(lot(p.id) < PROBED for p in points))


def test_some_of_what_is_seen_is_what_weighs(index: EdgeIndex) -> None:
    points = made(3_000)
    index.apply([UpsertPoints(tuple(points))], upto=1)
    lots = chosen(points)
    assert 0.05 * LOTS < lots < 0.3 * LOTS
    drawn = [p for p in points if lot(p.id) < lots]
    weight = {
        term: math.log(1 + (len(drawn) - having + 0.5) / (having + 0.5))
        for term in (1, 2, 3)
        for having in [sum(term in p.lexical.indices for p in drawn)]
    }
    scores = {
        (p.document_id, 1, 0): sum(
            weight[term] * value for term, value in zip(p.lexical.indices, p.lexical.values, strict=True)
        )
        for p in points
    }
    assert_ranking(found(index), scores, QUERY.limit)


def test_what_is_hidden_has_no_part_in_it(index: EdgeIndex) -> None:
    points = made(3_000)
    index.apply([UpsertPoints(tuple(points))], upto=1)
    before = found(index)
    hidden = [
        *made(1_500, "h", access=NOBODY),
        *made(1_500, "e", access=readers(["authenticated"], deny=["user:alice"])),
        *made(1_500, "o", tenant="globex"),
    ]
    index.apply([UpsertPoints(tuple(hidden))], upto=2)
    assert found(index) == before
    assert found(index, asker("user:bob", "authenticated")) != before


def test_what_was_taken_away_weighs_nothing_from_the_next_question_on(index: EdgeIndex) -> None:
    points, more = made(2_500), made(1_500, "m")
    index.apply([UpsertPoints(tuple(points))], upto=1)
    before = found(index)
    index.apply([UpsertPoints(tuple(more))], upto=2)
    assert found(index) != before
    index.apply([SetAccess("acme", tuple(p.document_id for p in more), NOBODY)], upto=3)
    assert found(index) == before
    index.apply([RemoveVersions("acme", p.document_id) for p in more], upto=4)
    assert found(index) == before


def test_up_to_a_size_all_that_is_seen_weighs(index: EdgeIndex) -> None:
    """Also for who sees little of an index in which others see much."""
    mine = made(150, access=readers(["user:carol"]))
    oracle = Oracle()
    oracle.apply([UpsertPoints(tuple(mine))])
    index.apply([UpsertPoints((*mine, *made(3_000, "x")))], upto=1)
    carol = asker("user:carol")
    assert_ranking(found(index, carol), oracle.lexical(QUERY, carol), QUERY.limit)


@given(st.integers(0, 10**6))
def test_about_as_many_are_drawn_as_are_wanted(admitted: int) -> None:
    lots, seen = weighing(admitted), admitted * LOTS // PROBED
    if seen <= WEIGHED_WHOLE:
        assert lots == LOTS
    else:
        assert WEIGHED <= seen * lots / LOTS <= WEIGHED + seen / LOTS
        assert lots >= 1


def test_lots_are_even(index: EdgeIndex) -> None:
    counts = [0] * 16
    for p in made(4_000):
        counts[lot(p.id) // (LOTS // 16)] += 1
    assert max(counts) < 1.5 * min(counts)
