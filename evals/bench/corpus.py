"""Vectors to search: made up so that they lie about as real ones do, or the real ones that `make eval` has kept.

A corpus is documents of eight points each. A made-up vector is the sum of what its topic, its subtopic, its document
and itself contribute, each drawn with a falling spectrum. The shares were chosen by comparing with 84,000 MiniLM
vectors; median cosine of the 1st, 10th, 100th and 1,000th neighbour, and local intrinsic dimension:

    MiniLM    .86  .58  .40  .27   14
    made up   .77  .57  .38  .21   11
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vouch.core.types import Matrix

DIMENSIONS = 384
PER_DOCUMENT = 8
TOPICS = 100
SUBTOPIC_DOCUMENTS = 10
"""How many documents a subtopic has on average."""
BLOCK = 1_000
"""Documents whose vectors are made at a time."""
_TOPIC, _SUBTOPIC, _DOCUMENT, _OWN = np.sqrt((0.25, 0.2, 0.3, 0.25))

Numbers = NDArray[np.int64]


class Corpus(Protocol):
    """``subject`` (documents,) numbers each document's subtopic: near numbers are near subjects."""

    subject: Numbers

    def vectors(self) -> Iterator[Matrix]:
        """Unit rows in document order, :data:`PER_DOCUMENT` a document, some documents at a time."""

    def questions(self, documents: Numbers, rng: np.random.Generator) -> Matrix:
        """One unit row for each of ``documents``, near it or at least near its subject, and no point of the corpus."""


class MadeUp:
    """Deterministic in its seed, and in memory only a block at a time."""

    def __init__(self, points: int, seed: int) -> None:
        self._seed = seed
        documents = points // PER_DOCUMENT
        subtopics = max(TOPICS, documents // SUBTOPIC_DOCUMENTS)
        rng = np.random.default_rng(seed)
        self.subject = rng.integers(0, subtopics, documents)
        self._topic_of = np.arange(subtopics) * TOPICS // subtopics
        self._topics, self._subtopics = _drawn(rng, TOPICS), _drawn(rng, subtopics)
        self._documents = _drawn(rng, documents)

    def vectors(self) -> Iterator[Matrix]:
        for first in range(0, len(self.subject), BLOCK):
            rng = np.random.default_rng((self._seed, first))
            documents = np.arange(first, min(first + BLOCK, len(self.subject))).repeat(PER_DOCUMENT)
            yield self._around(documents, self._documents[documents], rng)

    def questions(self, documents: Numbers, rng: np.random.Generator) -> Matrix:
        """Every other one is about the subtopic, and about no document in particular."""
        about = self._documents[documents]
        about[1::2] = _drawn(rng, len(about[1::2]))
        return self._around(documents, about, rng)

    def _around(self, documents: Numbers, about: Matrix, rng: np.random.Generator) -> Matrix:
        subject = self.subject[documents]
        shared = _TOPIC * self._topics[self._topic_of[subject]] + _SUBTOPIC * self._subtopics[subject]
        return _unit(shared + _DOCUMENT * about + _OWN * _drawn(rng, len(documents)))


class Kept:
    """The vectors that an evaluation left in its cache, in the order in which it embedded them.

    Of every nine consecutive ones, eight are a document and the ninth asks for it. Subjects are the nearest of a
    few vectors drawn at random, and of more drawn for each.
    """

    def __init__(self, values: Path, seed: int) -> None:
        """Raises ``OSError`` when nothing was kept there."""
        rows = np.fromfile(values, np.float32).reshape(-1, DIMENSIONS)
        rows = _unit(rows[: len(rows) // (PER_DOCUMENT + 1) * (PER_DOCUMENT + 1)])
        blocks = rows.reshape(-1, PER_DOCUMENT + 1, DIMENSIONS)
        self._points, self._questions = blocks[:, :-1], blocks[:, -1]
        rng = np.random.default_rng(seed)
        middles = _unit(self._points.mean(axis=1))
        subtopics = rng.choice(len(middles), max(TOPICS, len(middles) // SUBTOPIC_DOCUMENTS), replace=False)
        topic_of = (middles[subtopics] @ middles[subtopics[:TOPICS]].T).argmax(axis=1)
        order = np.argsort(topic_of, kind="stable")
        self.subject = (middles @ middles[subtopics[order]].T).argmax(axis=1)

    def vectors(self) -> Iterator[Matrix]:
        for first in range(0, len(self._points), BLOCK):
            yield self._points[first : first + BLOCK].reshape(-1, DIMENSIONS)

    def questions(self, documents: Numbers, rng: np.random.Generator) -> Matrix:
        return self._questions[documents]


def _drawn(rng: np.random.Generator, count: int) -> Matrix:
    """Gaussian rows whose variance falls with the coordinate, of about unit length."""
    scale = 1 / np.sqrt(np.arange(DIMENSIONS, dtype=np.float32) + 10)
    return rng.standard_normal((count, DIMENSIONS), dtype=np.float32) * (scale / np.linalg.norm(scale))


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
