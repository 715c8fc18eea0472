"""What passes between the stages of a question. Everything is frozen: a new stage yields a new type.

``Found`` candidates carry ids and scores only; text enters with ``Hit``, which exists only for a document
that gate 2 has admitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vouch.core.freshness import Aged, State
from vouch.core.places import Place, place_at
from vouch.core.types import Json, SearchFilter, Span, Vector

Mode = Literal["hybrid", "dense", "lexical"]
NoticeKind = Literal["superseded", "stale", "expired", "source_gone", "conflict", "left_out", "incomplete"]
Verdict = Literal["supported", "partial", "unsupported"]
Facet = Literal["source", "type", "owner", "language", "year", "freshness"]
Demoted = Aged | Literal["superseded"]
AbstentionReason = Literal["no_evidence", "low_confidence", "conflict", "blocked"]
Status = Literal["released", "awaiting_review", "rejected"]
Need = Literal["profile", "workflow", "model"]
"""Why a person approves an answer: its profile says so, its workflow is one of those named, or a model wrote it."""


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
