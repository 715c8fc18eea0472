"""A text as the set of its shingles, three words each, hashed: what likeness is measured on.

Everything here is the same in every process and on every machine, for what is made of it is kept.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Shingles = npt.NDArray[np.uint64]
"""Hashes, ascending, each once."""

LENGTH = 3
"""Words of a shingle. Longer ones tell boilerplate apart better, and lose a short text at its third changed figure."""
FEWEST_WORDS = 30
"""Of a text that is compared at all: what is shorter is alike by chance (a heading and a date)."""

# Scripts that put no space between words are cut by the character.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_ODD = tuple(np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_TURN = (0, 21, 42)


def words(text: str) -> list[str]:
    """Lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def shingles(text: str) -> Shingles | None:
    """None for a text of fewer than :data:`FEWEST_WORDS` words."""
    found = words(text)
    if len(found) < FEWEST_WORDS:
        return None
    known: dict[str, int] = {}
    hashed = np.array([known.get(word) or known.setdefault(word, _hash(word)) for word in found], dtype=np.uint64)
    length = len(hashed) - LENGTH + 1
    mixed = np.zeros(length, dtype=np.uint64)
    for at, (odd, turn) in enumerate(zip(_ODD, _TURN, strict=True)):
        mixed += _turned(hashed[at : at + length] * odd, turn)
    return np.unique(_finished(mixed))


def jaccard(a: Shingles, b: Shingles) -> float:
    """The shared part of all shingles of both."""
    shared = _shared(a, b)
    return shared / (len(a) + len(b) - shared)


def containment(a: Shingles, b: Shingles) -> float:
    """The part of the smaller set that the larger one has too."""
    return _shared(a, b) / min(len(a), len(b))


def _shared(a: Shingles, b: Shingles) -> int:
    return int(np.intersect1d(a, b, assume_unique=True).size)


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big")


def _turned(x: Shingles, bits: int) -> Shingles:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits)) if bits else x


def _finished(x: Shingles) -> Shingles:
    """The finish of splitmix64: every bit of the input moves every bit of the output."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
