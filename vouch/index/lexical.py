"""Text to BM25 sparse vectors: the document's side of BM25 here, the IDF in the engine, over what the asker may see.

A document's term weighs ``tf · (k + 1) / (tf + k · (1 - b + b · length / AVERAGE_LENGTH))``, a query's term 1.
Words are lower-cased, accents folded, a language's stop words dropped and the rest stemmed (Snowball): by one language
whatever a text is in, or by each text's own (`vouch/index/words.py`). A term's id is a 32-bit hash of its stem, so
there is no vocabulary to keep and every process makes the same vectors.

An analysis that is here stays as it is as long as an index may have been built by it: changing anything is another
analysis, with a name of its own, and a new index generation. A query is read by the analysis of the generation that it
is asked of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparse

from vouch.core.errors import BadConfig
from vouch.core.types import SparseVector
from vouch.index import words

K = 1.2
B = 0.75
AVERAGE_LENGTH = 100.0
"""Terms of a typical chunk after stop words; fixed, because weights are stored and chunks come one at a time."""


class Analysis(Protocol):
    """How a generation reads words. ``language``: a text's, ISO 639-1; anything else where nobody knows it."""

    def document(self, text: str, language: str = ...) -> SparseVector:
        """Term weights of a text. Empty when it has no words but stop words."""

    def query(self, text: str) -> SparseVector:
        """Each distinct term once, weight 1. Empty for stop words alone: then there is nothing to search."""

    def holding(self, text: str) -> SparseVector:
        """Finds every text that holds the words of ``text``, each as it is. Empty where no terms can promise that."""


@dataclass(frozen=True, slots=True)
class OneLanguage:
    """The engine's own BM25: stop words and stems of one language, for whatever is read."""

    name: str

    def document(self, text: str, language: str = "") -> SparseVector:
        return _ascending(_model(self.name).embed_document(text))

    def query(self, text: str) -> SparseVector:
        return _ascending(_model(self.name).embed_query(text))

    def holding(self, text: str) -> SparseVector:
        return self.query(text)


@dataclass(frozen=True, slots=True)
class OwnLanguage:
    """Documents by the language that each is in, questions by all that they may be in."""

    k: float

    def document(self, text: str, language: str = "") -> SparseVector:
        terms = words.terms(text, language)
        rest = self.k * (1 - B + B * len(terms) / AVERAGE_LENGTH)
        counted = sorted(Counter(terms).items())
        return SparseVector(
            tuple(term for term, _ in counted),
            tuple(times * (self.k + 1) / (times + rest) for _, times in counted),
        )

    def query(self, text: str) -> SparseVector:
        return _each_once(words.possible_terms(text))

    def holding(self, text: str) -> SparseVector:
        return _each_once(words.sure_terms(text))


LEXICAL = "words.v2"
"""The analysis of new generations, unless another is asked for."""
ANALYSES: Mapping[str, Analysis] = {
    "words.v2": OwnLanguage(k=1.5),
    "english.v1": OneLanguage("english"),
    "german.v1": OneLanguage("german"),
}


def analysis_named(name: str) -> Analysis:
    """Raises :class:`BadConfig` for one that this version of Vouch does not have."""
    if name not in ANALYSES:
        raise BadConfig(f"there is no lexical analysis {name!r}; there are {', '.join(ANALYSES)}", field="lexical")
    return ANALYSES[name]


def document_vector(text: str, language: str = "") -> SparseVector:
    """By the analysis of new generations: :meth:`Analysis.document`."""
    return ANALYSES[LEXICAL].document(text, language)


def query_vector(text: str) -> SparseVector:
    """By the analysis of new generations: :meth:`Analysis.query`."""
    return ANALYSES[LEXICAL].query(text)


def english_terms(text: str) -> frozenset[int]:
    """Ids of English stems: what parts besides the index compare words by, whichever generation is asked."""
    return frozenset(ANALYSES["english.v1"].query(text).indices)


@cache
def _model(language: str) -> Bm25:
    return Bm25(Bm25Config(k=K, b=B, avg_len=AVERAGE_LENGTH, language=language, ascii_folding=True))


def _each_once(terms: Sequence[int]) -> SparseVector:
    return SparseVector(tuple(sorted(terms)), (1.0,) * len(terms))


def _ascending(vector: EdgeSparse) -> SparseVector:
    terms = sorted(zip(vector.indices, vector.values, strict=True))
    return SparseVector(tuple(i for i, _ in terms), tuple(v for _, v in terms))
