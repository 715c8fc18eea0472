"""The best hits, the same whatever the index holds besides what the query may see.

Engines cut a ranking off amid equal scores, keeping those that came first; and they add up a lexical score in the
order in which its words first came to the index, which shows in its last bits. Either would tell of documents that the
asker may not see. So more is asked for than is wanted, until the cut falls between two different scores; equal ones are
ordered by what they are; and lexical scores end before their noise begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from vouch.core.types import IndexHit
from vouch.index.payload import LEXICAL

MARGIN = 16
WIDER = 4
MOST = 4_096
"""Hits asked for at most. Where more than this share one score, which of them are shown depends on the engine."""
LEXICAL_DIGITS = 4
"""Significant digits of a lexical score; its noise is in the seventh."""

Fetch = Callable[[Collection[str], int], Mapping[str, Iterable[IndexHit]]]
"""For each of some arms, its so many best hits in any order."""


def best(fetch: Fetch, arms: Collection[str], limit: int) -> dict[str, tuple[IndexHit, ...]]:
    """The first ``limit`` hits of each arm by falling score, then by document, version and ordinal."""
    found: dict[str, tuple[IndexHit, ...]] = {}
    waiting, asked = set(arms), limit + MARGIN
    while waiting:
        for arm, hits in fetch(waiting, asked).items():
            ranked = _in_order(hits, LEXICAL_DIGITS if arm == LEXICAL else None)
            if len(ranked) < asked or asked >= MOST or ranked[limit - 1].score > ranked[-1].score:
                found[arm] = ranked[:limit]
        waiting -= found.keys()
        asked *= WIDER
    return found


def _in_order(hits: Iterable[IndexHit], digits: int | None) -> tuple[IndexHit, ...]:
    if digits is not None:
        hits = (replace(hit, score=float(f"{hit.score:.{digits}g}")) for hit in hits)
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.document_id, hit.version, hit.ordinal)))
