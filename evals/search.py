"""Retrieval as the product does it: its parser, chunker, embedder, index and fusion, over an evaluation set.

A document's score is its best chunk's. Only the catalog and the network are left out, so a figure here is
one of the platform, not of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from acl.compile import compile_filter, compile_payload
from acl.resolve import Access
from evals import measures
from evals.datasets import RawDocument, RetrievalSet
from evals.measures import Retrieval, Run
from ingestion.chunk import chunk
from ingestion.parse import parse
from retrieval.fuse import fuse
from vouch.core.context import in_context, lexical_context
from vouch.core.errors import DocumentRejected
from vouch.core.ids import point_id
from vouch.core.types import AUTHENTICATED, AccessFilter, Clause, IndexHits, IndexQuery, Point, Span
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import LexicalReranker, Reranker
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import document_vector, query_vector
from vouch.index.protocol import UpsertPoints

Mode = Literal["lexical", "dense", "hybrid", "hybrid+reranker"]
MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid", "hybrid+reranker")
DEPTH = 200
"""Chunks asked of each arm: enough for Recall@100 of documents that have several."""
RERANKED = 30
"""Chunks reranked, as in the product."""
_TENANT = "evaluation"
_ACL = (Clause.of([AUTHENTICATED]),)


@dataclass(frozen=True, slots=True)
class Section:
    """A chunk: ``title`` and ``headings`` are what it stands under, ``text`` is ``span`` of the document's text."""

    document: str
    ordinal: int
    title: str
    headings: tuple[str, ...]
    place: str
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Searchable:
    """An indexed set. ``sections`` by (document, ordinal)."""

    index: EdgeIndex
    access: AccessFilter
    embedder: Embedder
    sections: dict[tuple[str, int], Section]
    rejected: tuple[str, ...]

    def hits(self, query: str, depth: int = DEPTH) -> IndexHits:
        vector = self.embedder.embed([query])[0]
        return self.index.search(IndexQuery(vector, query_vector(query) or None, depth), self.access)


@dataclass(frozen=True, slots=True)
class SearchReport:
    """``excluding_source``: with each query's own source pages left out of its ranking; None where it has none."""

    name: str
    documents: int
    chunks: int
    figures: dict[Mode, Retrieval]
    excluding_source: dict[Mode, Retrieval] | None


@contextmanager
def searchable(documents: Sequence[RawDocument], embedder: Embedder) -> Iterator[Searchable]:
    """Parse, chunk, embed and index ``documents`` in a folder that is gone after the block.

    What cannot be parsed is listed, not hidden.
    """
    sections: list[Section] = []
    rejected: list[str] = []
    for document in documents:
        try:
            sections += _sections(document, embedder)
        except DocumentRejected:
            rejected.append(document.id)
    vectors = embedder.embed([in_context(s.title, s.headings, s.text) for s in sections])
    payload = compile_payload(_ACL)
    points = tuple(
        Point(
            id=point_id(_TENANT, s.document, 1, s.ordinal, "evals"),
            tenant=_TENANT,
            document_id=s.document,
            version=1,
            ordinal=s.ordinal,
            source_id="evals",
            dense=vector,
            lexical=document_vector(lexical_context(s.title, s.headings, s.text)),
            access=payload,
            mime="text/plain",
            language="en",
            owner="",
            modified_at=0,
        )
        for s, vector in zip(sections, vectors, strict=True)
    )
    access = compile_filter(Access(_TENANT, "user:evals", frozenset({"user:evals", AUTHENTICATED}), 1))
    by_place = {(s.document, s.ordinal): s for s in sections}
    with TemporaryDirectory() as folder:
        index = EdgeIndex(Path(folder) / "index", "evals")
        try:
            index.apply([UpsertPoints(points)], upto=1)
            yield Searchable(index, access, embedder, by_place, tuple(rejected))
        finally:
            index.close()


def run(data: RetrievalSet, embedder: Embedder, *, limit: int | None = None) -> SearchReport:
    """Every mode over the same index. ``limit`` takes the first queries only."""
    queries = dict(list(data.queries.items())[:limit])
    qrels = {query: data.qrels[query] for query in queries if query in data.qrels}
    with searchable(data.documents, embedder) as found:
        rankings = _rankings(found, queries)
    runs: dict[Mode, Run] = {mode: _run(rankings[mode]) for mode in MODES}
    figures = {mode: measures.retrieval(qrels, runs[mode]) for mode in MODES}
    without = None
    if data.on_source:
        kept = {mode: _run(rankings[mode], data.on_source) for mode in MODES}
        without = {mode: measures.retrieval(qrels, kept[mode]) for mode in MODES}
    return SearchReport(data.name, len(data.documents) - len(found.rejected), len(found.sections), figures, without)


Ranking = list[tuple[str, int]]
"""(document, ordinal), best first."""


def _rankings(found: Searchable, queries: dict[str, str]) -> dict[Mode, dict[str, Ranking]]:
    reranker = LexicalReranker()
    rankings: dict[Mode, dict[str, Ranking]] = {mode: {} for mode in MODES}
    for query_id, text in queries.items():
        hits = found.hits(text)
        fused = [(c.document_id, c.ordinal) for c in fuse(hits)]
        rankings["dense"][query_id] = [(h.document_id, h.ordinal) for h in hits.dense]
        rankings["lexical"][query_id] = [(h.document_id, h.ordinal) for h in hits.lexical]
        rankings["hybrid"][query_id] = fused
        rankings["hybrid+reranker"][query_id] = _reranked(found, reranker, text, fused)
    return rankings


def _reranked(found: Searchable, reranker: Reranker, query: str, ranking: Ranking) -> Ranking:
    head, tail = ranking[:RERANKED], ranking[RERANKED:]
    shown = [found.sections[key] for key in head]
    texts = [in_context(s.title, s.headings, s.text) for s in shown]
    scores = dict(zip(head, reranker.rerank(query, texts), strict=True)) if head else {}
    return sorted(head, key=lambda key: -scores[key]) + tail


def _run(rankings: dict[str, Ranking], without: dict[str, frozenset[str]] | None = None) -> Run:
    """Best chunk per document, as falling scores of the rank."""
    run: Run = {}
    for query, ranking in rankings.items():
        hidden = (without or {}).get(query, frozenset())
        documents = [d for d in dict.fromkeys(document for document, _ in ranking) if d not in hidden]
        run[query] = {document: 1.0 / rank for rank, document in enumerate(documents, 1)}
    return run


def _sections(document: RawDocument, embedder: Embedder) -> Iterator[Section]:
    parsed = parse(document.data, document.name)
    title = document.title or parsed.title
    count: Callable[[list[str]], list[int]] = embedder.count_tokens
    for draft in chunk(parsed, count):
        text = draft.span.of(parsed.text)
        yield Section(document.id, draft.ordinal, title, draft.heading_path, draft.place, draft.span, text)
