"""Chroma in this process: dense alone. Its hybrid search is in the wheel but serves its cloud: here it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chromadb
import numpy as np
from chromadb.api.types import EmbeddingFunction
from chromadb.config import Settings
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

from evals.peers.passages import passages
from evals.peers.wire import Document, Found, Setup, Vectors, best_first

BATCH = 1_000


class GivenVectors(EmbeddingFunction):
    """An embedding function whose vectors are given."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def __call__(self, input: list[str]) -> list[Any]:
        return [np.asarray(row, np.float32) for row in self._vectors.of(list(input))]

    @staticmethod
    def name() -> str:
        return "given"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Any:
        raise NotImplementedError("vectors that are given are given to one process")


class Chroma:
    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._split, self._depth = setup.split, setup.depth
        client = chromadb.PersistentClient(setup.folder, Settings(anonymized_telemetry=False))
        embedder: Any = GivenVectors(vectors) if vectors else SentenceTransformerEmbeddingFunction(setup.model)
        self._collection: Any = client.create_collection(
            "documents", embedding_function=embedder, configuration={"hnsw": {"space": "cosine"}}
        )
        self._passages = 0

    def ingest(self, documents: Sequence[Document]) -> int:
        cut = list(passages(documents, self._split))
        for start in range(0, len(cut), BATCH):
            part = cut[start : start + BATCH]
            self._collection.add(
                ids=[str(self._passages + place) for place in range(len(part))],
                documents=[text for _, text in part],
                metadatas=[{"document": document.id, "group": document.group} for document, _ in part],
            )
            self._passages += len(part)
        return len(cut)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        found = self._collection.query(
            query_texts=[query],
            n_results=min(self._depth, self._passages),
            where=None if groups is None else {"group": {"$in": list(groups)}},
            include=["metadatas", "distances"],
        )
        ranked = zip(found["metadatas"][0], found["distances"][0], strict=True)
        return best_first(((one["document"], 1 - distance) for one, distance in ranked), limit)
