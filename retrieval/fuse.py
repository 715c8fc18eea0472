"""Two rankings into one: each arm's scores are brought to a common scale and added by weight.

Scores say what ranks do not: how sure an arm is. A dense arm whose model does not read the question's language finds
everything about equally near, and by ranks it would have as much say as words that fit. Bruch, Gai and Ingber, "An
Analysis of Fusion Functions for Hybrid Retrieval" (TOIS 2023), find the same for sums against ranks.

A lexical score is divided by the best that remains. Of a dense one the score of the :data:`FLOOR` th that remains is
taken off first, for cosines of texts that have nothing to do with each other are not 0 either. Both are told by what
the asker is shown or could have been, never by what was taken out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from retrieval.types import Candidate, ChunkKey, Scores
from vouch.core.types import IndexHit, IndexHits

WORDS = 0.6
"""Share of the lexical arm. Chosen by looking at all sets, and then seen to hold on half of their questions
(`docs/measurements.md`)."""
FLOOR = 60
"""Place whose dense score counts as nothing: the least number of hits that is asked of an arm (`retrieval/depth.py`),
so that a deeper look moves no score. An arm with fewer has its floor at 0."""
K = 10
"""What a place is worth where places are compared (`retrieval/demote.py`): ``1 / (K + place)``."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the rankings counts. ``without``: documents that are taken out before anything is counted, so that no
    score of what remains tells that they were there. ``depth``: hits of each arm that count, after that. Of these
    ``sifted`` are passed over, and with ``one_each`` all but a document's best."""

    without: Collection[str] = ()
    depth: int | None = None
    sifted: Collection[ChunkKey] = ()
    one_each: bool = False


def fuse(hits: IndexHits, *, without: Collection[str] = (), kept: Kept | None = None) -> tuple[Candidate, ...]:
    """Candidates by falling fused score, 0 to 1; ties by dense score, then by key."""
    kept = kept or Kept(without)
    dense, lexical = _scores(hits.dense, kept), _scores(hits.lexical, kept)
    near, worded = _scaled(dense, _floor(dense)), _scaled(lexical, 0.0)
    fused = [
        Candidate(
            *key,
            Scores(
                dense=dense.get(key),
                lexical=lexical.get(key),
                fused=(1 - WORDS) * near.get(key, 0.0) + WORDS * worded.get(key, 0.0),
            ),
        )
        for key in dense.keys() | lexical.keys()
    ]
    ranked = sorted(fused, key=_place)
    return tuple(_first_of_each(ranked) if kept.one_each else ranked)


def _scores(hits: Sequence[IndexHit], kept: Kept) -> dict[ChunkKey, float]:
    """Of what counts, best first."""
    counted = [hit for hit in hits if hit.document_id not in kept.without][: kept.depth]
    keyed = (((hit.document_id, hit.version, hit.ordinal), hit.score) for hit in counted)
    return {key: score for key, score in keyed if key not in kept.sifted}


def _floor(scores: Mapping[ChunkKey, float]) -> float:
    return list(scores.values())[FLOOR - 1] if len(scores) >= FLOOR else 0.0


def _scaled(scores: Mapping[ChunkKey, float], floor: float) -> dict[ChunkKey, float]:
    """0 at the floor and below, 1 for the best."""
    reach = max(scores.values(), default=floor) - floor
    return {key: max(0.0, score - floor) / reach if reach > 0 else 0.0 for key, score in scores.items()}


def _place(candidate: Candidate) -> tuple[float, float, ChunkKey]:
    dense = candidate.scores.dense
    return -candidate.scores.fused, -dense if dense is not None else math.inf, candidate.key


def _first_of_each(ranked: Sequence[Candidate]) -> list[Candidate]:
    first: dict[str, Candidate] = {}
    for candidate in ranked:
        first.setdefault(candidate.document_id, candidate)
    return list(first.values())
