"""An embedder that remembers, on disk, what it has embedded: a second evaluation embeds nothing twice.

The folder is ``VOUCH_EVAL_CACHE`` (default ``.vouch-eval`` in the repository). It holds hashes and vectors, no text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from evals.datasets import REPOSITORY
from vouch.core.types import Matrix, Vector
from vouch.gateway.embed import Embedder

_DIGEST = 16
_BLOCK = 1024
"""Texts embedded before they are written down: what is broken off loses no more."""


def cache_folder() -> Path:
    return Path(os.environ.get("VOUCH_EVAL_CACHE") or REPOSITORY / ".vouch-eval")


class CachedEmbedder:
    """An :class:`Embedder` over another. One process at a time writes a folder; an unfinished tail is dropped."""

    def __init__(self, inner: Embedder, folder: Path) -> None:
        self.name = inner.name
        self.dimensions = inner.dimensions
        self.max_tokens = inner.max_tokens
        self._inner = inner
        folder = folder / "vectors" / sha256(inner.name.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        self._keys, self._values = folder / "keys.bin", folder / "values.f32"
        self._rows: dict[bytes, Vector] = {}
        self._load()

    def embed(self, texts: Sequence[str]) -> Matrix:
        keys = [sha256(text.encode()).digest()[:_DIGEST] for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        for block in _blocks(list(fresh.items())):
            self._append([key for key, _ in block], self._inner.embed([text for _, text in block]))
        return np.stack([self._rows[key] for key in keys]) if keys else np.empty((0, self.dimensions), np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)

    def _load(self) -> None:
        if not (self._keys.exists() and self._values.exists()):
            return
        raw, values = self._keys.read_bytes(), np.fromfile(self._values, np.float32)
        count = min(len(raw) // _DIGEST, len(values) // self.dimensions)
        os.truncate(self._keys, count * _DIGEST)
        os.truncate(self._values, count * self.dimensions * 4)
        vectors = values[: count * self.dimensions].reshape(count, self.dimensions)
        self._rows = {raw[i * _DIGEST : (i + 1) * _DIGEST]: vectors[i] for i in range(count)}

    def _append(self, keys: Sequence[bytes], vectors: Matrix) -> None:
        with self._values.open("ab") as values:
            vectors.astype(np.float32).tofile(values)
        with self._keys.open("ab") as file:
            file.write(b"".join(keys))
        self._rows |= dict(zip(keys, vectors, strict=True))


def _blocks(rows: Sequence[tuple[bytes, str]]) -> Iterator[Sequence[tuple[bytes, str]]]:
    for at in range(0, len(rows), _BLOCK):
        yield rows[at : at + _BLOCK]
