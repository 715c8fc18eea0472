"""Vectors as peers make them by default: sentence-transformers in float32. Imported in their environment alone."""

from __future__ import annotations

from collections.abc import Sequence


class OwnVectors:
    """:class:`evals.peers.wire.Vectors` from the weights in a folder, of unit length."""

    def __init__(self, model: str, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self._model = SentenceTransformer(model, device="cpu", local_files_only=True)

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        rows: list[list[float]] = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        ).tolist()
        return rows
