"""Ordering candidates by the documents that they are of, and by the candidates that they are near to.

A passage is scored by the search alone, as if nobody knew where it stands. Five things are added to that score, each
by a weight (`rerank_document.v2.json`, fitted by `evals/fit_rerank.py`): how much of the question the title says,
whether it says just that, how much of it all found passages of the document say together, how well further passages of
the document fit, and how well those candidates fit, of whatever document, whose vectors are near.

All of it is told by the candidates themselves, so nothing that the asker may not see takes part: words count by how few
of the candidates hold them. There is no model to run: what it costs is reading the candidates' words, and having their
vectors.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vouch.core.errors import BadConfig
from vouch.gateway.rerank import Readable
from vouch.index.words import UNKNOWN, terms

VERSION = "rerank_document.v2"
PASSED_OVER = 3
"""Of a document's other candidates, best first, as many do not count: one that is cut into a few passages, all of which
come up, fits no better than one that is not cut."""
COUNTED = 3
"""Of those that come after them."""
NEARNESS = 8
"""Power of the cosine by which a neighbour counts: one at .9 counts .43, one at .5 next to nothing."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is seen of one candidate, or what each of that weighs."""

    title_holds: float
    """Share of the question's words that the title has, 0 to 1, each by how few candidates hold it."""
    title_is: float
    """1 where the title's words are the question's, no more and no fewer."""
    document_holds: float
    """Share of the question's words, counted alike, that the document's candidates have together."""
    document: float
    """The sum of the fused scores of :data:`COUNTED` other candidates of the document, after :data:`PASSED_OVER`."""
    near: float
    """By how much the mean fused score of the candidates, each counting by how near it is, this one among them, is
    above its own; below 0 for one that stands higher than what it resembles. 0 without a vector."""


class DocumentReranker:
    """A :class:`vouch.gateway.rerank.Reranker`: the fused score, with the weighed :class:`Signals` added."""

    name = VERSION
    by_vectors = True

    def __init__(self, weights: Signals | None = None) -> None:
        self._weights = weights or packaged_weights()

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        seen = signals(question, candidates)
        return [one.fused + weighed(self._weights, sign) for one, sign in zip(candidates, seen, strict=True)]


def signals(question: str, candidates: Sequence[Readable]) -> list[Signals]:
    """Of each candidate, in their order."""
    asked = frozenset(_terms(question))
    held = [asked.intersection(_terms(candidate.text)) for candidate in candidates]
    rarity = _rarity(asked, held)
    titles = {candidate.title: frozenset(_terms(candidate.title)) for candidate in candidates}
    fused: dict[str, list[float]] = {}
    words: dict[str, set[int]] = {}
    for candidate, has in zip(candidates, held, strict=True):
        fused.setdefault(candidate.document, []).append(candidate.fused)
        words.setdefault(candidate.document, set()).update(has)
    return [
        Signals(
            title_holds=_share(rarity, titles[candidate.title]),
            title_is=float(bool(asked) and titles[candidate.title] == asked),
            document_holds=_share(rarity, words[candidate.document]),
            document=_further(candidate.fused, fused[candidate.document]),
            near=near,
        )
        for candidate, near in zip(candidates, _near(candidates), strict=True)
    ]


def weighed(weights: Signals, seen: Signals) -> float:
    return (
        weights.title_holds * seen.title_holds
        + weights.title_is * seen.title_is
        + weights.document_holds * seen.document_holds
        + weights.document * seen.document
        + weights.near * seen.near
    )


def packaged_weights() -> Signals:
    return read_weights(Path(__file__).with_name(f"{VERSION}.json"))


def read_weights(file: Path) -> Signals:
    """Raises :class:`BadConfig` for a file that does not have one finite number for each signal."""
    body = json.loads(file.read_text(encoding="utf-8"))
    weights = body.get("weights") if isinstance(body, dict) else None
    names = asdict(Signals(0, 0, 0, 0, 0)).keys()
    if not isinstance(weights, dict) or weights.keys() != names or not all(map(_is_number, weights.values())):
        raise BadConfig(f"{file.name} does not have one number for each of {', '.join(names)}", field="weights")
    return Signals(**weights)


def _rarity(asked: Collection[int], held: Sequence[Collection[int]]) -> dict[int, float]:
    """What each term of the question counts: much where few candidates hold it."""
    holding = Counter(term for terms_ in held for term in terms_)
    return {term: math.log(1 + (len(held) + 1) / (holding[term] + 0.5)) for term in asked}


def _share(rarity: Mapping[int, float], held: Collection[int]) -> float:
    everything = math.fsum(rarity.values())
    return math.fsum(weight for term, weight in rarity.items() if term in held) / everything if everything else 0.0


def _further(own: float, scores: Sequence[float]) -> float:
    others = sorted(scores, reverse=True)
    others.remove(own)
    return sum(others[PASSED_OVER : PASSED_OVER + COUNTED])


def _near(candidates: Sequence[Readable]) -> list[float]:
    known = [(n, one.vector, one.fused) for n, one in enumerate(candidates) if one.vector is not None]
    found = [0.0] * len(candidates)
    if known:
        vectors = np.stack([vector for _, vector, _ in known]).astype(np.float64)
        fused = np.array([score for _, _, score in known])
        counts = np.maximum(0.0, vectors @ vectors.T) ** NEARNESS
        np.fill_diagonal(counts, 1.0)  # a vector without length is near nothing but itself
        for (n, _, score), mean in zip(known, (counts @ fused) / counts.sum(axis=1), strict=True):
            found[n] = float(mean) - score
    return found


def _terms(text: str) -> list[int]:
    # Nobody knows the question's language, and a title's words are to be read as the question's are.
    return terms(text, UNKNOWN)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
