"""How to search and when to compact: pure decisions from counts.

A graph searched under a filter can lose everything without a word: at a million points, under a filter that
admits one in a hundred, HNSW with ef 128 found none of the true neighbours while an exact search took 10 ms.
So the number of points that a query may see, which the engine estimates in 50 µs, decides:

    visible            share of the index     search        measured (10^6 points, recall@10)
    up to 30,000       any                    exact         10 ms at 10^4 visible, recall 1
    more               30 % and above         graph, 256    5 ms, .98
    more               10 % to 30 %           graph, 512    12 ms, .98 (.86 where access follows topic)
    more               below 10 %             ACORN         90–130 ms, 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vouch.core.types import Json

SMALL_INDEX = 20_000
"""Points up to which nothing needs estimating, and no graph is built."""
EXACT_UP_TO = 30_000
WIDE_SHARE = 0.30
NARROW_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class DensePlan:
    """How the dense arm is searched. ``hnsw_ef`` is None when no graph is walked."""

    mode: Literal["exact", "graph", "acorn"]
    hnsw_ef: int | None = None

    def json(self) -> Json:
        return {"mode": self.mode} if self.hnsw_ef is None else {"mode": self.mode, "hnsw_ef": self.hnsw_ef}


EXACT = DensePlan("exact")


def is_small(points: int) -> bool:
    """Whether an index of so many points is searched exactly, whoever asks."""
    return points <= SMALL_INDEX


def choose(points: int, visible: int) -> DensePlan:
    """The plan for an index of ``points`` of which the query may see about ``visible``."""
    if is_small(points) or visible <= EXACT_UP_TO:
        return EXACT
    share = visible / points
    if share >= WIDE_SHARE:
        return DensePlan("graph", 256)
    if share >= NARROW_SHARE:
        return DensePlan("graph", 512)
    return DensePlan("acorn", 256)


VACUUM_SHARE = 0.20
VACUUM_FROM = 1_000


def worth_compacting(points: int, garbage: int, unindexed: int) -> bool:
    """Whether to rewrite an index of ``points`` live points.

    ``garbage`` counts points removed or replaced since the last compaction, ``unindexed`` those written since.
    """
    wasteful = garbage >= VACUUM_FROM and garbage >= VACUUM_SHARE * (points + garbage)
    return wasteful or (not is_small(points) and unindexed > SMALL_INDEX)
