"""Plain BM25 by `bm25s`: its default variant and constants, stop words and a Snowball stemmer, whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bm25s
import numpy as np
import Stemmer

from evals.peers.wire import Document, Found, Setup, Vectors

_STEMMERS = {"en": "english", "de": "german", "es": "spanish"}


class Bm25:
    """Documents are not cut: BM25 knows their length."""

    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._language = setup.language
        self._stemmer = Stemmer.Stemmer(_STEMMERS[setup.language])
        self._documents: list[Document] = []
        self._index: Any = None
        self._masks: dict[tuple[str, ...], Any] = {}

    def ingest(self, documents: Sequence[Document]) -> int:
        """Its scores are worked out at indexing, so all documents are indexed anew."""
        kept = [document for document in documents if document.text.strip()]
        self._documents += kept
        self._masks.clear()
        self._index = bm25s.BM25()
        self._index.index(self._tokens([document.text for document in self._documents]), show_progress=False)
        return len(kept)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        places, scores = self._index.retrieve(
            self._tokens([query]),
            k=min(limit, len(self._documents)),
            weight_mask=None if groups is None else self._mask(groups),
            show_progress=False,
        )
        ranked = zip(places[0].tolist(), scores[0].tolist(), strict=True)
        return [(self._documents[place].id, score) for place, score in ranked if score > 0]

    def _tokens(self, texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords=self._language, stemmer=self._stemmer, show_progress=False)

    def _mask(self, groups: Sequence[str]) -> Any:
        """Built once for each asker: one made anew for every query would cost more than the search."""
        key = tuple(groups)
        if key not in self._masks:
            self._masks[key] = np.array([document.group in groups for document in self._documents], dtype=np.float32)
        return self._masks[key]
