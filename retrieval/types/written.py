"""What was written, and what verification makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from retrieval.types.found import Passage
from vouch.core.types import Json, Span

Verdict = Literal["supported", "partial", "unsupported"]


@dataclass(frozen=True, slots=True)
class Quote:
    """Words said to stand in passage ``passage``. ``span`` is in the document's text, or :data:`SOMEWHERE`
    where the writer cannot know it (a chat model): ``verify`` then looks for the words in the passage."""

    passage: int
    span: Span
    text: str


SOMEWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class DraftClaim:
    """One assertion with the quotes that are to carry it. ``score`` is the writer's own, 0..1."""

    text: str
    quotes: tuple[Quote, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Suspected:
    """Words that read as if they were meant for a model: at ``span`` of the document's text, or, where ``passage`` is
    None, of the question."""

    passage: int | None
    ruse: str
    span: Span


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer as written, before anything is verified. No claims means that the writer abstains.

    ``confidence`` 0..1 that the claims answer the question; ``missing`` says what the evidence lacks, in terms of the
    question alone. ``unanswered``: questions among those that were asked which the claims leave open. ``model`` is the
    gateway's name of what wrote it, empty for the embedded answerer; ``prompt`` the version that it wrote by;
    ``canary`` a word of its instructions that no answer may hold."""

    claims: tuple[DraftClaim, ...]
    confidence: float
    writer: str
    missing: str | None = None
    unanswered: tuple[str, ...] = ()
    usage: Json = field(default_factory=dict)
    suspected: tuple[Suspected, ...] = ()
    prompt: str | None = None
    canary: str = field(default="", repr=False)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verified quote: ``text`` equals the document version's text at ``span``, character for character."""

    passage: Passage
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A draft's claim after verification, with the quotes that held."""

    text: str
    evidence: tuple[Evidence, ...]
    verdict: Verdict
    score: float

    @property
    def verbatim(self) -> bool:
        """It is nothing but its quotes."""
        return self.text == " ".join(evidence.text for evidence in self.evidence)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A claim, or one of its quotes, that verification refused. ``reason`` is one stable word."""

    claim: str
    passage: int | None
    reason: Literal[
        "unknown_citation",
        "altered_quote",
        "no_citation",
        "unsupported",
        "not_entailed",
        "unreadable",
        "superseded",
        "leaked",
        "private",
    ]


@dataclass(frozen=True, slots=True)
class Verified:
    """What holds, and what was refused on the way."""

    claims: tuple[Claim, ...]
    rejected: tuple[Rejection, ...]
