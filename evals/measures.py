"""Measures: rankings of documents by `ir-measures` (trec_eval underneath), answers by precision, recall and F1.

Of passages: `evals/spans.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import fmean as mean

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import RR, R, Success, nDCG

from evals.datasets import Qrels

Run = dict[str, dict[str, float]]
"""Query id → document id → score."""
Floats = npt.NDArray[np.float64]

MEASURES = {"ndcg_10": nDCG @ 10, "recall_100": R @ 100, "mrr_10": RR @ 10, "success_5": Success @ 5}
"""Of a ranking of documents, by the names that figures have."""
_NAMES = {measure: name for name, measure in MEASURES.items()}


@dataclass(frozen=True, slots=True)
class Detection:
    """How well *answered* finds *answerable*."""

    precision: float
    recall: float
    f1: float


def by_query(qrels: Qrels, run: Run) -> dict[str, dict[str, float]]:
    """Every measure of every judged query; 0 for one without a ranking."""
    found = {query: dict.fromkeys(MEASURES, 0.0) for query in qrels}
    for one in ir_measures.iter_calc(list(_NAMES), qrels, run):
        found[one.query_id][_NAMES[one.measure]] = float(one.value)
    return found


def means(rows: Collection[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure over the rows that have it: evidence may be known of some questions only."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: mean([row[name] for row in rows if name in row]) for name in names}


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


def area(truth: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The area under the ROC curve: how often what is true scores higher than what is not, ties counting half."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    true = int(truth.sum())
    above = float(ranks[truth].sum()) - true * (true + 1) / 2
    return above / (true * (len(truth) - true))


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
