"""What every index backend does. One contract suite (`tests/contracts/`) runs on all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vouch.core.errors import InvalidInput
from vouch.core.types import AccessFilter, AccessPayload, IndexHits, IndexQuery, Point, SearchFilter

LAYOUT = "f32.v1"
"""How the backends of this version keep a generation: vectors in float32, nearest by inner product, words with the IDF
of what the asker may see. Another layout needs a name of its own, and a new generation."""
_GENERATION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def generation_name(text: str) -> str:
    """``text``, which becomes a folder's and a collection's name. Raises :class:`InvalidInput`."""
    if not _GENERATION.fullmatch(text):
        raise InvalidInput(
            "a generation is named with small letters, digits and dashes, at most 63", field="generation"
        )
    return text


@dataclass(frozen=True, slots=True)
class UpsertPoints:
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class SetAccess:
    """Replace the access payload of every point of these documents; embeds nothing."""

    tenant: str
    document_ids: tuple[str, ...]
    access: AccessPayload


@dataclass(frozen=True, slots=True)
class RemoveVersions:
    """Remove the points of one document: those of ``versions``, or all when None."""

    tenant: str
    document_id: str
    versions: tuple[int, ...] | None = None


IndexOp = UpsertPoints | SetAccess | RemoveVersions


@dataclass(frozen=True, slots=True)
class IndexState:
    """``applied_seq`` is the last catalog sequence number whose effect is durable here; 0 for a new index."""

    generation: str
    points: int
    applied_seq: int


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """What `vouch index verify` compares with the catalog."""

    id: str
    tenant: str
    document_id: str
    version: int
    ordinal: int
    access: AccessPayload
    fingerprint: str
    """Of everything on the point but its access, vectors included: :func:`vouch.index.fingerprint.fingerprint`."""


class Index(Protocol):
    """One generation of one index. Every call raises ``IndexUnavailable`` when the backend cannot answer."""

    def state(self) -> IndexState: ...

    def apply(self, ops: Sequence[IndexOp], *, upto: int) -> None:
        """Apply in order, durably, then record ``upto``. Idempotent: applying again changes nothing.

        ``upto`` is recorded as given, also when it is lower than before: a rebuild loads its batches under 0 and
        records its number with the last one. Raises ``InvalidInput`` on a malformed point or access payload.
        """
        ...

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        """Both rankings under ``access`` and ``query.where``. Lexical IDF is over what ``access`` may see.

        Scores are inner products; equal scores are ordered by document, version and ordinal.
        """
        ...

    def count(self, access: AccessFilter, where: SearchFilter) -> int:
        """Points that ``access`` may see, exactly."""
        ...

    def scan(self, *, batch: int = 1000) -> Iterator[list[StoredPoint]]:
        """Every point, in id order, for verification by an operator; no access filter, no content."""
        ...

    def maintain(self) -> bool:
        """Compact when it is worth it, without blocking searches. True when something was done."""
        ...
