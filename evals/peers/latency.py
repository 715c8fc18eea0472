"""How long a query takes under an access filter, and what the filter lets through: each peer's search and Vouch's.

Passages are real, their vectors made up and given, queries real and embedded by each with its own runtime. Every
document belongs to one of ten groups and the asker to five of them. Vouch is its search path in this process: query
embedding, filter, index, fusion. HTTP and the second look at the catalog come on top (`make bench` measures those).
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from acl.compile import compile_filter, compile_payload
from acl.resolve import Access
from evals import sets
from evals.peers.documents import readable
from evals.peers.ours import HYBRID
from evals.peers.passages import passages
from evals.peers.process import PeerProcess, Searched
from evals.peers.wire import Document, Found, Setup, best_first
from retrieval.fuse import fuse
from vouch.core.ids import point_id
from vouch.core.settings import Settings
from vouch.core.types import Clause, IndexQuery, Matrix, Point
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.weights import packaged_folder
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import document_vector, query_vector
from vouch.index.protocol import UpsertPoints

GROUPS = tuple(f"g{number}" for number in range(10))
ASKER = GROUPS[:5]
WARM_UP = 3
LIMIT = 10
DEPTH = 50
"""Passages asked of each arm, of everyone."""
_TENANT = "bench"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Latency:
    """``forbidden``: of all hits, the share that the asker may not see; ``short``: of all queries, the share with fewer
    than :data:`LIMIT` hits, though there are more to be seen."""

    passages: int
    queries: int
    p50_ms: float
    p95_ms: float
    forbidden: float
    short: float


class MadeUp:
    """An :class:`Embedder` of random directions, the same for the same text."""

    name = "made-up"
    dimensions = 384
    max_tokens = 256

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.stack([np.random.default_rng(_seed(text)).standard_normal(self.dimensions) for text in texts])
        unit: Matrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def measure(
    peers: Sequence[str], settings: Settings, *, sizes: Sequence[int], queries: int, data: Path | None = None
) -> list[dict[str, Latency]]:
    """For each of ``sizes``, everyone's ``queries`` over so many passages, one system after the other."""
    everything = list(islice(_documents(data), max(sizes)))
    asked = list(sets.load("scifact", data).queries.values())[: queries + WARM_UP]
    measured: list[dict[str, Latency]] = [{} for _ in sizes]
    embedder = load_embedder(settings)
    for size, found in zip(sizes, measured, strict=True):
        with _ours(everything[:size], embedder) as search:
            found[HYBRID] = _measured(search, asked, _groups(everything[:size]))
    for name in peers:
        with PeerProcess(name, MadeUp()) as peer:
            for size, found in zip(sizes, measured, strict=True):
                found[name] = _of_peer(peer, everything[:size], asked)
                print(f"latency at {size}, {name}: {found[name].p50_ms:.1f} ms", file=sys.stderr, flush=True)
    return measured


def _of_peer(peer: PeerProcess, documents: Sequence[Document], asked: Sequence[str]) -> Latency:
    with tempfile.TemporaryDirectory() as folder:
        peer.build(Setup(str(packaged_folder()), folder, embeds="queries", depth=DEPTH)).ingest(documents)
        return _measured(partial(peer.search, limit=LIMIT, groups=ASKER), asked, _groups(documents))


def _groups(documents: Sequence[Document]) -> dict[str, str]:
    return {one.id: one.group for one in documents}


def _documents(data: Path | None) -> Iterator[Document]:
    """Passages as documents of their own, from the sets that have most."""
    for name in ("scifact", "handbook", "cranfield"):
        loaded = list(readable(sets.load(name, data).documents))
        for number, (_, text) in enumerate(passages(loaded, split=True)):
            key = f"{name}-{number}"
            yield Document(key, text, GROUPS[_seed(key) % len(GROUPS)])


def _measured(search: Callable[[str], Searched], asked: Sequence[str], group_of: dict[str, str]) -> Latency:
    for query in asked[:WARM_UP]:
        search(query)
    results = [search(query) for query in asked[WARM_UP:]]
    milliseconds = np.array([one.seconds for one in results]) * 1000
    hits = [document for one in results for document, _ in one.found]
    return Latency(
        len(group_of),
        len(results),
        float(np.percentile(milliseconds, 50)),
        float(np.percentile(milliseconds, 95)),
        sum(group_of[document] not in ASKER for document in hits) / max(len(hits), 1),
        sum(len(one.found) < LIMIT for one in results) / max(len(results), 1),
    )


@contextmanager
def _ours(documents: Sequence[Document], embedder: Embedder) -> Iterator[Callable[[str], Searched]]:
    """A search of Vouch's own over ``documents``, as one in :data:`ASKER`."""
    asker = Access(_TENANT, "user:asker", frozenset({"user:asker", *(f"group:{one}" for one in ASKER)}), 1)
    with tempfile.TemporaryDirectory() as folder:
        index = EdgeIndex(Path(folder) / "index", "peers")
        try:
            for start in range(0, len(documents), _BATCH):
                index.apply([UpsertPoints(tuple(_points(documents[start : start + _BATCH])))], upto=1)

            def search(query: str) -> Searched:
                began = time.perf_counter()
                vector = embedder.embed([query])[0]
                asked = IndexQuery(vector, query_vector(query) or None, DEPTH)
                ranked = fuse(index.search(asked, compile_filter(asker)))
                found: Found = best_first(((one.document_id, one.scores.fused) for one in ranked), LIMIT)
                return Searched(found, time.perf_counter() - began)

            yield search
        finally:
            index.close()


def _points(documents: Sequence[Document]) -> Iterator[Point]:
    vectors = MadeUp().embed([document.text for document in documents])
    for document, vector in zip(documents, vectors, strict=True):
        yield Point(
            id=point_id(_TENANT, document.id, 1, 0, "peers"),
            tenant=_TENANT,
            document_id=document.id,
            version=1,
            ordinal=0,
            source_id="peers",
            dense=vector,
            lexical=document_vector(document.text),
            access=compile_payload((Clause.of([f"group:{document.group}"]),)),
            mime="text/plain",
            language="en",
            owner="",
            modified_at=0,
        )


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
