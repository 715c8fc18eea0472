"""Two rankings into one by reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from retrieval.types import Candidate, ChunkKey, Scores
from vouch.core.types import IndexHit, IndexHits

K = 10
"""Cormack, Clarke and Büttcher (SIGIR 2009) use 60; 10 serves rankings of tens, and is what the quality floors of
our retrieval evaluation were measured with."""


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
    """Candidates by falling fused score ``Σ 1 / (K + rank)``, ranks from 1, ties by key."""
    kept = kept or Kept(without)
    dense, lexical = _ranked(hits.dense, kept), _ranked(hits.lexical, kept)
    fused = [
        Candidate(
            *key,
            Scores(
                dense=dense[key][1] if key in dense else None,
                lexical=lexical[key][1] if key in lexical else None,
                fused=sum(1 / (K + arm[key][0]) for arm in (dense, lexical) if key in arm),
            ),
        )
        for key in dense.keys() | lexical.keys()
    ]
    ranked = sorted(fused, key=lambda candidate: (-candidate.scores.fused, candidate.key))
    return tuple(_first_of_each(ranked) if kept.one_each else ranked)


def _ranked(hits: Sequence[IndexHit], kept: Kept) -> dict[ChunkKey, tuple[int, float]]:
    counted = [hit for hit in hits if hit.document_id not in kept.without][: kept.depth]
    keyed = (((hit.document_id, hit.version, hit.ordinal), hit.score) for hit in counted)
    through = [(key, score) for key, score in keyed if key not in kept.sifted]
    return {key: (rank, score) for rank, (key, score) in enumerate(through, 1)}


def _first_of_each(ranked: Sequence[Candidate]) -> list[Candidate]:
    first: dict[str, Candidate] = {}
    for candidate in ranked:
        first.setdefault(candidate.document_id, candidate)
    return list(first.values())
