"""The reference runtime: sentence-transformers in float32. Slow to import and to run; right by definition."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from vouch.core.types import Matrix
from vouch.gateway.weights import ModelFiles

BATCH = 16


class ReferenceEmbedder:
    """An :class:`vouch.gateway.embed.Embedder` through sentence-transformers. Importing that takes seconds."""

    def __init__(self, name: str, files: ModelFiles, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer(
            str(files.folder), device="cpu", local_files_only=True, model_kwargs={"use_safetensors": True}
        )
        self.name = name
        self.dimensions = int(self.model.get_embedding_dimension() or 0)
        self.max_tokens = int(self.model.max_seq_length or 0)
        # transformers sets padding and truncation on the tokeniser in every call: threads must not share it.
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Matrix:
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        with self._lock:
            vectors = self.model.encode(
                list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._lock:
            encoded = self.model.tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]
