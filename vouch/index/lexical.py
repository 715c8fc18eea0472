"""Text to BM25 sparse vectors: the document's side of BM25 here, the IDF in the engine, over what the asker may see.

A document's term weighs ``tf · (k + 1) / (tf + k · (1 - b + b · length / AVERAGE_LENGTH))``, a query's term 1.
Words are lower-cased, accents folded, a language's stop words dropped and the rest stemmed (Snowball); a term's
id is a 32-bit hash of its stem, so there is no vocabulary to keep and every process makes the same vectors.

An analysis that is here stays as it is as long as an index may have been built by it: changing anything is another
analysis, with a name of its own, and a new index generation. A query is read by the analysis of the generation that it
is asked of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparse

from vouch.core.context import lexical_context
from vouch.core.errors import BadConfig
from vouch.core.types import SparseVector

K = 1.2
B = 0.75
AVERAGE_LENGTH = 100.0
"""Terms of a typical chunk after stop words; fixed, because weights are stored and chunks come one at a time."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Stop words and stems of one language."""

    language: str

    def chunk(self, title: str, heading_path: Sequence[str], text: str) -> SparseVector:
        """Term weights of a chunk where it stands."""
        return self.document(lexical_context(title, heading_path, text))

    def document(self, text: str) -> SparseVector:
        """Term weights of a text. Empty when it has no words but stop words."""
        return _ascending(_model(self.language).embed_document(text))

    def query(self, text: str) -> SparseVector:
        """Each distinct term once, weight 1. Empty for stop words alone: then there is nothing to search."""
        return _ascending(_model(self.language).embed_query(text))


LEXICAL = "english.v1"
"""The analysis of new generations, unless another is asked for."""
ANALYSES: Mapping[str, Analysis] = {"english.v1": Analysis("english"), "german.v1": Analysis("german")}


def analysis_named(name: str) -> Analysis:
    """Raises :class:`BadConfig` for one that this version of Vouch does not have."""
    if name not in ANALYSES:
        raise BadConfig(f"there is no lexical analysis {name!r}; there are {', '.join(ANALYSES)}", field="lexical")
    return ANALYSES[name]


def document_vector(text: str) -> SparseVector:
    """By the analysis of new generations: :meth:`Analysis.document`."""
    return ANALYSES[LEXICAL].document(text)


def query_vector(text: str) -> SparseVector:
    """By the analysis of new generations: :meth:`Analysis.query`."""
    return ANALYSES[LEXICAL].query(text)


@cache
def _model(language: str) -> Bm25:
    return Bm25(Bm25Config(k=K, b=B, avg_len=AVERAGE_LENGTH, language=language, ascii_folding=True))


def _ascending(vector: EdgeSparse) -> SparseVector:
    terms = sorted(zip(vector.indices, vector.values, strict=True))
    return SparseVector(tuple(i for i, _ in terms), tuple(v for _, v in terms))
