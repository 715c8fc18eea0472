"""What is told: answers and abstentions, with what is said of documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from retrieval.types.found import Freshness
from retrieval.types.written import Verdict
from vouch.core.types import Json, Span

NoticeKind = Literal["superseded", "stale", "expired", "source_gone", "conflict", "left_out", "incomplete"]
AbstentionReason = Literal["no_evidence", "low_confidence", "conflict", "blocked"]
Status = Literal["released", "awaiting_review", "rejected"]
Need = Literal["profile", "workflow", "model"]
"""Why a person approves an answer: its profile says so, its workflow is one of those named, or a model wrote it."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An owner's word that the current version holds; ``until`` None: until the policy wants it looked at again."""

    by: str
    at: datetime
    until: datetime | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """What is said of a document that the asker may read today. ``version`` is the current one."""

    document_id: str
    external_id: str
    source_id: str
    title: str
    uri: str
    mime: str
    language: str
    owner: str | None
    version: int
    freshness: Freshness
    review: Reviewed | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence that another document contradicts, in the normalised text: its ``span``, and that of its figure."""

    span: Span
    quote: str
    figure: Span

    @property
    def said(self) -> str:
        """The figure, as written."""
        return self.quote[self.figure.start - self.span.start : self.figure.end - self.span.start]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sentences that say the same but for a figure. ``kind``: date, time, percent, amount or number."""

    kind: str
    ours: Told
    theirs: Told


@dataclass(frozen=True, slots=True)
class Citation:
    """``quote`` equals the text of ``version`` at ``span``, character for character."""

    n: int
    document: Card
    version: int
    span: Span
    quote: str
    place: str


@dataclass(frozen=True, slots=True)
class CitedClaim:
    """A claim as released; ``citations`` are numbers of the answer's citations."""

    text: str
    citations: tuple[int, ...]
    verdict: Verdict
    score: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should know of the evidence, or of the answer itself. ``document_ids``: what it speaks of,
    all readable."""

    kind: NoticeKind
    text: str
    document_ids: tuple[str, ...]
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Abstention:
    """``missing`` speaks of the question alone, never of documents. ``ask``: who owns those that came nearest, the
    nearest first; of documents that the asker may read."""

    reason: AbstentionReason
    missing: str
    ask: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """An answer, or an abstention (then without claims and citations), after the last check of access."""

    id: str
    text: str
    claims: tuple[CitedClaim, ...]
    citations: tuple[Citation, ...]
    notices: tuple[Notice, ...]
    abstention: Abstention | None
    rejected: int
    """Drafted claims and quotes that verification refused."""
    usage: Json
    inputs: frozenset[str]
    """Documents whose content fed the text: it is readable while all of them are."""
    proof: Json
    """What decided about it, of `acl/proof.py`."""
    made_by: Json = field(default_factory=dict)
    """By which profile, prompt, writer and settings, of `retrieval/profiles/made_by.py`."""
    awaits: Need | None = None
    """Why a person has to approve it before its asker is told any of it."""

    @property
    def document_ids(self) -> frozenset[str]:
        """Every document that the answer speaks of or was made from."""
        spoken = {id_ for notice in self.notices for id_ in notice.document_ids}
        return self.inputs | spoken | {citation.document.document_id for citation in self.citations}
