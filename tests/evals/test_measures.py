"""The measures against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.measures import area, best_threshold, by_query, detection, means, sentence_f1


def test_a_query_without_a_ranking_counts_as_nothing() -> None:
    qrels = {"a": {"d1": 1}, "b": {"d2": 1}}
    found = by_query(qrels, {"a": {"d9": 2.0, "d1": 1.0}})
    assert found["a"] == pytest.approx({"ndcg_10": 1 / math.log2(3), "recall_100": 1, "mrr_10": 1 / 2, "success_5": 1})
    assert found["b"] == {"ndcg_10": 0, "recall_100": 0, "mrr_10": 0, "success_5": 0}
    assert means(list(found.values()))["mrr_10"] == 1 / 4
    assert means([]) == {}


def test_each_measure_looks_as_deep_as_its_name_says() -> None:
    def at(place: int) -> dict[str, float]:
        ranking = {f"x{i:03}": 200.0 - i for i in range(place - 1)} | {"d": 0.5}
        return by_query({"a": {"d": 1}}, {"a": ranking})["a"]

    assert at(1) == dict.fromkeys(("ndcg_10", "recall_100", "mrr_10", "success_5"), 1.0)
    assert (at(5)["success_5"], at(6)["success_5"]) == (1, 0)
    assert at(10)["mrr_10"] == pytest.approx(0.1) and at(10)["ndcg_10"] > 0
    assert (at(11)["mrr_10"], at(11)["ndcg_10"]) == (0, 0)
    assert (at(100)["recall_100"], at(101)["recall_100"]) == (1, 0)


def test_detection_by_hand() -> None:
    found = detection(np.array([True, True, True, False]), np.array([True, True, False, True]))
    assert (found.precision, found.recall, found.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    silent = detection(np.array([True, False]), np.array([False, False]))
    assert (silent.precision, silent.recall, silent.f1) == (0, 0, 0)


def test_sentence_f1_by_hand() -> None:
    assert sentence_f1(frozenset({1, 2}), frozenset({2, 3, 4})) == pytest.approx(0.4)
    assert sentence_f1(frozenset(), frozenset()) == 1
    assert sentence_f1(frozenset({1}), frozenset()) == 0


def test_the_threshold_separates_what_can_be_separated() -> None:
    labels, scores = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.2, 0.7, 0.9])
    threshold = best_threshold(labels, scores, np.ones(4))
    assert 0.2 < threshold <= 0.7


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40))
def test_no_threshold_is_much_better(rows: list[tuple[bool, float]]) -> None:
    labels, scores = np.array([float(a) for a, _ in rows]), np.array([b for _, b in rows])
    if len(set(labels)) < 2:
        return

    def accuracy(threshold: float) -> float:
        called = scores >= threshold
        return float(called[labels == 1].mean() - called[labels == 0].mean())

    best = max(accuracy(step) for step in np.round(np.arange(0.05, 0.96, 0.01), 2))
    assert accuracy(best_threshold(labels, scores, np.ones(len(rows)))) >= best - 0.02 - 1e-9


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(5)
    truth, scores = rng.random(60) < 0.4, rng.integers(0, 9, 60) / 9
    pairs = [(a > b) + (a == b) / 2 for a in scores[truth] for b in scores[~truth]]
    assert area(truth, scores) == pytest.approx(np.mean(pairs))
    assert area(np.array([True, False]), np.array([0.0, 0.0])) == 0.5
