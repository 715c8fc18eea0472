"""MiniLM and its like on OpenVINO: the runtime of services, free of torch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vouch.core.errors import ModelUnavailable
from vouch.core.types import Matrix
from vouch.gateway.ir import GRAPH, Prepared, compile_graph
from vouch.gateway.weights import ModelFiles
from vouch.gateway.word_pieces import WordPieces, padded

BATCH = 16


class OpenVinoEmbedder:
    """An :class:`vouch.gateway.embed.Embedder` over the prepared graph in ``folder``; threads may share it.

    One infer request behind a lock: the stream has all threads, so a second request would only wait inside the
    runtime and hold buffers of its own. The lock is given back after each batch.
    """

    def __init__(self, name: str, files: ModelFiles, folder: Path, prepared: Prepared, *, threads: int) -> None:
        if prepared.precision is None:
            raise ModelUnavailable(f"OpenVINO cannot serve {files.id}: {prepared.reason}.")
        self.name = name
        self.dimensions = prepared.dimensions
        self.max_tokens = prepared.max_tokens
        self._pooling = prepared.pooling
        self._pieces = WordPieces(files.folder, prepared.max_tokens)
        self._request = compile_graph(folder / GRAPH, prepared.precision, threads).create_infer_request()
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Matrix:
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        if texts:
            ids = self._pieces.ids(texts)
            for batch in length_sorted([len(row) for row in ids], BATCH):
                vectors[batch] = self._infer([ids[at] for at in batch])
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._pieces.count(texts) if texts else []

    def _infer(self, rows: Sequence[Sequence[int]]) -> Matrix:
        ids, mask = padded(rows)
        with self._lock:
            self._request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
            states: Matrix = self._request.get_output_tensor(0).data  # (rows, width, dimensions), the request's own
            pooled = self._pool(states, mask.astype(np.float32))
        vectors: Matrix = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors

    def _pool(self, states: Matrix, mask: Matrix) -> Matrix:
        if self._pooling == "cls":
            return states[:, 0].copy()
        mean: Matrix = np.matmul(mask[:, None, :], states)[:, 0] / mask.sum(axis=1, keepdims=True)
        return mean


def length_sorted(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indexes of ``lengths`` in batches of ``size``, alike lengths together, longest first.

    Longest first: memory peaks with the first batch, and running out of it shows at once.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    for start in range(0, len(order), size):
        yield order[start : start + size]
