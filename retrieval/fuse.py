"""Two rankings into one by reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from retrieval.types import Candidate, ChunkKey, Scores
from vouch.core.types import IndexHit, IndexHits

K = 10
"""Cormack, Clarke and Büttcher (SIGIR 2009) use 60; 10 serves rankings of tens, and is what the quality floors of
our retrieval evaluation were measured with."""


def fuse(hits: IndexHits, *, without: Collection[str] = (), depth: int | None = None) -> tuple[Candidate, ...]:
    """Candidates by falling fused score ``Σ 1 / (K + rank)``, ranks from 1, ties by key.

    ``without``: documents that gate 2 refused. They are taken out before ranks are counted, so that no score
    of what remains tells that they were there. ``depth``: hits of each arm that count, after that.
    """
    dense, lexical = _ranked(hits.dense, without, depth), _ranked(hits.lexical, without, depth)
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
    return tuple(sorted(fused, key=lambda candidate: (-candidate.scores.fused, candidate.key)))


def _ranked(hits: Sequence[IndexHit], without: Collection[str], depth: int | None) -> dict[ChunkKey, tuple[int, float]]:
    kept = [hit for hit in hits if hit.document_id not in without][:depth]
    return {(hit.document_id, hit.version, hit.ordinal): (rank, hit.score) for rank, hit in enumerate(kept, 1)}
