"""Text to BM25 sparse vectors: the document's side of BM25 here, the IDF in the engine, over what the asker may see.

A document's term weighs ``tf · (k + 1) / (tf + k · (1 - b + b · length / AVERAGE_LENGTH))``, a query's term 1.
Words are lower-cased, accents folded, English stop words dropped and the rest stemmed (Snowball); a term's
id is a 32-bit hash of its stem, so there is no vocabulary to keep and every process makes the same vectors.
Changing anything here needs a new index generation.
"""

from __future__ import annotations

from functools import cache

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparse

from vouch.core.types import SparseVector

K = 1.2
B = 0.75
AVERAGE_LENGTH = 100.0
"""Terms of a typical chunk after stop words; fixed, because weights are stored and chunks come one at a time."""


@cache
def _model() -> Bm25:
    return Bm25(Bm25Config(k=K, b=B, avg_len=AVERAGE_LENGTH, language="english", ascii_folding=True))


def document_vector(text: str) -> SparseVector:
    """Term weights of a chunk. Empty when ``text`` has no words but stop words."""
    return _ascending(_model().embed_document(text))


def query_vector(text: str) -> SparseVector:
    """Each distinct term of ``text`` once, weight 1. Empty for stop words alone: then there is nothing to search."""
    return _ascending(_model().embed_query(text))


def _ascending(vector: EdgeSparse) -> SparseVector:
    terms = sorted(zip(vector.indices, vector.values, strict=True))
    return SparseVector(tuple(i for i, _ in terms), tuple(v for _, v in terms))
