"""A walk as the trace keeps it: each step as it was entered, in order, with when it began.

How often the index had to be asked before enough was left depends on what gate 2 refused, which an asker is not to
know of. So the rounds of one look are one to them, with their times added up; administrators see each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from vouch.core.types import Json

ROUND = ("search", "fuse", "recheck")
"""The steps that are gone through again where too little was left."""


def as_one(walk: Sequence[Json]) -> list[Json]:
    """The walk with the rounds of each look laid together, one step after the other; so is a look of one round, which
    must look no different."""
    told: list[Json] = []
    for of_a_round, group in groupby(walk, lambda step: step["name"] in ROUND):
        entered = list(group)
        told += _together(entered) if of_a_round else entered
    return told


def _together(rounds: Sequence[Json]) -> Iterator[Json]:
    at = rounds[0]["at_ms"]
    for name in dict.fromkeys(step["name"] for step in rounds):
        spent = sum(step["ms"] for step in rounds if step["name"] == name)
        yield {"name": name, "at_ms": round(at, 2), "ms": round(spent, 2)}
        at += spent
