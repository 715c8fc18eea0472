"""Reranking with a sentence-transformers cross-encoder. Importing that takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from vouch.core.errors import ModelUnavailable
from vouch.gateway.rerank import Readable
from vouch.gateway.weights import ModelFiles

BATCH = 16


class CrossEncoderReranker:
    """A :class:`vouch.gateway.rerank.Reranker` that reads question and candidate together, in float32 on the CPU."""

    by_vectors = False

    def __init__(self, files: ModelFiles, threads: int) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        torch.set_num_threads(threads)
        self._model = CrossEncoder(
            str(files.folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
        )
        if self._model.num_labels != 1:
            raise ModelUnavailable(f"{files.id} gives {self._model.num_labels} scores a pair; a reranker gives one.")
        self.name = f"cross-encoder:{files.id}@{files.digest[:16]}"
        # transformers sets padding and truncation on the tokeniser in every call: threads must not share it.
        self._lock = threading.Lock()

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        if not candidates:
            return []
        with self._lock:
            pairs = [(question, candidate.text) for candidate in candidates]
            scores = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
        return [float(score) for score in np.asarray(scores)]
