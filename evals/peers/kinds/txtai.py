"""txtai with `hybrid=True`: its BM25 and its vectors, half and half, scores joined as it joins them by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from txtai import Embeddings

from evals.peers.passages import passages
from evals.peers.wire import Document, Found, Setup, Vectors, best_first

_SQL = "select id, score from txtai where similar(:query, {candidates}) and access in ({groups}) limit {limit}"
_SEPARATOR = "\x1f"


class Txtai:
    """Content is stored where there are groups, since its filters are SQL over what is stored."""

    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._split, self._depth = setup.split, setup.depth
        self._embedder = _given(vectors) if vectors else {"path": setup.model, "method": "sentence-transformers"}
        self._embeddings: Any = None

    def ingest(self, documents: Sequence[Document]) -> int:
        rows = [
            (
                f"{document.id}{_SEPARATOR}{number}",
                {"text": text, "access": document.group} if document.group else text,
            )
            for number, (document, text) in enumerate(passages(documents, self._split))
        ]
        if self._embeddings is None:
            content = any(document.group for document in documents)
            self._embeddings = Embeddings({**self._embedder, "hybrid": True, "content": content})
            self._embeddings.index(rows)
        else:
            self._embeddings.upsert(rows)
        return len(rows)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        if groups is None:
            ranked = self._embeddings.search(query, self._depth)
        else:
            names = ", ".join(f"'{group}'" for group in groups)
            sql = _SQL.format(candidates=self._depth, groups=names, limit=limit)
            ranked = self._embeddings.search(sql, parameters={"query": query})
        pairs = ((one["id"], one["score"]) if isinstance(one, dict) else one for one in ranked)
        return best_first(((key.rpartition(_SEPARATOR)[0], score) for key, score in pairs), limit)


def _given(vectors: Vectors) -> dict[str, Any]:
    def transform(texts: Sequence[str]) -> Any:
        return np.asarray(vectors.of(list(texts)), np.float32)

    return {"method": "external", "transform": transform}
