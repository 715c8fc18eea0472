"""How sure a mean over questions is: the bootstrap, seeded.

Questions are drawn again, with replacement, :data:`RESAMPLES` times. The interval holds the middle 95 % of the means so
drawn. The p of a difference is the share of draws that lie as far from the mean found as that lies from 0, on either
side: how often chance alone would show so much, were there no difference
(Efron and Tibshirani 1993; for measures of rankings Sakai, SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
SEED = 20_260_301
_BLOCK = 250
_EQUAL = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; ``p``: how likely it is so far from 0 by chance alone."""

    mean: float
    low: float
    high: float
    p: float


def interval(values: Sequence[float] | Floats, seed: int = SEED) -> Interval:
    """Of the mean of ``values``, of which there is at least one. Deterministic in ``seed``."""
    found = np.asarray(values, np.float64)
    return _about(float(found.mean()), _means(found, np.random.default_rng(seed)))


def difference(former: Sequence[float] | Floats, later: Sequence[float] | Floats, seed: int = SEED) -> Interval:
    """Of the mean of ``later`` less that of ``former``, of different questions: each is drawn again by itself, and has
    one value at least. Deterministic in ``seed``."""
    rng = np.random.default_rng(seed)
    before, after = np.asarray(former, np.float64), np.asarray(later, np.float64)
    return _about(float(after.mean() - before.mean()), _means(after, rng) - _means(before, rng))


def _about(found: float, draws: Floats) -> Interval:
    low, high = np.percentile(draws, [2.5, 97.5])
    as_far = int((np.abs(draws - found) >= abs(found) - _EQUAL).sum())
    return Interval(found, float(low), float(high), (as_far + 1) / (len(draws) + 1))


def drawn(
    columns: Sequence[Floats], statistic: Callable[[Sequence[Floats]], Floats], seed: int = SEED
) -> Interval | None:
    """As :func:`interval`, of any statistic over questions. ``columns`` have a value of each question, NaN where there
    is none; ``statistic`` is given them drawn again, a draw a row, and gives a value of each draw. None where it has
    none of the questions as they are; draws of which it has none are left out."""
    value = float(statistic([column[None, :] for column in columns])[0])
    if np.isnan(value):
        return None
    rng, count = np.random.default_rng(seed), len(columns[0])
    blocks: list[Floats] = []
    for _ in range(RESAMPLES // _BLOCK):
        rows = rng.integers(0, count, (_BLOCK, count))
        blocks.append(statistic([column[rows] for column in columns]))
    values = np.concatenate(blocks)
    return _about(value, values[~np.isnan(values)])


def holm(ps: Sequence[float]) -> list[float]:
    """Each p as it counts among its fellows: the chance that *any* of so many shows so much (Holm 1979)."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for place, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, ps[i] * (len(ps) - place)))
        adjusted[i] = highest
    return adjusted


def _means(values: Floats, rng: np.random.Generator) -> Floats:
    """Means of resamples, in blocks: of a thousand questions all at once would take 80 MB."""
    blocks = (
        values[rng.integers(0, len(values), (_BLOCK, len(values)))].mean(axis=1) for _ in range(RESAMPLES // _BLOCK)
    )
    return np.concatenate(list(blocks))
