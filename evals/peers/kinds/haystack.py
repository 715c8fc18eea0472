"""Haystack: an in-memory store, a BM25 and an embedding retriever, their rankings joined by reciprocal rank fusion.

As its tutorial on hybrid retrieval has it: splitter, document embedder and writer on the way in; text embedder, both
retrievers and a joiner on the way out. The splitter is left as it comes (200 words), so are BM25's constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from haystack import Document as Content
from haystack import Pipeline, component
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

from evals.peers.wire import Document, Found, Setup, Vectors, best_first


@component
class GivenDocumentVectors:
    """A document embedder whose vectors are given."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    @component.output_types(documents=list[Content])
    def run(self, documents: list[Content]) -> dict[str, list[Content]]:
        rows = self._vectors.of([document.content for document in documents])
        embedded = [replace(document, embedding=row) for document, row in zip(documents, rows, strict=True)]
        return {"documents": embedded}


@component
class GivenTextVectors:
    """A text embedder whose vectors are given."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": self._vectors.of([text])[0]}


class Haystack:
    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        self._into = _indexing(setup, vectors, store)
        self._query = _querying(setup, vectors, store)

    def ingest(self, documents: Sequence[Document]) -> int:
        contents = [
            Content(content=document.text, meta={"document": document.id, "group": document.group})
            for document in documents
            if document.text.strip()
        ]
        first = "splitter" if "splitter" in self._into.graph.nodes else "embedder"
        written: int = self._into.run({first: {"documents": contents}})["writer"]["documents_written"]
        return written

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        filters = None if groups is None else {"field": "meta.group", "operator": "in", "value": list(groups)}
        asked: dict[str, dict[str, Any]] = {
            "embedder": {"text": query},
            "dense": {"filters": filters},
            "lexical": {"query": query, "filters": filters},
        }
        ranked = self._query.run(asked)["joiner"]["documents"]
        return best_first(((one.meta["document"], one.score) for one in ranked), limit)


def _indexing(setup: Setup, vectors: Vectors | None, store: Any) -> Any:
    pipeline = Pipeline()
    pipeline.add_component("embedder", _document_embedder(setup, vectors))
    pipeline.add_component("writer", DocumentWriter(document_store=store, policy=DuplicatePolicy.OVERWRITE))
    pipeline.connect("embedder.documents", "writer.documents")
    if setup.split:
        pipeline.add_component("splitter", DocumentSplitter())
        pipeline.connect("splitter.documents", "embedder.documents")
    return pipeline


def _querying(setup: Setup, vectors: Vectors | None, store: Any) -> Any:
    pipeline = Pipeline()
    pipeline.add_component("embedder", _text_embedder(setup, vectors))
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(document_store=store, top_k=setup.depth))
    pipeline.add_component("lexical", InMemoryBM25Retriever(document_store=store, top_k=setup.depth))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("lexical", "joiner")
    pipeline.connect("dense", "joiner")
    return pipeline


def _document_embedder(setup: Setup, vectors: Vectors | None) -> Any:
    if vectors:
        return GivenDocumentVectors(vectors)
    # Only where it is used: it takes seconds to import.
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    return SentenceTransformersDocumentEmbedder(model=setup.model, progress_bar=False, local_files_only=True)


def _text_embedder(setup: Setup, vectors: Vectors | None) -> Any:
    if vectors:
        return GivenTextVectors(vectors)
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder

    return SentenceTransformersTextEmbedder(model=setup.model, progress_bar=False, local_files_only=True)
