"""The cut of a ranking falls between two scores, and equal scores have an order of their own."""

from __future__ import annotations

import random

from vouch.core.types import IndexHit
from vouch.index.payload import DENSE, LEXICAL
from vouch.index.settle import MOST, best


def cut(hits: list[IndexHit], some: int, rng: random.Random) -> list[IndexHit]:
    """The ``some`` best as an engine gives them: amid equal scores it stops anywhere."""
    shuffled = rng.sample(hits, len(hits))
    return sorted(shuffled, key=lambda hit: -hit.score)[:some]


def test_the_same_hits_come_back_wherever_the_engine_cuts() -> None:
    hits = [IndexHit(f"d{n:04}", 1, 0, 5.0 - n // 200) for n in range(1_000)]
    for seed in range(20):
        rng = random.Random(seed)
        found = best(lambda arms, some, rng=rng: {arm: cut(hits, some, rng) for arm in arms}, {DENSE}, 10)  # type: ignore[misc]
        assert [hit.document_id for hit in found[DENSE]] == [f"d{n:04}" for n in range(10)]


def test_arms_that_are_settled_are_not_asked_again() -> None:
    asked: list[tuple[set[str], int]] = []
    hits = {DENSE: [IndexHit(f"d{n}", 1, 0, -float(n)) for n in range(500)]}
    hits[LEXICAL] = [IndexHit(f"d{n}", 1, 0, 1.0) for n in range(500)]

    def fetch(arms: set[str], some: int) -> dict[str, list[IndexHit]]:
        asked.append((set(arms), some))
        return {arm: hits[arm][:some] for arm in arms}

    found = best(fetch, [DENSE, LEXICAL], 5)  # type: ignore[arg-type]
    assert [arms for arms, _ in asked] == [{DENSE, LEXICAL}] + [{LEXICAL}] * (len(asked) - 1)
    assert asked[-1][1] > 500 and [len(arm) for arm in found.values()] == [5, 5]


def test_the_noise_of_lexical_scores_orders_nothing() -> None:
    noisy = [IndexHit("b", 1, 0, 7.0000012), IndexHit("a", 1, 0, 7.0000004)]
    found = best(lambda arms, _: dict.fromkeys(arms, noisy), {LEXICAL, DENSE}, 2)
    assert [(hit.document_id, hit.score) for hit in found[LEXICAL]] == [("a", 7.0), ("b", 7.0)]
    assert [hit.document_id for hit in found[DENSE]] == ["b", "a"]


def test_a_flood_of_equal_scores_is_not_followed_for_ever() -> None:
    asked: list[int] = []

    def fetch(arms: set[str], some: int) -> dict[str, list[IndexHit]]:
        asked.append(some)
        return {arm: [IndexHit(f"d{n}", 1, 0, 1.0) for n in range(some)] for arm in arms}

    assert len(best(fetch, {DENSE}, 10)[DENSE]) == 10  # type: ignore[arg-type]
    assert MOST <= asked[-1] < 5 * MOST
