"""Made-up words for made-up vectors: as many to a chunk, and as often met, as in a real handbook.

Shares of chunks that hold the so manieth most frequent term, of 3,662 chunks of the handbook of Sourcegraph, and here:

    rank        1    10   100   1,000   2,000    terms to a chunk
    handbook   .48  .20  .074   .009    .003     43
    made up    .33  .17  .071   .008    .004     51

A question holds six of them, drawn as often as a text holds them: the shares of its terms add up to about a fifth, as
those of real questions do (median .22). Words follow no topic.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vouch.core.types import SparseVector

VOCABULARY = 20_000
COMMON = 100
"""Ranks up to which a term's share falls slowly; beyond, as one over the rank."""
DRAWN = 52
"""Draws to a chunk; some fall on the same term."""
ASKED = 6
_SPREAD = np.uint64(2_654_435_761)
"""Odd, so that terms have ids all over 32 bits and no two the same one."""


class Words:
    """Deterministic in its seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        rank = np.arange(1, VOCABULARY + 1)
        share = np.where(rank <= COMMON, 0.4 * rank**-0.37, 0.4 * COMMON**-0.37 * COMMON / rank)
        self._upto = np.cumsum(share) / share.sum()

    def chunks(self, block: int, count: int) -> Iterator[SparseVector]:
        """Of ``count`` chunks of the ``block`` th part of a corpus."""
        rng = np.random.default_rng((self._seed, 3, block))
        drawn = self._drawn(rng, (count, DRAWN))
        weights = rng.uniform(0.95, 1.95, (count, DRAWN))
        for terms, values in zip(drawn, weights, strict=True):
            distinct = np.unique(terms)
            yield SparseVector(tuple(distinct.tolist()), tuple(values[: len(distinct)].tolist()))

    def questions(self, count: int, rng: np.random.Generator) -> list[SparseVector]:
        """Each distinct term once, weight 1."""
        return [
            SparseVector(tuple(terms), (1.0,) * len(terms))
            for terms in (np.unique(row).tolist() for row in self._drawn(rng, (count, ASKED)))
        ]

    def _drawn(self, rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint64]:
        rank = np.searchsorted(self._upto, rng.random(shape)).astype(np.uint64)
        return (rank + np.uint64(1)) * _SPREAD % np.uint64(2**32)
