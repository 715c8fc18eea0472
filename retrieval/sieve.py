"""What has to hold of a passage besides its rank: phrases that stand in it, and what may not.

Decided on the text itself where it is loaded, after gate 2, for no index knows the order of words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retrieval.folding import fold, pattern


@dataclass(frozen=True, slots=True)
class Sieve:
    """``left_out``: by column of a row, the values that are. ``apart``: documents that are. ``one_each``: the best
    passage alone of each document."""

    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    left_out: tuple[tuple[str, frozenset[str]], ...] = ()
    apart: frozenset[str] = frozenset()
    one_each: bool = False

    def __bool__(self) -> bool:
        """Whether it keeps anything back."""
        return bool(self.phrases or self.without or self.left_out or self.apart)

    def passes(self, row: Any) -> bool:
        """``row``: ``document_id``, ``text``, ``source_id``, ``mime``, ``language`` and ``owner`` of a passage."""
        if row.document_id in self.apart or any(getattr(row, column) in values for column, values in self.left_out):
            return False
        if not (self.phrases or self.without):
            return True
        text = fold(row.text)
        holds = (pattern(phrase).search(text) is not None for phrase in self.phrases)
        return all(holds) and not any(pattern(phrase).search(text) for phrase in self.without)
