"""What was found: candidates without content, hits that gate 2 has admitted, passages for who writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vouch.core.freshness import Aged, State
from vouch.core.places import Place, place_at
from vouch.core.types import Span, Vector

Demoted = Aged | Literal["superseded"]
ChunkKey = tuple[str, int, int]
"""(document id, version, ordinal)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A candidate's score in each arm; None where that arm did not find it. Higher is better in each."""

    dense: float | None = None
    lexical: float | None = None
    fused: float = 0.0
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that the index proposes: ids and scores, no content."""

    document_id: str
    version: int
    ordinal: int
    scores: Scores

    @property
    def key(self) -> ChunkKey:
        return (self.document_id, self.version, self.ordinal)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a document may be relied on today. ``superseded_by`` is set only where the asker may read it."""

    state: State
    modified_at: datetime | None
    review_due: datetime | None
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate that gate 2 admitted, with its text. ``score`` orders the page: rerank, else fused; one that is
    ``demoted``, for the state that this names, stands lower than its score says."""

    document_id: str
    external_id: str
    version: int
    ordinal: int
    source_id: str
    title: str
    uri: str
    mime: str
    span: Span
    text: str
    text_digest: str
    """Of the version's whole normalised text, in the blob store."""
    place: str
    places: tuple[Place, ...]
    """Of its parts; one, where they are all at ``place``."""
    heading_path: tuple[str, ...]
    scores: Scores
    score: float
    freshness: Freshness
    owner: str | None = None
    data_class: str | None = None
    """Of its source, as of now."""
    demoted: Demoted | None = None
    vector: Vector | None = field(default=None, compare=False, repr=False)
    """Where the reranker goes by it and it is kept."""

    @property
    def key(self) -> ChunkKey:
        return (self.document_id, self.version, self.ordinal)


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered text shown to whoever writes the answer. ``text`` is the document's text at ``span``."""

    n: int
    document_id: str
    external_id: str
    version: int
    title: str
    uri: str
    span: Span
    text: str
    heading_path: tuple[str, ...]
    places: tuple[Place, ...]
    score: float
    modified_at: datetime | None
    freshness: Freshness
    owner: str | None = None
    data_class: str | None = None

    @property
    def place(self) -> str:
        """Of all of it."""
        return place_at(self.places, self.span)
