"""One way of ranking a set, measured against another by the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean as mean

from evals import measures
from evals.datasets import RetrievalSet
from evals.ranked import DEPTH
from evals.search import Ranking
from vouch.core.bootstrap import interval

Rankings = Mapping[str, Ranking]
Judged = Mapping[str, float]
"""nDCG@10 by question."""


@dataclass(frozen=True, slots=True)
class Row:
    """``against``: the same questions by the way that this one is compared with. ``told``: other figures, by name."""

    data: str
    way: str
    judged: Judged
    against: Judged | None = None
    told: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        line = f"{self.data:18} {self.way:34} {mean(self.judged.values()):.4f}"
        if self.against is not None:
            found = interval([value - self.against[query] for query, value in self.judged.items()])
            line += f"  {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
        return line + "".join(f"  {name} {value:.3g}" for name, value in self.told.items())


def questions(data: RetrievalSet) -> dict[str, str]:
    """Those that are judged."""
    return {query: text for query, text in data.queries.items() if query in data.qrels}


def judged(data: RetrievalSet, rankings: Rankings) -> Judged:
    """Of documents, each at its best passage."""
    runs = {
        query: {document: 1.0 / place for place, document in enumerate(documents(ranking)[:DEPTH], 1)}
        for query, ranking in rankings.items()
    }
    found = measures.by_query({query: data.qrels[query] for query in rankings}, runs)
    return {query: one["ndcg_10"] for query, one in found.items()}


def documents(ranking: Ranking) -> list[str]:
    return list(dict.fromkeys(document for (document, _), _ in ranking))
