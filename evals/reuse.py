"""How often a question that asks the same is recognised, and how often one that does not is taken for it.

``python -m evals reuse``. What decides is :func:`retrieval.reuse.alike.unlike`, on vectors of the embedder; beside it
what a threshold of the vectors alone would do. In the product a pair that passes has still to find the same versions of
documents: for how many of those that ask the same it does is measured with the set's own search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evals import sets
from evals.datasets import evidence_spans
from evals.reuse_pairs import OTHER, REWORDED, SAME, Kind, Pair, pairs
from evals.search import answering_to, searchable
from retrieval.pack import PASSAGES
from retrieval.reuse.alike import NEAR, unlike
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import load_reranker

THRESHOLDS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
SEARCHED = 150
"""Pairs that ask the same, for which both are searched."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of pairs that would share an answer: of those that ask the same (``hits``), and of those that do not."""

    hits: float
    wrong: float


@dataclass(frozen=True, slots=True)
class ReuseReport:
    """On the held-out half. ``by_kind``: share taken as the same, at the threshold that is used. ``vectors`` and
    ``words``: by threshold, of the vectors alone, and where the words have to agree too."""

    name: str
    counts: dict[Kind, int]
    by_kind: dict[Kind, float]
    vectors: dict[float, Rates]
    words: dict[float, Rates]
    fitted: float
    """The highest threshold that costs no hit in a hundred, on the other half."""
    same_evidence: float
    """Share of hits of which the second question finds nothing but documents that the first does."""
    all_evidence: float
    """The same, and all of them: what prose needs."""
    mistaken: tuple[str, ...] = field(repr=False)

    def figures(self) -> dict[str, float]:
        used, alone = self.words[NEAR], self.vectors[NEAR]
        kinds = {f"reuse.near.{kind}": share for kind, share in self.by_kind.items()}
        return {
            "reuse.near.hits": used.hits,
            "reuse.near.wrong": used.wrong,
            "reuse.near.same_evidence": self.same_evidence,
            "reuse.near.all_evidence": self.all_evidence,
            **kinds,
            "reuse.vectors_alone.hits": alone.hits,
            "reuse.vectors_alone.wrong": alone.wrong,
        }

    def remarks(self) -> str:
        head = f"{self.name}: {', '.join(f'{n} {kind}' for kind, n in self.counts.items())}; fitted {self.fitted:.2f}\n"
        rows = (
            f"  {t:.2f}  vectors alone: hits {self.vectors[t].hits:.3f}, wrong {self.vectors[t].wrong:.4f}"
            f"  words too: hits {self.words[t].hits:.3f}, wrong {self.words[t].wrong:.4f}\n"
            for t in THRESHOLDS
        )
        return head + "".join(rows) + "".join(f"  taken for the same: {one}\n" for one in self.mistaken)


def run(data: Path, embedder: Embedder, *, limit: int | None = None) -> ReuseReport:
    """``limit``: pairs of each kind at most."""
    found = _limited(pairs(evidence_spans(data, "xquad-multilingual/en")), limit)
    cosines = _cosines(found, embedder)
    held = [n for n, pair in enumerate(found) if pair.part == "held out"]
    fit = [n for n, pair in enumerate(found) if pair.part == "fit"]
    alike = [unlike(pair.kept, pair.asked, 1.0) is None for pair in found]
    taken = [same and cosine >= NEAR for same, cosine in zip(alike, cosines, strict=True)]
    judged = _Judged(found, cosines, alike)
    kinds = (*SAME, *REWORDED, *OTHER)
    of_kind = {kind: [n for n in held if found[n].kind == kind] for kind in kinds}
    mistaken = (f"{found[n].kept} | {found[n].asked}" for n in held if taken[n] and not found[n].same)
    hits = [found[n] for n in held if taken[n] and found[n].kind in SAME]
    searched = _searched(hits[:: max(1, len(hits) // SEARCHED)], embedder, data)
    return ReuseReport(
        name="xquad questions",
        counts={kind: len(ones) for kind, ones in of_kind.items()},
        by_kind={kind: _share([taken[n] for n in ones]) for kind, ones in of_kind.items()},
        vectors={t: judged.rates(held, t, words=False) for t in THRESHOLDS},
        words={t: judged.rates(held, t, words=True) for t in THRESHOLDS},
        fitted=max((t for t in THRESHOLDS if judged.costs(fit, t) < 0.01), default=THRESHOLDS[0]),
        same_evidence=_share([asked <= kept for kept, asked in searched]),
        all_evidence=_share([asked == kept for kept, asked in searched]),
        mistaken=tuple(mistaken),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    found: Sequence[Pair]
    cosines: Sequence[float]
    alike: Sequence[bool]

    def rates(self, part: Sequence[int], threshold: float, *, words: bool) -> Rates:
        def share(kinds: Sequence[Kind]) -> float:
            ones = [n for n in part if self.found[n].kind in kinds]
            return _share([self.cosines[n] >= threshold and (self.alike[n] or not words) for n in ones])

        return Rates(share(SAME), share(OTHER))

    def costs(self, part: Sequence[int], threshold: float) -> float:
        """Share of the hits by words that the threshold takes away."""
        ones = [n for n in part if self.found[n].kind in SAME and self.alike[n]]
        return _share([self.cosines[n] < threshold for n in ones])


def _limited(found: Sequence[Pair], limit: int | None) -> list[Pair]:
    if limit is None:
        return list(found)
    kinds = (*SAME, *REWORDED, *OTHER)
    return [pair for kind in kinds for pair in [one for one in found if one.kind == kind][:limit]]


def _cosines(found: Sequence[Pair], embedder: Embedder) -> list[float]:
    texts = list(dict.fromkeys(text for pair in found for text in (pair.kept, pair.asked)))
    vectors = dict(zip(texts, embedder.embed(texts), strict=True))
    return [float(np.dot(vectors[pair.kept], vectors[pair.asked])) for pair in found]


def _searched(same: Sequence[Pair], embedder: Embedder, data: Path) -> list[tuple[set[str], set[str]]]:
    """The documents that each of the two finds."""
    reranker = load_reranker(Settings())
    with searchable(sets.load("xquad-en", data).documents, embedder) as found:

        def documents(question: str) -> set[str]:
            return {key[0] for key, _ in answering_to(found, question, "hybrid", reranker)[:PASSAGES]}

        return [(documents(pair.kept), documents(pair.asked)) for pair in same]


def _share(taken: Sequence[bool]) -> float:
    return sum(taken) / len(taken) if taken else 0.0
