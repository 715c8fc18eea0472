"""Ordering candidates by the documents that they are of: what a document is called, and what else of it was found.

A passage is scored by the search alone, as if nobody knew where it stands. Three things are added to that score, each
by a weight (`rerank_document.v1.json`, fitted by `evals/fit_rerank.py`): how much of the question the title says,
whether it says just that, and how well further passages of the same document fit.

All of it is told by the candidates themselves, so nothing that the asker may not see takes part: words count by how few
of the candidates hold them. There is no model to run: what it costs is reading the candidates' words.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vouch.core.errors import BadConfig
from vouch.gateway.rerank import Readable
from vouch.index.words import UNKNOWN, terms

VERSION = "rerank_document.v1"
PASSED_OVER = 3
"""Of a document's other candidates, best first, as many do not count: one that is cut into a few passages, all of which
come up, fits no better than one that is not cut."""
COUNTED = 3
"""Of those that come after them."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is seen of one candidate, or what each of that weighs."""

    title_holds: float
    """Share of the question's words that the title has, 0 to 1, each by how few candidates hold it."""
    title_is: float
    """1 where the title's words are the question's, no more and no fewer."""
    document: float
    """The sum of the fused scores of :data:`COUNTED` other candidates of the document, after :data:`PASSED_OVER`."""


class DocumentReranker:
    """A :class:`vouch.gateway.rerank.Reranker`: the fused score, with the weighed :class:`Signals` added."""

    name = VERSION

    def __init__(self, weights: Signals | None = None) -> None:
        self._weights = weights or packaged_weights()

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        seen = signals(question, candidates)
        return [one.fused + weighed(self._weights, sign) for one, sign in zip(candidates, seen, strict=True)]


def signals(question: str, candidates: Sequence[Readable]) -> list[Signals]:
    """Of each candidate, in their order."""
    asked = dict.fromkeys(_terms(question))
    rarity = _rarity(asked, [candidate.text for candidate in candidates])
    everything = sum(rarity.values())
    titles = {candidate.title: frozenset(_terms(candidate.title)) for candidate in candidates}
    of_document: dict[str, list[float]] = {}
    for candidate in candidates:
        of_document.setdefault(candidate.document, []).append(candidate.fused)
    found = []
    for candidate in candidates:
        title = titles[candidate.title]
        held = sum(weight for term, weight in rarity.items() if term in title)
        found.append(
            Signals(
                title_holds=held / everything if everything else 0.0,
                title_is=float(bool(title) and title == asked.keys()),
                document=_further(candidate.fused, of_document[candidate.document]),
            )
        )
    return found


def weighed(weights: Signals, seen: Signals) -> float:
    return weights.title_holds * seen.title_holds + weights.title_is * seen.title_is + weights.document * seen.document


def packaged_weights() -> Signals:
    return read_weights(Path(__file__).with_name(f"{VERSION}.json"))


def read_weights(file: Path) -> Signals:
    """Raises :class:`BadConfig` for a file that does not have one finite number for each signal."""
    body = json.loads(file.read_text(encoding="utf-8"))
    weights = body.get("weights") if isinstance(body, dict) else None
    names = asdict(Signals(0, 0, 0)).keys()
    if not isinstance(weights, dict) or weights.keys() != names or not all(map(_is_number, weights.values())):
        raise BadConfig(f"{file.name} does not have one number for each of {', '.join(names)}", field="weights")
    return Signals(**weights)


def _rarity(asked: Mapping[int, None], texts: Sequence[str]) -> dict[int, float]:
    """What each term of the question counts: much where few of ``texts`` hold it."""
    holding = Counter(term for text in texts for term in asked.keys() & set(_terms(text)))
    return {term: math.log(1 + (len(texts) + 1) / (holding[term] + 0.5)) for term in asked}


def _further(own: float, scores: Sequence[float]) -> float:
    others = sorted(scores, reverse=True)
    others.remove(own)
    return sum(others[PASSED_OVER : PASSED_OVER + COUNTED])


def _terms(text: str) -> list[int]:
    # Nobody knows the question's language, and a title's words are to be read as the question's are.
    return terms(text, UNKNOWN)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
