"""How well each ranks: nDCG@10, Recall@100 and MRR@10 of every peer and of Vouch, on one set at a time.

Everybody gets the documents as our parser reads them and the same vectors for the same texts, so what differs is how
documents are cut, what is made of their words, and how two rankings become one.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import ir_measures
from ir_measures import RR, R, nDCG

from evals.datasets import Qrels, RetrievalSet
from evals.measures import Run
from evals.peers.documents import readable
from evals.peers.ours import HYBRID, RERANKING, ours
from evals.peers.passages import passages
from evals.peers.process import PeerProcess
from evals.peers.wire import Document, Found, Setup
from vouch.gateway.embed import Embedder
from vouch.gateway.weights import packaged_folder

Cut = Literal["own", "alike"]
SETS = ("scifact", "cranfield", "handbook", "sec-10q", "xquad-en", "xquad-de", "xquad-es")
"""Those over which the mean is taken that Vouch is held to."""
LONG = frozenset({"handbook", "sec-10q", "chunk-spans"})
"""Sets of documents longer than the model reads, so that they have to be cut; the others' stay whole."""
LESS_SOURCE = "less source pages"
SEED = 7
_RANKED = 100
_MEASURES = {"ndcg_10": nDCG @ 10, "recall_100": R @ 100, "mrr_10": RR @ 10}


@dataclass(frozen=True, slots=True)
class Compared:
    """``figures``: system → measure → mean over queries. ``seconds``: what the system took for the set, all told."""

    name: str
    documents: int
    queries: int
    figures: dict[str, dict[str, float]]
    seconds: dict[str, float]


def language(name: str) -> str:
    return name.rpartition("-")[2] if name.startswith("xquad-") else "en"


def smaller(data: RetrievalSet, documents: int | None, queries: int | None) -> RetrievalSet:
    """At most so many judged queries, and their documents with others up to so many; the same ones each time."""
    rng = random.Random(SEED)  # noqa: S311 - what is drawn is to be the same each time
    asked = sorted(data.qrels)
    if queries is not None and len(asked) > queries:
        asked = sorted(rng.sample(asked, queries))
    qrels = {query: data.qrels[query] for query in asked}
    kept = data.documents
    if documents is not None and len(kept) > documents:
        wanted = {document for judged in qrels.values() for document in judged}
        others = [one.id for one in kept if one.id not in wanted]
        rng.shuffle(others)
        wanted |= set(others[: max(0, documents - len(wanted))])
        kept = tuple(one for one in kept if one.id in wanted)
    return replace(data, documents=kept, queries={query: data.queries[query] for query in asked}, qrels=qrels)


def compare(data: RetrievalSet, embedder: Embedder, peers: Sequence[PeerProcess], cut: Cut) -> list[Compared]:
    """The set, and again with each query's source pages taken out of the rankings where the set knows them."""
    runs: dict[str, dict[str, Found]] = {}
    seconds: dict[str, float] = {}
    depth = _RANKED + max(map(len, data.on_source.values()), default=0)
    with _timed(data.name, HYBRID, seconds):
        runs |= _ours(data, embedder, depth)
    documents = list(readable(data.documents))
    for peer in peers:
        with _timed(data.name, peer.name, seconds):
            runs[peer.name] = _peer(peer, data, documents, cut, depth)
    return [
        Compared(variant, len(documents), len(data.qrels), _figures(data.qrels, runs, hidden), seconds)
        for variant, hidden in _variants(data)
    ]


@contextmanager
def _timed(data: str, name: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)
    print(f"{data}, {name}: {seconds[name]:.0f} s", file=sys.stderr, flush=True)


def _variants(data: RetrievalSet) -> list[tuple[str, dict[str, frozenset[str]]]]:
    whole: list[tuple[str, dict[str, frozenset[str]]]] = [(data.name, {})]
    return [*whole, (f"{data.name} {LESS_SOURCE}", data.on_source)] if data.on_source else whole


def _ours(data: RetrievalSet, embedder: Embedder, depth: int) -> dict[str, dict[str, Found]]:
    with ours(data.documents, embedder) as found:
        asked = {query: data.queries[query] for query in data.qrels}
        return {
            name: {query: found.search(text, depth, rerank=rerank) for query, text in asked.items()}
            for name, rerank in ((HYBRID, False), (RERANKING, True))
        }


def _peer(
    peer: PeerProcess, data: RetrievalSet, documents: Sequence[Document], cut: Cut, depth: int
) -> dict[str, Found]:
    long = data.name in LONG
    if long and cut == "alike" and peer.name != "bm25":
        documents = [replace(document, text=text) for document, text in passages(documents, split=True)]
    with tempfile.TemporaryDirectory() as folder:
        peer.build(Setup(str(packaged_folder()), folder, language(data.name), split=long and cut == "own"))
        peer.ingest(documents)
        return {query: peer.search(data.queries[query], depth).found for query in data.qrels}


def _figures(
    qrels: Qrels, runs: dict[str, dict[str, Found]], hidden: dict[str, frozenset[str]]
) -> dict[str, dict[str, float]]:
    return {
        name: figures(qrels, {query: ranks(found, hidden.get(query, ())) for query, found in run.items()})
        for name, run in runs.items()
    }


def ranks(found: Found, hidden: Collection[str]) -> dict[str, float]:
    """Falling scores of the rank, ``hidden`` left out: a peer's own scores may tie where its order does not."""
    kept = [document for document, _ in found if document not in hidden][:_RANKED]
    return {document: 1.0 / rank for rank, document in enumerate(kept, 1)}


def figures(qrels: Qrels, run: Run) -> dict[str, float]:
    """Means over every judged query; one without a ranking counts as 0."""
    found = ir_measures.calc_aggregate(list(_MEASURES.values()), qrels, run)
    return {name: float(found[measure]) for name, measure in _MEASURES.items()}
