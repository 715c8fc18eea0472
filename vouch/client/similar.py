"""What is like a document, and what contradicts what in two of them."""

from __future__ import annotations

from pydantic import AwareDatetime

from vouch.client.results import Result, Span


class Side(Result):
    """A sentence of a document, and the figure in it that another says otherwise."""

    document_id: str
    version: int
    span: Span
    quote: str
    figure: Span
    said: str


class Conflict(Result):
    """Two sentences that are the same but for a figure; ``ours`` is in the document asked about."""

    kind: str
    ours: Side
    theirs: Side


class SimilarDocument(Result):
    """``relation``: identical, version or near. ``newer``: ``this`` is the document asked about, ``other`` this one."""

    document_id: str
    external_id: str
    source_id: str
    title: str
    uri: str
    version: int
    modified_at: AwareDatetime | None
    relation: str
    newer: str | None
    similarity: float
    containment: float
    conflicts: tuple[Conflict, ...]
    conflicts_in_all: int


class Similar(Result):
    """``compared`` False: the current version is to be compared yet."""

    document_id: str
    version: int
    compared: bool
    similar: tuple[SimilarDocument, ...]
    in_all: int
    next_cursor: str | None
