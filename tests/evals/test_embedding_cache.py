"""Nothing is embedded twice, and a file cut short loses its tail and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evals.embedding_cache import CachedEmbedder
from vouch.core.types import Matrix
from vouch.gateway.embed import Embedder


class Counting:
    def __init__(self, inner: Embedder) -> None:
        self.name, self.dimensions, self.max_tokens = inner.name, inner.dimensions, inner.max_tokens
        self._inner = inner
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.embedded += texts
        return self._inner.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)


def test_a_second_run_embeds_nothing(embedder: Embedder, tmp_path: Path) -> None:
    first = Counting(embedder)
    vectors = CachedEmbedder(first, tmp_path).embed(["one", "two", "one"])
    assert first.embedded == ["one", "two"]
    again = Counting(embedder)
    cached = CachedEmbedder(again, tmp_path)
    assert np.array_equal(cached.embed(["two", "one"]), vectors[[1, 0]])
    assert again.embedded == []
    assert cached.embed([]).shape == (0, embedder.dimensions)


def test_a_tail_cut_short_is_embedded_again(embedder: Embedder, tmp_path: Path) -> None:
    vectors = CachedEmbedder(embedder, tmp_path).embed(["one", "two", "three"])
    (values,) = tmp_path.rglob("values.f32")
    values.write_bytes(values.read_bytes()[:-7])
    counting = Counting(embedder)
    repaired = CachedEmbedder(counting, tmp_path)
    assert np.allclose(repaired.embed(["one", "two", "three"]), vectors, atol=1e-5)
    assert counting.embedded == ["three"]
    assert np.allclose(CachedEmbedder(embedder, tmp_path).embed(["three"]), vectors[2:], atol=1e-5)


def test_another_model_shares_nothing(embedder: Embedder, tmp_path: Path) -> None:
    CachedEmbedder(embedder, tmp_path).embed(["one"])
    other = Counting(embedder)
    other.name = "another"
    CachedEmbedder(other, tmp_path).embed(["one"])
    assert other.embedded == ["one"]
