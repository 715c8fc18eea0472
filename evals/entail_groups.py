"""Which of the written pairs belong together, and which of all that is learnt from is held out."""

from __future__ import annotations

import hashlib

from vouch.core.types import Json

HELD_OUT = 8
"""One group of this many is held out."""


def kept_apart(group: str) -> bool:
    """Whether a group is held out, by its hash."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % HELD_OUT == 0


def source_of(row: Json) -> str:
    return str(row["meta"]["source"]).partition("/")[0]


def group_of(row: Json) -> str:
    """What must not be torn apart: what is told of one page, of one text, or of one claim beside several texts."""
    source = source_of(row)
    if source == "fool-me-twice":
        return f"page {row['meta']['page']}"
    return f"text {row['context'][:200]}" if source == "summedits" else f"claim {row['claim_or_answer']}"
