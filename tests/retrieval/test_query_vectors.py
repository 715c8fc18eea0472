"""Queries that come at once are embedded together, and nobody is harmed by whom they come with."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from retrieval.cache import AT_ONCE, QueryVectors
from vouch.core.types import Matrix

TENANT = "acme"


class Held:
    """An embedder whose first call waits until it is let go; of a text it makes its length."""

    name, dimensions, max_tokens = "held", 1, 256

    def __init__(self) -> None:
        self.called = threading.Event()
        self.goes_on = threading.Event()
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.calls.append(list(texts))
        if len(self.calls) == 1:
            self.called.set()
            assert self.goes_on.wait(20)
        if "broken" in texts:
            raise ValueError("cannot be embedded")
        return np.array([[len(text)] for text in texts], np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]


@contextmanager
def crowd(vectors: QueryVectors, held: Held, queries: Sequence[str]) -> Iterator[None]:
    """While the first query is being embedded, the others come and wait."""
    with ThreadPoolExecutor(len(queries) + 1) as threads:
        first = threads.submit(vectors.of, TENANT, "first")
        assert held.called.wait(20)
        others = [threads.submit(vectors.of, TENANT, query) for query in queries]
        while len(vectors._waiting) < len(queries):
            pass
        held.goes_on.set()
        assert first.result(20) == [5]
        for query, other in zip(queries, others, strict=True):
            if query == "broken":
                with pytest.raises(ValueError, match="cannot be embedded"):
                    other.result(20)
            else:
                assert other.result(20) == [len(query)]
        yield


def test_what_waits_is_embedded_together() -> None:
    held = Held()
    with crowd(QueryVectors(held), held, ["a", "bb", "ccc"]):
        assert [sorted(call) for call in held.calls] == [["first"], ["a", "bb", "ccc"]]


def test_no_more_are_embedded_together_than_a_batch_holds() -> None:
    held = Held()
    with crowd(QueryVectors(held), held, ["q" * n for n in range(1, AT_ONCE + 4)]):
        assert [len(call) for call in held.calls] == [1, AT_ONCE, 3]


def test_one_that_cannot_be_embedded_fails_alone() -> None:
    held = Held()
    vectors = QueryVectors(held)
    with crowd(vectors, held, ["a", "broken", "ccc"]):
        assert sorted(map(tuple, held.calls[2:])) == [("a",), ("broken",), ("ccc",)]
    assert vectors.of(TENANT, "a") == [1]
    assert len(held.calls) == 5  # remembered: it is not embedded again


def test_each_tenant_has_its_own_memory_and_nobody_can_write_into_it() -> None:
    held = Held()
    held.goes_on.set()
    vectors = QueryVectors(held)
    kept = vectors.of(TENANT, "one")
    assert vectors.of(TENANT, "one") is kept
    vectors.of("other", "one")
    assert held.calls == [["one"], ["one"]]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 2
