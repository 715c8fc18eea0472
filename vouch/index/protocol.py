"""What every index backend does. One contract suite (`tests/contracts/`) runs on all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vouch.core.types import AccessFilter, AccessPayload, IndexHits, IndexQuery, Point, SearchFilter


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
    """Of everything else on the point, vectors included, as `vouch.index.protocol.fingerprint` computes it."""


class Index(Protocol):
    """One generation of one index. Every call raises ``IndexUnavailable`` when the backend cannot answer."""

    def state(self) -> IndexState: ...

    def apply(self, ops: Sequence[IndexOp], *, upto: int) -> None:
        """Apply in order, durably, then record ``upto``. Idempotent: applying again changes nothing."""
        ...

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        """Both rankings under ``access`` and ``query.where``. Lexical IDF is over what ``access`` may see."""
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
