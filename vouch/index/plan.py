"""How to search and when to compact: pure decisions from counts.

A graph walked under a filter can lose results without a word. What it loses was measured with questions about what
the asker does *not* see, where access follows topic: the nearest points that may be walked are then far away
(recall@10 against exact search, one group / twenty groups; cost as a part of exact search's in the same run):

    points      visible   ef 256       ef 512        ef 1024      ef 2048      ACORN 256     ACORN 512
    100,000     50 %      .96/.99 .5   .97/.97  .5   .99/.99 .6                .99/1  2.5
    100,000     10 %      1/.99  1.0   1/1     1.7   1/1     3.2               1/1    7.8
    300,000     50 %      .90/.87 .1   .98/.97  .2   .98/.98 .4   1/1    .7    .97/.93 1.3   .99/.98 2.2
    300,000     10 %      1       .4   1        .6   1      1.0   1     1.8    1       2.7   1       3.2

Of a million, 50 %, embedded: ef 4096 .95, ef 8192 1 and .4 of exact's time, ACORN 512 .78.

Where access is spread at random, or the question is about what the asker sees, ef 128 kept everything. Nothing that
is known before the search tells the cases apart, so the worst decides:

- ``ef`` grows with the index.
- A walk costs about as much as comparing with 15 to 20 visible points for each unit of ``ef``. Whoever sees fewer
  than 60 for each is searched exactly, though a walk is cheaper: among real vectors some points cannot be reached at
  any ``ef`` (75,104 of MiniLM, 50 %: ef 1024 .978, ef 4096 .984).
- Of who sees little, too few of a point's 32 links lead to visible points (recall 0 at a hundredth of a million). On a
  server, where every field of access is indexed and the figures above are from, large groups have links of their own,
  and that begins below a tenth; in the embedded index, which has numbers of rules, nothing has. There ef 1024 keeps 1
  at 50 to 20 % of 10^5 points, access at random, .987 at 15 and .946 at 10: it begins below a fifth. ACORN steps over
  what is hidden, at two to three times a walk's cost; ACORN 512 kept .975 at the least, from 50 to 10 %. It is left for
  indexes of millions, where none was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from vouch.core.types import Json
from vouch.index.payload import LOTS

SMALL_INDEX = 20_000
"""Points up to which nothing needs estimating, and no graph is built."""
POINTS_PER_EF = 60
"""Up to so many visible points for each unit of ``ef``, comparing with all of them is worth what it costs."""
NARROW_SHARE = 0.20
NARROW_SHARE_OF_FIELDS = 0.10
"""Of an index that has the fields of access, as a server's has."""
WIDTHS = ((100_000, 1024), (300_000, 2048))
"""Largest index, and its ``ef``: each was measured at that size."""
WIDEST = 8192
"""Beyond: measured at 1,000,000."""
MOST_COMPARED = 250_000
"""Visible points that are compared one by one at most: at a million, twice as many took 165 ms where a walk took 40."""
ACORN_EF = 512


@dataclass(frozen=True, slots=True)
class DensePlan:
    """How the dense arm is searched. ``hnsw_ef`` is None when no graph is walked."""

    mode: Literal["exact", "graph", "acorn"]
    hnsw_ef: int | None = None

    def json(self) -> Json:
        return {"mode": self.mode} if self.hnsw_ef is None else {"mode": self.mode, "hnsw_ef": self.hnsw_ef}


EXACT = DensePlan("exact")


def choose(
    points: int, visible: Callable[[], int], *, points_per_ef: int = POINTS_PER_EF, narrow: float = NARROW_SHARE
) -> DensePlan:
    """The plan for an index of ``points``. ``visible`` estimates how many the query may see, if that matters."""
    if points <= SMALL_INDEX:
        return EXACT
    width = next((ef for largest, ef in WIDTHS if points <= largest), WIDEST)
    seen = visible()
    if seen <= min(points_per_ef * width, MOST_COMPARED):
        return EXACT
    return DensePlan("graph", width) if seen >= narrow * points else DensePlan("acorn", ACORN_EF)


def choose_by_fields(points: int, visible: Callable[[], int]) -> DensePlan:
    """:func:`choose` for an index that has the fields of access."""
    return choose(points, visible, narrow=NARROW_SHARE_OF_FIELDS)


Choose = Callable[[int, Callable[[], int]], DensePlan]
"""What :func:`choose` is, for an index that is to be searched in a given way."""


def fell_short(plan: DensePlan, found: int, limit: int) -> bool:
    """Whether a graph lost points for certain: it is walked only where far more than ``limit`` are visible."""
    return plan != EXACT and found < limit


SAMPLE_POINTS = 500
SAMPLE_SECONDS = 60.0
SAMPLE_GROWTH = 0.05


Condition = TypeVar("Condition")


@dataclass(frozen=True)
class Sample(Generic[Condition]):
    """``size`` points drawn at random from an index of ``points``, at ``drawn_at`` (seconds, monotonic)."""

    condition: Condition
    """What admits the points of the sample alone, in the backend's own words."""
    size: int
    points: int
    drawn_at: float

    def serves(self, points: int, now: float) -> bool:
        """Whether the index, which has ``points`` now, is still about the one that was drawn from."""
        return now - self.drawn_at < SAMPLE_SECONDS and abs(points - self.points) <= SAMPLE_GROWTH * self.points

    def visible(self, points: int, admitted: int) -> int:
        """How many of ``points`` a filter admits that admits ``admitted`` of the sample."""
        return round(points * admitted / self.size)


def lots(points: int) -> int:
    """How many lots of an index of ``points`` are enough to estimate from."""
    return max(1, min(LOTS, math.ceil(LOTS * SAMPLE_POINTS / max(1, points))))


PROBED = 64
"""Lots in which is counted how much an asker sees, before words are weighed by some of it."""
WEIGHED_WHOLE = 150_000
WEIGHED = 20_000
"""Visible points by which words are weighed, about, where more than :data:`WEIGHED_WHOLE` are visible. Looking at one
that was drawn takes twice as long as at one where all are taken, so drawing is for where it leaves out most."""


def weighing(admitted: int) -> int:
    """By how many lots words are weighed for who sees ``admitted`` points of the first :data:`PROBED`: by all of them
    up to about :data:`WEIGHED_WHOLE` points. How much there is besides what they see has no part in it."""
    seen = admitted * LOTS // PROBED
    return LOTS if seen <= WEIGHED_WHOLE else math.ceil(LOTS * WEIGHED / seen)


VACUUM_SHARE = 0.20
VACUUM_FROM = 1_000


def worth_compacting(points: int, garbage: int, unindexed: int) -> bool:
    """Whether to rewrite an index of ``points`` live points.

    ``garbage`` counts points removed or replaced since the last compaction, ``unindexed`` those written since.
    """
    wasteful = garbage >= VACUUM_FROM and garbage >= VACUUM_SHARE * (points + garbage)
    return wasteful or (points > SMALL_INDEX and unindexed > SMALL_INDEX)
