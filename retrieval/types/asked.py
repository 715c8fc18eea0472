"""What was asked, and what its words come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vouch.core.types import SearchFilter

Mode = Literal["hybrid", "dense", "lexical"]
Facet = Literal["source", "type", "owner", "language", "year", "freshness"]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, after the input guard: NFC, no invisible or control characters. ``plain``: its text is words and
    nothing else. ``like``: the document that what is found is to be like. ``workflow``: what the application says it
    asks for. ``profile``: the one that is asked for by name. ``limited``: whether ``limit`` was asked for, and is not
    what it usually is. ``fresh``: no earlier answer will do."""

    text: str
    limit: int
    mode: Mode = "hybrid"
    rerank: bool = True
    where: SearchFilter = field(default_factory=SearchFilter)
    conversation_id: str | None = None
    plain: bool = False
    facets: tuple[Facet, ...] = ()
    like: str | None = None
    workflow: str | None = None
    profile: str | None = None
    limited: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One of the questions that are asked in one: as it was ``asked``, and complete, as it is searched for."""

    asked: str
    query: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The query that is searched for, and the rule that made it of the question."""

    query: str
    rule: Literal["none", "follow_up"]
    carried: tuple[str, ...] = ()
    """Key terms taken over from the conversation's previous question."""
    reread: tuple[str, ...] = ()
    """Words of ``query`` that were read as others. As which is not kept: those are words of documents."""
    parts: tuple[Part, ...] = ()
    """The questions that ``query`` asks in one, each searched for and answered by itself."""

    @property
    def questions(self) -> tuple[Part, ...]:
        return self.parts or (Part(self.query, self.query),)


@dataclass(frozen=True, slots=True)
class Reading:
    """A word of the question, as it was typed, and the word of a hit that was searched for instead."""

    typed: str
    instead: str
