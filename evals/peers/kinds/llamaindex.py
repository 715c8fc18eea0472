"""LlamaIndex: a vector index and its BM25 retriever under a fusion retriever with reciprocal ranks, one query each.

As its guide on reciprocal rank fusion has it, less the questions that a language model would add. Long documents are
cut by its sentence splitter at 256 tokens, the guide's figure, which is also as much as MiniLM reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import Stemmer
from llama_index.core import Document as Content
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.retrievers.bm25 import BM25Retriever

from evals.peers.wire import Document, Found, Setup, Vectors, best_first

CHUNK = 256
_STEMMERS = {"en": "english", "de": "german", "es": "spanish"}
_KEYS = ["document", "group"]


class GivenVectors(BaseEmbedding):
    """An embedding model whose vectors are given."""

    vectors: Any = None

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        rows: list[list[float]] = self.vectors.of(texts)
        return rows

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class LlamaIndex:
    """The BM25 retriever takes its filter when it is built, so it is built without: its arm sees everything."""

    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._setup = setup
        self._embedding = _embedding(setup, vectors)
        self._splitter = SentenceSplitter(chunk_size=CHUNK) if setup.split else SentenceSplitter()
        self._nodes: list[Any] = []
        self._index: Any = None
        self._lexical: Any = None

    def ingest(self, documents: Sequence[Document]) -> int:
        contents = [_content(document) for document in documents if document.text.strip()]
        nodes = self._splitter.get_nodes_from_documents(contents)
        if self._index is None:
            self._index = VectorStoreIndex(nodes, embed_model=self._embedding)
        else:
            self._index.insert_nodes(nodes)
        self._nodes += nodes
        self._lexical = BM25Retriever.from_defaults(
            nodes=self._nodes,
            similarity_top_k=min(self._setup.depth, len(self._nodes)),
            stemmer=Stemmer.Stemmer(_STEMMERS[self._setup.language]),
            language=self._setup.language,
        )
        return len(nodes)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        filters = (
            None
            if groups is None
            else MetadataFilters(filters=[MetadataFilter(key="group", value=list(groups), operator=FilterOperator.IN)])
        )
        fusion = QueryFusionRetriever(
            [self._index.as_retriever(similarity_top_k=self._setup.depth, filters=filters), self._lexical],
            llm=MockLLM(),
            mode="reciprocal_rerank",
            similarity_top_k=2 * self._setup.depth,
            num_queries=1,
            use_async=False,
        )
        ranked = fusion.retrieve(query)
        return best_first(((one.node.metadata["document"], one.score) for one in ranked), limit)


def _content(document: Document) -> Any:
    """Our two keys are kept out of what is embedded and indexed."""
    return Content(
        text=document.text,
        metadata={"document": document.id, "group": document.group},
        excluded_embed_metadata_keys=_KEYS,
        excluded_llm_metadata_keys=_KEYS,
    )


def _embedding(setup: Setup, vectors: Vectors | None) -> Any:
    if vectors:
        return GivenVectors(model_name="given", vectors=vectors, embed_batch_size=256)
    # Only where it is used: it takes seconds to import.
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=setup.model, device="cpu")
