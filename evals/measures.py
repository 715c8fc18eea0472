"""Measures: retrieval by `ir-measures` (trec_eval underneath), answers by precision, recall and F1."""

from __future__ import annotations

from dataclasses import dataclass

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import R, nDCG

from evals.datasets import Qrels

Run = dict[str, dict[str, float]]
"""Query id → document id → score."""
Floats = npt.NDArray[np.float64]

NDCG = nDCG @ 10
RECALL = R @ 100


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Means over queries, those with an empty ranking counted as 0."""

    ndcg_10: float
    recall_100: float
    queries: int


@dataclass(frozen=True, slots=True)
class Detection:
    """How well *answered* finds *answerable*."""

    precision: float
    recall: float
    f1: float


def retrieval(qrels: Qrels, run: Run) -> Retrieval:
    """nDCG@10 and Recall@100. Every judged query counts, whether ``run`` has it or not."""
    found = ir_measures.calc_aggregate([NDCG, RECALL], qrels, run)
    return Retrieval(float(found[NDCG]), float(found[RECALL]), len(qrels))


def detection(answerable: npt.NDArray[np.bool_], answered: npt.NDArray[np.bool_]) -> Detection:
    """0 where a ratio has nothing to divide by."""
    hits = float((answerable & answered).sum())
    precision = hits / max(float(answered.sum()), 1.0)
    recall = hits / max(float(answerable.sum()), 1.0)
    return Detection(precision, recall, _f1(precision, recall))


def sentence_f1(cited: frozenset[int], gold: frozenset[int]) -> float:
    """F1 of two sets of sentence indexes; 1 when both are empty."""
    if not cited and not gold:
        return 1.0
    both = len(cited & gold)
    return _f1(both / max(len(cited), 1), both / max(len(gold), 1))


def best_threshold(labels: Floats, scores: Floats, weights: Floats) -> float:
    """The lowest score whose weighted balanced accuracy is within a hundredth of the best, rounded to a hundredth.

    A wrong answer costs as much as a needless abstention. (The best F1 lies lower, because F1 forgives
    answering what cannot be answered.) The curve is flat at its top, where the noise of a few items decides.
    """
    steps = np.round(np.arange(0.05, 0.96, 0.01), 2)

    def quality(threshold: float) -> float:
        called = scores >= threshold
        right = float((weights * labels * called).sum()) / max(float((weights * labels).sum()), 1e-9)
        wrong = float((weights * (1 - labels) * called).sum()) / max(float((weights * (1 - labels)).sum()), 1e-9)
        return right - wrong

    qualities = [quality(step) for step in steps]
    return float(next(step for step, q in zip(steps, qualities, strict=True) if q >= max(qualities) - 0.02))


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
