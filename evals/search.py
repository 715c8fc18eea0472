"""Retrieval as the product does it: its parser, chunker, embedder, index and fusion, over an evaluation set.

A document's score is its best chunk's. Only the catalog and the network are left out, so a figure here is
one of the platform, not of a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from acl.compile import compile_filter, compile_payload
from acl.resolve import Access
from evals.datasets import RawDocument, RetrievalSet
from evals.profiles import ChunkSize
from evals.ranked import Found, Search
from evals.spans import Offsets
from ingestion.chunk import CountTokens, chunk
from ingestion.parse import parse
from ingestion.parse.document import Parsed
from retrieval.fuse import fuse
from retrieval.rerank import DEPTH as RERANKED
from retrieval.spelling import read_as, readings
from retrieval.types import Mode, Reading
from vouch.core.context import in_context, lexical_context
from vouch.core.errors import DocumentRejected
from vouch.core.ids import point_id
from vouch.core.types import AUTHENTICATED, AccessFilter, Clause, IndexHits, IndexQuery, Point, Span, Vector
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import Readable, Reranker
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import ANALYSES, LEXICAL, document_vector, query_vector
from vouch.index.protocol import UpsertPoints

DEPTH = 200
"""Chunks asked of each arm: enough for Recall@100 of documents that have several."""
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
    language: str


@dataclass(frozen=True, slots=True)
class Searchable:
    """An indexed set. ``sections`` and their ``vectors`` by (document, ordinal); ``texts``: each document's, as it was
    read."""

    index: EdgeIndex
    access: AccessFilter
    embedder: Embedder
    sections: dict[tuple[str, int], Section]
    vectors: dict[tuple[str, int], Vector]
    texts: dict[str, str]
    rejected: tuple[str, ...]
    _known: dict[str, IndexHits] = field(default_factory=dict)

    def hits(self, query: str) -> IndexHits:
        """Both arms, asked once however many profiles look at them."""
        if query not in self._known:
            vector = self.embedder.embed([query])[0]
            asked = IndexQuery(vector, query_vector(query) or None, DEPTH)
            self._known[query] = self.index.search(asked, self.access)
        return self._known[query]


@contextmanager
def searchable(
    documents: Sequence[RawDocument], embedder: Embedder, size: ChunkSize = ChunkSize()
) -> Iterator[Searchable]:
    """Parse, chunk, embed and index ``documents`` in a folder that is gone after the block.

    What cannot be parsed is listed, not hidden.
    """
    sections: list[Section] = []
    texts: dict[str, str] = {}
    rejected: list[str] = []
    for document in documents:
        try:
            parsed = parse(document.data, document.name)
        except DocumentRejected:
            rejected.append(document.id)
            continue
        texts[document.id] = parsed.text
        sections += _sections(document, parsed, embedder.count_tokens, size)
    points = _points(sections, embedder)
    access = compile_filter(Access(_TENANT, "user:evals", frozenset({"user:evals", AUTHENTICATED}), 1))
    by_place = {(s.document, s.ordinal): s for s in sections}
    vectors = dict(zip(by_place, (point.dense for point in points), strict=True))
    with TemporaryDirectory() as folder:
        index = EdgeIndex(Path(folder) / "index", "evals")
        try:
            index.apply([UpsertPoints(points)], upto=1)
            yield Searchable(index, access, embedder, by_place, vectors, texts, tuple(rejected))
        finally:
            index.close()


def search(found: Searchable, data: RetrievalSet, mode: Mode, reranker: Reranker | None) -> Search:
    """What the product finds for a question, as a function of the question."""
    evident = {piece.document for pieces in data.evidence.values() for piece in pieces}
    own = {one.id: one.data.decode() for one in data.documents if one.id in evident}
    offsets = {name: Offsets(name, text, found.texts[name]) for name, text in own.items() if name in found.texts}

    def asked(question: str) -> list[Found]:
        ranked = answering_to(found, question, mode, reranker)
        return [_found(found.sections[key], score, offsets.get(key[0])) for key, score in ranked]

    return asked


Ranking = list[tuple[tuple[str, int], float]]
"""(document, ordinal) and its score, best first."""


def answering_to(found: Searchable, question: str, mode: Mode, reranker: Reranker | None) -> Ranking:
    """Chunks for a question, read as the product reads it, and ordered as it orders them."""
    words = read_as(question, read(found, question, mode))
    ranked = ranking(found.hits(words), mode)
    return reranked(found, reranker, words, ranked) if reranker is not None else ranked


def read(found: Searchable, question: str, mode: Mode = "hybrid") -> tuple[Reading, ...]:
    """What words of the question are read as."""
    return readings(question, texts_of(found, ranking(found.hits(question), mode)), ANALYSES[LEXICAL])


def texts_of(found: Searchable, ranked: Ranking) -> list[str]:
    """What a first page's candidates say."""
    sections = (found.sections[key] for key, _ in ranked[:RERANKED])
    return [in_context(one.title, one.headings, one.text) for one in sections]


def ranking(hits: IndexHits, mode: Mode) -> Ranking:
    """Chunks as search has them before a reranker."""
    if mode == "hybrid":
        return [((one.document_id, one.ordinal), one.scores.fused) for one in fuse(hits)]
    arm = hits.dense if mode == "dense" else hits.lexical
    return [((hit.document_id, hit.ordinal), hit.score) for hit in arm]


def reranked(found: Searchable, reranker: Reranker, query: str, ranked: Ranking) -> Ranking:
    """The first thirty chunks ordered again, as in the product; what comes after them stays behind them."""
    head, tail = ranked[:RERANKED], ranked[RERANKED:]
    if not head:
        return tail
    scores = reranker.rerank(query, [readable(found, key, fused) for key, fused in head])
    scored = [(key, score) for (key, _), score in zip(head, scores, strict=True)]
    return sorted(scored, key=lambda one: -one[1]) + tail


def readable(found: Searchable, key: tuple[str, int], fused: float) -> Readable:
    """What a reranker is shown of a passage."""
    section = found.sections[key]
    text = in_context(section.title, section.headings, section.text)
    return Readable(text, section.title, section.document, fused, found.vectors[key])


def _found(section: Section, score: float, offsets: Offsets | None) -> Found:
    # Of a document that answers nothing only the length counts, and that is about the same as it was read.
    return Found(section.document, score, offsets.of(section.span) if offsets is not None else section.span)


def _points(sections: Sequence[Section], embedder: Embedder) -> tuple[Point, ...]:
    vectors = embedder.embed([in_context(s.title, s.headings, s.text) for s in sections])
    payload = compile_payload(_ACL)
    return tuple(
        Point(
            id=point_id(_TENANT, s.document, 1, s.ordinal, "evals"),
            tenant=_TENANT,
            document_id=s.document,
            version=1,
            ordinal=s.ordinal,
            source_id="evals",
            dense=vector,
            lexical=document_vector(lexical_context(s.title, s.headings, s.text), s.language),
            access=payload,
            mime="text/plain",
            language=s.language,
            owner="",
            modified_at=0,
        )
        for s, vector in zip(sections, vectors, strict=True)
    )


def _sections(document: RawDocument, parsed: Parsed, count: CountTokens, size: ChunkSize) -> Iterator[Section]:
    title = document.title or parsed.title
    for draft in chunk(parsed, count, target=size.target, limit=size.limit):
        text = draft.span.of(parsed.text)
        place, language = draft.place, parsed.language
        yield Section(document.id, draft.ordinal, title, draft.heading_path, place, draft.span, text, language)
