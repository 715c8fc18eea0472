"""``python -m evals.aging``: what demoting and dropping stale documents does to a ranking, for good and for ill.

SciFact's claims, the abstracts that bear on them and as many others again as make a thousand. By the hash of a claim's
id its abstracts are one of three: current alone; current beside an older copy, which has other figures and fewer
sentences; or old alone, so that nothing current answers. A third of the other abstracts are old as well. Ranked as the
product ranks (`evals/search.py`, then `retrieval/demote.py`), with everything kept, demoted by several shares, dropped.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from evals import datasets, measures, sets
from evals.datasets import RawDocument, RetrievalSet
from evals.measures import Run
from evals.run import evaluation_embedder
from evals.search import Searchable, readable, searchable
from retrieval.demote import KEEPS, fallen
from retrieval.fuse import fuse
from retrieval.rerank import DEPTH as RERANKED
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import LexicalReranker

Kind = Literal["current alone", "current beside an older copy", "old alone"]
KINDS: tuple[Kind, ...] = ("current alone", "current beside an older copy", "old alone")
SHARES = (Fraction(9, 10), Fraction(17, 20), KEEPS, Fraction(3, 5), Fraction(2, 5))
SEED = 7
DOCUMENTS = 1_000
_NUMBER = re.compile(r"\d+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_OLDER = " (older)"


@dataclass(frozen=True, slots=True)
class Aged:
    """A set of which the documents ``old`` have aged. ``kinds``: what there is for each query."""

    data: RetrievalSet
    old: frozenset[str]
    kinds: dict[str, Kind]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``ndcg_10`` by kind, an older copy counting as irrelevant. ``current_first``: where there is one, the share of
    queries that meet the current document before its older copy."""

    ndcg_10: dict[Kind, float]
    current_first: float


def aged(data: RetrievalSet, documents: int = DOCUMENTS, seed: int = SEED) -> Aged:
    """``data``, made smaller and older. Deterministic in ``seed``."""
    rng = random.Random(seed)  # noqa: S311 - what is drawn is to be the same each time
    kinds = {query: KINDS[_hash(query) % 3] for query in data.queries if data.qrels.get(query)}
    kind_of: dict[str, Kind] = {}
    for query, kind in kinds.items():
        for document in data.qrels[query]:
            kind_of.setdefault(document, kind)
    # A document that two claims share is of one kind; so are then both claims, or the second is left out.
    kinds = {query: kind for query, kind in kinds.items() if {kind_of[one] for one in data.qrels[query]} == {kind}}
    others = [one for one in data.documents if one.id not in kind_of]
    rng.shuffle(others)
    kept = [one for one in data.documents if one.id in kind_of] + others[: max(0, documents - len(kind_of))]
    copies = [older(one, rng) for one in kept if kind_of.get(one.id) == KINDS[1]]
    old = {one.id for one in copies} | {one for one, kind in kind_of.items() if kind == KINDS[2]}
    old |= {one.id for one in kept if one.id not in kind_of and _hash(one.id) % 3 == 0}
    queries = {query: data.queries[query] for query in kinds}
    qrels = {query: data.qrels[query] for query in kinds}
    return Aged(RetrievalSet(f"{data.name}, aged", (*kept, *copies), queries, qrels), frozenset(old), kinds)


def older(document: RawDocument, rng: random.Random) -> RawDocument:
    """As the document may have read before: every figure another, and a quarter of the sentences not yet there."""
    text = _NUMBER.sub(lambda found: str(int(found[0][:9]) + rng.randint(1, 9)), document.data.decode())
    head, *rest = _SENTENCE.split(text)
    said = [head, *(sentence for sentence in rest if rng.random() < 0.75)]
    return replace(document, id=document.id + _OLDER, data=" ".join(said).encode())


def run(data: Aged, embedder: Embedder, *, rerank: bool) -> dict[str, Outcome]:
    """What comes of each treatment, by its name."""
    with searchable(data.data.documents, embedder) as found:
        ranked = {query: _ranked(found, text, (), rerank) for query, text in data.data.queries.items()}
        dropped = {query: _ranked(found, text, data.old, rerank) for query, text in data.data.queries.items()}
    outcomes = {"keep": _outcome(data, ranked)}
    for share in SHARES:
        demoted = {query: _demoted(ranking, data.old, share) for query, ranking in ranked.items()}
        outcomes[f"demote to {float(share):.2f}"] = _outcome(data, demoted)
    return {**outcomes, "drop": _outcome(data, dropped)}


def _ranked(found: Searchable, query: str, without: Collection[str], rerank: bool) -> list[str]:
    """The document of each chunk, best chunk first."""
    fused = {(one.document_id, one.ordinal): one.scores.fused for one in fuse(found.hits(query), without=without)}
    ranking = list(fused)
    head = ranking[:RERANKED]
    if rerank and head:
        shown = [readable(found, key, fused[key]) for key in head]
        scores = dict(zip(head, LexicalReranker().rerank(query, shown), strict=True))
        ranking = sorted(head, key=lambda key: -scores[key]) + ranking[RERANKED:]
    return [document for document, _ in ranking]


def _demoted(ranking: Sequence[str], old: Collection[str], share: Fraction) -> list[str]:
    return [ranking[place] for place in fallen([document in old for document in ranking], share)]


def _outcome(data: Aged, rankings: Mapping[str, Sequence[str]]) -> Outcome:
    runs: Run = {
        query: {document: 1.0 / rank for rank, document in enumerate(dict.fromkeys(ranking), 1)}
        for query, ranking in rankings.items()
    }

    def of(kind: Kind) -> float:
        asked = [query for query, its in data.kinds.items() if its == kind]
        qrels = {query: data.data.qrels[query] for query in asked}
        rows = measures.by_query(qrels, {query: runs[query] for query in asked})
        return measures.means(rows.values()).get("ndcg_10", 0.0)

    first = list(_current_first(data, rankings))
    return Outcome({kind: of(kind) for kind in KINDS}, sum(first) / max(len(first), 1))


def _current_first(data: Aged, rankings: Mapping[str, Sequence[str]]) -> Iterator[bool]:
    for query, kind in data.kinds.items():
        if kind == KINDS[1]:
            wanted = set(data.data.qrels[query])
            either = wanted | {document + _OLDER for document in wanted}
            met = next((document for document in rankings[query] if document in either), None)
            yield met in wanted


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def main(print_line: Callable[[str], None] = print) -> int:
    folder = datasets.data_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    data = aged(sets.load("scifact", folder))
    sizes = ", ".join(f"{sum(its == kind for its in data.kinds.values())} {kind}" for kind in KINDS)
    print_line(f"{data.data.name}: {len(data.data.documents)} documents, {len(data.old)} of them old; claims: {sizes}")
    embedder = evaluation_embedder(Settings())
    for rerank in (False, True):
        print_line(f"{'with' if rerank else 'without'} the lexical reranker: nDCG@10 of each kind; current first")
        for name, outcome in run(data, embedder, rerank=rerank).items():
            figures = "  ".join(f"{outcome.ndcg_10[kind]:.3f}" for kind in KINDS)
            print_line(f"  {name:15} {figures}  {outcome.current_first:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
