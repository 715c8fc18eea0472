"""The measures against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.measures import best_threshold, detection, retrieval, sentence_f1


def test_ndcg_counts_a_query_without_a_ranking_as_nothing() -> None:
    qrels = {"a": {"d1": 1}, "b": {"d2": 1}}
    found = retrieval(qrels, {"a": {"d9": 2.0, "d1": 1.0}})
    assert found.ndcg_10 == pytest.approx((1 / math.log2(3)) / 2)
    assert found.recall_100 == pytest.approx(0.5)
    assert found.queries == 2


def test_ndcg_is_one_for_the_perfect_ranking_and_looks_no_deeper_than_ten() -> None:
    assert retrieval({"a": {"d": 1}}, {"a": {"d": 5.0, "e": 1.0}}).ndcg_10 == 1
    deep = {f"x{i:02}": 20.0 - i for i in range(10)} | {"d": 1.0}
    assert retrieval({"a": {"d": 1}}, {"a": deep}).ndcg_10 == 0


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
