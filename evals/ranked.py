"""A set put to a search, question by question: what was found, and how good that is.

The search is a function of the question. `evals/search.py` makes one of the product's own parts over a set's documents;
a platform that runs is another. What comes out is the same, so that runs of either can be kept and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evals import measures, spans
from evals.datasets import Evidence, RetrievalSet
from vouch.core.types import Span

DEPTH = 100
"""Documents of a ranking that are kept and judged."""
PASSAGES = 5
"""Passages of a ranking that are held against evidence."""
LESS_SOURCE = "less source pages"


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search found; ``span`` in the set's own text, None where nobody asks for it."""

    document: str
    score: float
    span: Span | None = None


Search = Callable[[str], Sequence[Found]]
"""Passages for a question, best first; a document may come more than once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with what it found. ``passages`` and ``evidence`` are empty where the set knows no evidence.

    Of a question that was answered, ranking and passages are what the answer cites; ``answerable`` says whether it can
    be, None of a search, and ``said`` is the answer, "" where there was none."""

    query: str
    text: str
    relevant: Mapping[str, int]
    evidence: tuple[Evidence, ...]
    ranking: tuple[tuple[str, float], ...]
    passages: tuple[tuple[Evidence, float], ...]
    measures: Mapping[str, float]
    answerable: bool | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A set's judged questions in its own order. ``name``: the set's, with what was left out."""

    name: str
    asked: tuple[Asked, ...]

    @property
    def means(self) -> dict[str, float]:
        return measures.means([one.measures for one in self.asked])


def put(data: RetrievalSet, search: Search, *, limit: int | None = None) -> tuple[Ranked, ...]:
    """Every judged question to ``search`` (``limit``: the first only).

    Where questions were taken from documents of the set there are two results: over all documents, and with each
    question's own sources left out of its ranking.
    """
    judged = [query for query in data.queries if query in data.qrels][:limit]
    found = {query: search(data.queries[query]) for query in judged}
    whole = _ranked(data, data.name, found)
    if not data.on_source:
        return (whole,)
    kept = {
        query: [one for one in passages if one.document not in data.on_source.get(query, ())]
        for query, passages in found.items()
    }
    return whole, _ranked(data, f"{data.name} {LESS_SOURCE}", kept)


def _ranked(data: RetrievalSet, name: str, found: Mapping[str, Sequence[Found]]) -> Ranked:
    rankings = {query: _documents(passages) for query, passages in found.items()}
    qrels = {query: data.qrels[query] for query in found}
    by_rank = {
        query: {document: 1.0 / rank for rank, (document, _) in enumerate(ranking, 1)}
        for query, ranking in rankings.items()
    }
    judged = measures.by_query(qrels, by_rank)
    return Ranked(name, tuple(_asked(data, query, found[query], rankings[query], judged[query]) for query in found))


def _asked(
    data: RetrievalSet,
    query: str,
    found: Sequence[Found],
    ranking: tuple[tuple[str, float], ...],
    judged: Mapping[str, float],
) -> Asked:
    evidence = data.evidence.get(query, ())
    shown = tuple(
        (Evidence(one.document, one.span), one.score) for one in found[:PASSAGES] if evidence and one.span is not None
    )
    held = spans.enclosed(evidence, [passage for passage, _ in shown]) if evidence else {}
    return Asked(query, data.queries[query], data.qrels[query], evidence, ranking, shown, {**judged, **held})


def _documents(found: Sequence[Found]) -> tuple[tuple[str, float], ...]:
    """Each document at its best passage."""
    best: dict[str, float] = {}
    for one in found:
        best.setdefault(one.document, one.score)
    return tuple(best.items())[:DEPTH]
