"""What the readers of the catalog find, before anything is chosen: a question, and the evidence that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["link", "heading", "helpful", "unhelpful", "abstention"]
"""Where a question comes from: the text of a link, a heading, or a question that was asked, which helped, did not, or
was refused an answer."""
QUOTED = 300
"""Characters of evidence that are shown to who decides."""


@dataclass(frozen=True, slots=True)
class Named:
    """A document by the name that outlives its versions."""

    source_id: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A part of a document that answers; ``quote`` stands in it, and is cut."""

    document_id: str
    name: Named
    title: str
    version: int
    heading_path: tuple[str, ...]
    quote: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """``evidence`` is empty where nobody knows what answers it: a person has to say. ``taken_from``: documents that
    hold the question's words without answering it."""

    kind: Kind
    question: str
    evidence: tuple[Evidence, ...]
    taken_from: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Readable:
    """A document that the asker may read, and that proposals are looked for in."""

    id: str
    name: Named
    title: str
    version: int
