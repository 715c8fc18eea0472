"""Ordering a few candidates by how well each answers the question: the protocol, and one that reads words alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rank_bm25 import BM25Plus

from vouch.core.sentences import sentences
from vouch.core.settings import Settings
from vouch.core.types import Vector
from vouch.gateway.weights import locate
from vouch.index.lexical import english_terms

CROSS_ENCODER = "cross-encoder:"

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Readable:
    """What a reranker is shown of a hit that the asker may read. ``text`` is in context: title and headings go before
    it. ``fused``: its score in the search. ``vector``: its own, of unit length, for who asks for it; None where it has
    none."""

    text: str
    title: str = ""
    document: str = ""
    fused: float = 0.0
    vector: Vector | None = field(default=None, compare=False)


class Reranker(Protocol):
    """Scores candidates against a question. Implementations may be shared by threads."""

    @property
    def name(self) -> str: ...

    @property
    def by_vectors(self) -> bool:
        """Whether it is to be shown the candidates' vectors."""

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        """One score per candidate, in their order; higher is better. Scores compare within one call only."""


def load_reranker(settings: Settings) -> Reranker | None:
    """The reranker of ``settings.reranker``: ``none`` gives None, ``document`` and ``lexical`` those that
    need no model, and ``cross-encoder:<hub name or folder>`` a sentence-transformers cross-encoder.

    Raises:
        ModelUnavailable: the cross-encoder is not here, cannot be fetched, or gives more than one score.
    """
    if settings.reranker == "none":
        return None
    if settings.reranker == "lexical":
        return LexicalReranker()
    if settings.reranker == "document":
        from vouch.gateway.rerank_document import DocumentReranker

        return DocumentReranker()
    from vouch.gateway.rerank_cross import CrossEncoderReranker

    files = locate(settings.reranker.removeprefix(CROSS_ENCODER))
    return CrossEncoderReranker(files, settings.embed_threads)


class LexicalReranker:
    """BM25 of each candidate's best sentence plus BM25 of the whole candidate.

    Document frequencies are those of the candidates alone, so nothing that the asker may not see takes part,
    and a word that all candidates share counts for little. Words are stemmed as English.
    A candidate that shares no word with the question scores 0.
    """

    name = "lexical"
    by_vectors = False

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        texts = [candidate.text for candidate in candidates]
        wanted = sorted(set(_terms(question)))
        parts = [[_terms(span.of(text)) for span in sentences(text)] for text in texts]
        whole = _bm25(wanted, [[term for part in split for term in part] for split in parts])
        single = iter(_bm25(wanted, [part for split in parts for part in split]))
        best = [max((next(single) for _ in split), default=0.0) for split in parts]
        return [float(a) + float(b) for a, b in zip(whole, best, strict=True)]


def _bm25(query: list[int], corpus: list[list[int]]) -> npt.NDArray[np.float64]:
    """One score per document of ``corpus``. With ``delta=0``, BM25Plus is BM25 whose IDF, log((N + 1) / n), stays
    positive: candidates are alike, and Okapi's IDF turns negative for a term that most of them hold."""
    if not any(corpus):  # rank_bm25 divides by the mean length
        return np.zeros(len(corpus))
    scores: npt.NDArray[np.float64] = BM25Plus(corpus, delta=0).get_scores(query)
    return scores


def _terms(text: str) -> list[int]:
    return [term for word in _WORD.findall(text) for term in _stem(word.lower())]


@lru_cache(maxsize=50_000)
def _stem(word: str) -> tuple[int, ...]:
    """The id of the word's English stem; none for a stop word."""
    return tuple(sorted(english_terms(word)))
