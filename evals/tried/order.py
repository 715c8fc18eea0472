"""The first thirty hits in another order: with an eye to variety, and by what is said of documents besides their words.

Variety is maximal marginal relevance (Carbonell and Goldstein 1998) over the vectors of the hits. Authority of a page
of the handbook is how many others link to it, those left out that the question was taken from; recency of a report is
its quarter.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import fmean as mean

import numpy as np

from evals.datasets import RetrievalSet
from evals.ranked import LESS_SOURCE
from evals.search import Ranking, Searchable
from evals.tried.rows import Judged, Rankings, Row, judged, questions
from retrieval.rerank import DEPTH

TOP = 10
SHARES = (0.9, 0.7, 0.5)
"""What the score counts; the rest is how unlike the passage is to those before it."""
WEIGHTS = (0.02, 0.05, 0.1, 0.2)
"""What the most linked page, or the newest report, is raised by; the best fused score is 1."""
ALIKE = 0.9
"""Cosine from which a passage counts as a near-copy."""
_LINK = re.compile(r"\]\(([^)#?\s]+)")
_QUARTER = re.compile(r"(\d{4}) Q(\d)")
_PERIOD = re.compile(r"\b20\d\d\b|\bQ[1-4]\b|quarter|recent|latest|current|last", re.IGNORECASE)


def diversity(found: Searchable, data: RetrievalSet, plain: Rankings) -> Iterator[Row]:
    """Beside nDCG: different documents among the first ten passages, and near-copies of one that stands before."""
    before = judged(data, plain)
    yield Row(data.name, "as ranked", before, None, _variety(found, plain))
    for share in SHARES:
        varied = {query: spread(found, ranking, share) for query, ranking in plain.items()}
        yield Row(data.name, f"variety, score counts {share}", judged(data, varied), before, _variety(found, varied))


def priors(_: Searchable, data: RetrievalSet, plain: Rankings) -> Iterator[Row]:
    """Nothing for a set that knows neither links nor dates."""
    newest = recency([one.id for one in data.documents])
    if newest:
        dated = {query for query, text in questions(data).items() if _PERIOD.search(text)}
        for name, some in (("", set(plain)), (", a time is named", dated), (", none is", set(plain) - dated)):
            yield from _raised(data, f"recency{name}", {q: plain[q] for q in some}, lambda _, one: newest.get(one, 0))
        return
    linking = links({one.id: one.data.decode(errors="replace") for one in data.documents})
    if not any(linking.values()):
        return

    def authority(query: str, document: str) -> float:
        others = linking.get(document, frozenset()) - data.on_source.get(query, frozenset())
        return math.log1p(len(others)) / most

    most = math.log1p(max(map(len, linking.values())))
    yield from _raised(data, "links", plain, authority)
    if data.on_source:
        kept = {
            query: [one for one in ranking if one[0][0] not in data.on_source.get(query, ())]
            for query, ranking in plain.items()
        }
        yield from _raised(data, f"links, {LESS_SOURCE}", kept, authority)


def spread(found: Searchable, ranking: Ranking, share: float) -> Ranking:
    """The first ten anew, of the first thirty: each the best by its score and by how unlike it is to those before."""
    head = ranking[:DEPTH]
    if not head:
        return ranking
    scores = np.array([score for _, score in head])
    scores = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-9)
    vectors = np.stack([found.vectors[key] for key, _ in head])
    near = vectors @ vectors.T
    chosen: list[int] = []
    while len(chosen) < min(TOP, len(head)):
        worth = share * scores - (1 - share) * (near[:, chosen].max(axis=1) if chosen else 0.0)
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    return [head[n] for n in chosen] + [one for n, one in enumerate(ranking) if n not in chosen]


def raised(ranking: Ranking, weight: float, prior: Callable[[str], float]) -> Ranking:
    head = [((document, at), score + weight * prior(document)) for (document, at), score in ranking[:DEPTH]]
    return sorted(head, key=lambda one: -one[1]) + ranking[DEPTH:]


def links(pages: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Page → the others that link to it, by relative paths."""
    linking: dict[str, set[str]] = {page: set() for page in pages}
    for page, text in pages.items():
        for target in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            if path in linking and path != page:
                linking[path].add(page)
    return {page: frozenset(others) for page, others in linking.items()}


def recency(names: Sequence[str]) -> dict[str, float]:
    """1 for the newest quarter that is named, 0 for the oldest; nothing where none is."""
    of = {name: int(found[1]) * 4 + int(found[2]) for name in names if (found := _QUARTER.search(name))}
    first, last = min(of.values(), default=0), max(of.values(), default=0)
    return {name: (quarter - first) / max(last - first, 1) for name, quarter in of.items()}


def _raised(data: RetrievalSet, name: str, plain: Rankings, prior: Callable[[str, str], float]) -> Iterator[Row]:
    before: Judged = judged(data, plain)
    yield Row(data.name, f"{name}: 0", before, None, {"questions": len(plain)})
    for weight in WEIGHTS:
        moved = {query: raised(one, weight, partial(prior, query)) for query, one in plain.items()}
        yield Row(data.name, f"{name}: {weight}", judged(data, moved), before)


def _variety(found: Searchable, rankings: Rankings) -> dict[str, float]:
    heads = [[key for key, _ in ranking[:TOP]] for ranking in rankings.values() if ranking]
    return {
        "documents": mean(len({document for document, _ in head}) for head in heads),
        "near-copies": mean(_copies(np.stack([found.vectors[key] for key in head])) for head in heads),
    }


def _copies(vectors: np.ndarray) -> int:
    near = np.tril(vectors @ vectors.T, -1)
    return int((near.max(axis=1) >= ALIKE).sum())
