"""Vouch as it stands beside the peers: its parser, chunker, index and fusion, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evals.datasets import RetrievalSet
from evals.ranked import Search
from evals.search import search, searchable
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import LexicalReranker
from vouch.gateway.rerank_document import DocumentReranker

HYBRID, FUSED, LEXICAL = "vouch", "vouch, no reranker", "vouch, lexical reranker"
"""As it comes, which is with the document reranker; and what one may set instead."""


@contextmanager
def ours(data: RetrievalSet, embedder: Embedder) -> Iterator[dict[str, Search]]:
    with searchable(data.documents, embedder) as found:
        yield {
            HYBRID: search(found, data, "hybrid", DocumentReranker()),
            FUSED: search(found, data, "hybrid", None),
            LEXICAL: search(found, data, "hybrid", LexicalReranker()),
        }
