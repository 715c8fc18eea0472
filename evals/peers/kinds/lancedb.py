"""LanceDB's hybrid query: its full-text index and its vectors, joined by its default, reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lancedb
from lancedb.embeddings import TextEmbeddingFunction, get_registry, register
from lancedb.pydantic import LanceModel, Vector
from lancedb.rerankers import RRFReranker
from pydantic import create_model

from evals.peers.passages import passages
from evals.peers.wire import Document, Found, Setup, Vectors, best_first

DIMENSIONS = 384
_LANGUAGES = {"en": "English", "de": "German", "es": "Spanish"}
_given: list[Vectors] = []
"""LanceDB makes its embedding functions itself, from their names, so what they need lies here."""


@register("given")
class GivenVectors(TextEmbeddingFunction):
    """An embedding function whose vectors are given."""

    def ndims(self) -> int:
        return DIMENSIONS

    def generate_embeddings(self, texts: Any) -> list[list[float]]:
        return _given[0].of([str(text) for text in texts])


class LanceDb:
    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._split, self._depth = setup.split, setup.depth
        self._language = _LANGUAGES[setup.language]
        if vectors:
            _given[:] = [vectors]
        registry = get_registry()
        embedder: Any = (
            registry.get("given").create()
            if vectors
            else registry.get("sentence-transformers").create(name=setup.model, device="cpu", trust_remote_code=False)
        )

        row: Any = create_model(
            "Row",
            __base__=LanceModel,
            document=(str, ...),
            access=(str, ...),
            text=(str, embedder.SourceField()),
            vector=(Vector(DIMENSIONS), embedder.VectorField()),
        )
        self._table: Any = lancedb.connect(setup.folder).create_table("documents", schema=row)
        self._indexed = False

    def ingest(self, documents: Sequence[Document]) -> int:
        rows = [
            {"document": document.id, "access": document.group, "text": text}
            for document, text in passages(documents, self._split)
        ]
        self._table.add(rows)
        if self._indexed:
            self._table.optimize()
        else:
            self._table.create_fts_index("text", language=self._language)
            self._indexed = True
        return len(rows)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        asked = self._table.search(query, query_type="hybrid").rerank(reranker=RRFReranker()).limit(self._depth)
        if groups is not None:
            names = ", ".join(f"'{group}'" for group in groups)
            asked = asked.where(f"access IN ({names})", prefilter=True)
        ranked = asked.select(["document", "text"]).to_list()
        return best_first(((one["document"], one["_relevance_score"]) for one in ranked), limit)
