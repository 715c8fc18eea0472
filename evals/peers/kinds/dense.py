"""MiniLM alone: every passage compared with the query, exactly, by one multiplication in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evals.peers.own_vectors import OwnVectors
from evals.peers.passages import passages
from evals.peers.wire import Document, Found, Setup, Vectors, best_first


class Dense:
    def __init__(self, setup: Setup, vectors: Vectors | None) -> None:
        self._split = setup.split
        self._vectors: Vectors = vectors or OwnVectors(setup.model, setup.threads)
        self._owners: list[Document] = []
        self._matrix: npt.NDArray[np.float32] | None = None
        self._masks: dict[tuple[str, ...], npt.NDArray[np.bool_]] = {}

    def ingest(self, documents: Sequence[Document]) -> int:
        cut = list(passages(documents, self._split))
        rows = np.asarray(self._vectors.of([text for _, text in cut]), np.float32)
        self._matrix = rows if self._matrix is None else np.concatenate([self._matrix, rows])
        self._owners += [document for document, _ in cut]
        self._masks.clear()
        return len(cut)

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        assert self._matrix is not None, "nothing was ingested"
        scores = self._matrix @ np.asarray(self._vectors.of([query])[0], np.float32)
        order = np.argsort(-scores, kind="stable")
        if groups is not None:
            order = order[self._mask(groups)[order]]
        return best_first(((self._owners[place].id, float(scores[place])) for place in order), limit)

    def _mask(self, groups: Sequence[str]) -> npt.NDArray[np.bool_]:
        key = tuple(groups)
        if key not in self._masks:
            self._masks[key] = np.array([document.group in groups for document in self._owners])
        return self._masks[key]
