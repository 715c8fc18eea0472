"""How far down the rankings to look before a page counts as full."""

from __future__ import annotations

from collections.abc import Collection

from retrieval.search import Found
from retrieval.sieve import Sieve

SHALLOWEST = 60
"""Chunks asked of each arm at first."""
DEEPER = 4
"""Times as many where that is not enough and the index has more."""
DEEPEST_PAGE = 16
"""Times the shallowest that an arm may count, where versions that were replaced left the page short."""
DEEPEST = 64
"""Times the shallowest that is asked for, where gate 2 refuses so many that too few are left of an arm: what is shown
must not tell that they were there. So far is looked, too, for passages that a sieve lets through."""


class Depth:
    """``depth`` hits of each arm count, ``asked`` are asked for. Grows until the page is full or nothing is left."""

    def __init__(self, want: int, sieve: Sieve, *, by_words: bool = False) -> None:
        """``by_words``: whatever passes the sieve has words that are searched for, so that the lexical arm has all of
        it."""
        self.shallowest = self.depth = self.asked = max(SHALLOWEST, 2 * want)
        self._by_words = by_words
        self._step, self._most = (DEEPEST_PAGE, DEEPEST) if sieve else (DEEPER, DEEPEST_PAGE)

    def deepen(self, found: Found, left_out: Collection[str], missing: bool) -> bool:
        """Whether it grew. ``missing``: the page is not full yet."""
        if self.asked < DEEPEST * self.shallowest and found.lacks(self.depth, left_out):
            self.asked *= DEEPER
        elif missing and not self._ended(found) and self.depth < self._most * self.shallowest:
            self.depth = min(self.depth * self._step, self._most * self.shallowest)
            self.asked = max(self.asked, self.depth)
        else:
            return False
        return True

    def _ended(self, found: Found) -> bool:
        return found.exhausted or (self._by_words and len(found.hits.lexical) < found.depth)
