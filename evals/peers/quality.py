"""How well each ranks: nDCG@10, Recall@100 and MRR@10 of every peer and of Vouch, on one set at a time.

Everybody gets the documents as our parser reads them and the same vectors for the same texts, so what differs is how
documents are cut, what is made of their words, and how two rankings become one.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from evals.datasets import RetrievalSet
from evals.peers.documents import readable
from evals.peers.ours import HYBRID, ours
from evals.peers.passages import passages
from evals.peers.process import PeerProcess
from evals.peers.wire import Document, Setup
from evals.ranked import DEPTH, Found, Ranked, Search, put
from vouch.gateway.embed import Embedder
from vouch.gateway.weights import packaged_folder

Cut = Literal["own", "alike"]
SETS = ("scifact", "cranfield", "handbook", "sec-10q", "xquad-en", "xquad-de", "xquad-es")
"""Those over which the mean is taken that Vouch is held to."""
LONG = frozenset({"handbook", "handbook-questions", "sec-10q", "chunk-spans"})
"""Sets of documents longer than the model reads, so that they have to be cut; the others' stay whole."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Compared:
    """A set, or a set with source pages left out. ``figures``: system → measure → mean over queries; ``ndcg``: system →
    nDCG@10 of each query, in one order; ``seconds``: what the system took for the set, all told."""

    name: str
    documents: int
    queries: int
    figures: dict[str, dict[str, float]]
    ndcg: dict[str, list[float]]
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
    ranked: dict[str, tuple[Ranked, ...]] = {}
    seconds: dict[str, float] = {}
    with _timed(data.name, HYBRID, seconds), ours(data, embedder) as searches:
        ranked |= {name: put(data, search) for name, search in searches.items()}
    documents = list(readable(data.documents))
    for peer in peers:
        with _timed(data.name, peer.name, seconds), _ingested(peer, data, documents, cut) as search:
            ranked[peer.name] = put(data, search)
    return [
        Compared(
            variants[HYBRID].name,
            len(documents),
            len(data.qrels),
            {name: one.means for name, one in variants.items()},
            {name: [asked.measures["ndcg_10"] for asked in one.asked] for name, one in variants.items()},
            seconds,
        )
        for variants in (dict(zip(ranked, row, strict=True)) for row in zip(*ranked.values(), strict=True))
    ]


@contextmanager
def _timed(data: str, name: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)
    print(f"{data}, {name}: {seconds[name]:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _ingested(peer: PeerProcess, data: RetrievalSet, documents: Sequence[Document], cut: Cut) -> Iterator[Search]:
    """The peer's search over ``documents``."""
    long = data.name in LONG
    if long and cut == "alike" and peer.name != "bm25":
        documents = [replace(document, text=text) for document, text in passages(documents, split=True)]
    depth = DEPTH + max(map(len, data.on_source.values()), default=0)
    with tempfile.TemporaryDirectory() as folder:
        peer.build(Setup(str(packaged_folder()), folder, language(data.name), split=long and cut == "own"))
        peer.ingest(documents)
        yield lambda text: [Found(document, score) for document, score in peer.search(text, depth).found]
