"""Figures of answers over their questions, with intervals, alone and of two runs beside each other.

Most are means over the questions that have the measure, which differ from run to run: another answerer abstains on
other questions. So the bootstrap draws whole questions and takes each run's mean over those drawn that it has a measure
of; F1s and percentiles are taken of the same draws (`vouch/core/bootstrap.py` on how sure that makes them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evals.ranked import Asked, Ranked
from vouch.core.bootstrap import SEED, Floats, Interval, drawn

DECIDES = "right"
LOWER = frozenset({"failed", "latency_p50_ms", "latency_p95_ms", "tokens", "cost", "false_conflict"})
"""Figures of which less is better."""
_EVEN = 1e-9


@dataclass(frozen=True, slots=True)
class Figure:
    """``of`` takes the resampled values of each of ``measures``, a draw a row, NaN where a question has none."""

    name: str
    measures: tuple[str, ...]
    of: Callable[[Sequence[Floats]], Floats]


@dataclass(frozen=True, slots=True)
class Paired:
    """One figure of two runs. Questions that both have the measure of won, lost or were even; of an F1 and a percentile
    none did, for no question has one."""

    name: str
    queries: int
    a: float
    b: float
    difference: Interval
    wins: int
    losses: int
    ties: int


def is_judged(ranked: Ranked) -> bool:
    """Whether these are answers, and not rankings."""
    return bool(ranked.asked) and all(DECIDES in one.measures for one in ranked.asked)


def figures(ranked: Ranked, seed: int = SEED) -> dict[str, Interval]:
    """Every figure that any question has something to say on."""
    found: dict[str, Interval] = {}
    for one in _figures(ranked.asked):
        columns = [_column(ranked.asked, measure) for measure in one.measures]
        interval = drawn(columns, one.of, seed)
        if interval is not None:
            found[one.name] = interval
    return found


def means(ranked: Ranked) -> dict[str, float]:
    """The same without intervals."""
    told = ((one, [_column(ranked.asked, measure) for measure in one.measures]) for one in _figures(ranked.asked))
    values = ((one.name, float(one.of([column[None, :] for column in columns])[0])) for one, columns in told)
    return {name: value for name, value in values if not np.isnan(value)}


def paired(a: Ranked, b: Ranked, seed: int = SEED) -> Iterator[Paired]:
    """``b`` less ``a``, figure by figure, over the same questions. What one run says nothing of is left out."""
    before = {one.query: one for one in a.asked}
    matched = [before[one.query] for one in b.asked]
    for one in _figures(b.asked):
        ours, theirs = ([_column(asked, measure) for measure in one.measures] for asked in (matched, b.asked))
        of, count = one.of, len(ours)

        def gain(columns: Sequence[Floats], of: Callable[..., Floats] = of, count: int = count) -> Floats:
            return np.asarray(of(columns[count:]) - of(columns[:count]), np.float64)

        difference = drawn([*ours, *theirs], gain, seed)
        if difference is not None:
            yield _paired(one, ours, theirs, difference)


def _paired(one: Figure, ours: Sequence[Floats], theirs: Sequence[Floats], difference: Interval) -> Paired:
    value_a, value_b = (float(one.of([column[None, :] for column in columns])[0]) for columns in (ours, theirs))
    both = ~np.isnan(ours[0]) & ~np.isnan(theirs[0])
    gains = (theirs[0] - ours[0])[both] * (-1 if one.name in LOWER else 1)
    single = one.of is _mean
    wins, losses = (int((gains > _EVEN).sum()), int((gains < -_EVEN).sum())) if single else (0, 0)
    ties = int(both.sum()) - wins - losses
    return Paired(one.name, int(both.sum()), value_a, value_b, difference, wins, losses, ties)


def _figures(asked: Sequence[Asked]) -> Iterator[Figure]:
    present = dict.fromkeys(measure for one in asked for measure in one.measures)
    for measure in present:
        if measure == "latency_ms":
            yield Figure("latency_p50_ms", (measure,), _percentile(50))
            yield Figure("latency_p95_ms", (measure,), _percentile(95))
        else:
            yield Figure(measure, (measure,), _mean)
    for name, parts in (
        ("f1", ("precision", "recall")),
        ("abstention_f1", ("abstention_precision", "abstention_recall")),
    ):
        if present.keys() >= set(parts):
            yield Figure(name, parts, _f1)


def _column(asked: Sequence[Asked], measure: str) -> Floats:
    return np.array([one.measures.get(measure, np.nan) for one in asked], np.float64)


def _mean(columns: Sequence[Floats]) -> Floats:
    there = ~np.isnan(columns[0])
    counts = there.sum(axis=1)
    sums = np.where(there, columns[0], 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _f1(columns: Sequence[Floats]) -> Floats:
    precision, recall = _mean(columns[:1]), _mean(columns[1:])
    both = precision + recall
    return np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1.0), np.where(np.isnan(both), both, 0))


def _percentile(share: int) -> Callable[[Sequence[Floats]], Floats]:
    return lambda columns: np.asarray(np.percentile(columns[0], share, axis=1), np.float64)
