"""What the platform answers with. Frozen; fields that a newer platform adds are kept and not checked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)  # a command uses few of them


class Span(Result):
    """Code-point offsets into the normalised text of one document version, end exclusive."""

    start: int
    end: int


class Freshness(Result):
    state: str
    modified_at: AwareDatetime | None
    review_due: AwareDatetime | None
    superseded_by: str | None = None


class Scores(Result):
    dense: float | None
    lexical: float | None
    fused: float
    rerank: float | None


class Hit(Result):
    """``demoted``: the state for which it stands lower than its score says. ``highlights`` and ``snippet`` are offsets
    into ``text`` itself: where the query's words and phrases stand, and the part to show of a long one."""

    document_id: str
    external_id: str
    version: int
    source_id: str
    title: str
    uri: str
    place: str
    heading_path: tuple[str, ...]
    span: Span
    text: str
    score: float
    scores: Scores
    freshness: Freshness
    demoted: str | None = None
    highlights: tuple[Span, ...] = ()
    snippet: Span | None = None


class FacetValue(Result):
    """``value`` is what the filter of the facet's name takes; ``name``: what people call it, of a source."""

    value: str
    name: str | None = None
    documents: int


class Matched(Result):
    """The documents that fit; there may be more of them unless ``exact``."""

    documents: int
    exact: bool


class ReadAs(Result):
    """A word of the query that looked mistyped, and the word of the hits that was searched for instead."""

    typed: str
    instead: str


class SearchResult(Result):
    """``matched`` and ``facets`` only where facets were asked for."""

    hits: tuple[Hit, ...]
    matched: Matched | None = None
    facets: dict[str, tuple[FacetValue, ...]] | None = None
    read_as: tuple[ReadAs, ...] = ()
    trace_id: str


class Claim(Result):
    text: str
    citations: tuple[int, ...]
    verdict: Literal["supported", "partial", "unsupported"]
    score: float


class Citation(Result):
    """``quote`` equals the document's text at ``span``, character for character."""

    n: int
    document_id: str
    external_id: str
    version: int
    title: str
    uri: str
    place: str
    span: Span
    quote: str
    verified: bool
    freshness: Freshness


class Notice(Result):
    kind: str
    text: str
    document_id: str
    document_ids: tuple[str, ...]
    citations: tuple[int, ...]


class Abstention(Result):
    """``ask``: who owns the nearest documents."""

    reason: str
    missing: str | None
    ask: tuple[str, ...] = ()


class Answer(Result):
    """``text`` carries its citations as ``[n]``; there is none, and nothing else of it, while it is not ``released``.
    ``question`` and ``created_at`` only of one that is read again, as whether a reviewer ``edited`` it, or the
    ``reason`` why they rejected it."""

    answer_id: str
    kind: Literal["answer", "abstention"]
    status: Literal["released", "awaiting_review", "rejected"] = "released"
    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    notices: tuple[Notice, ...] = ()
    abstention: Abstention | None
    conversation_id: str | None = None
    usage: dict[str, Any]
    made_by: dict[str, Any] | None = None
    trace_id: str
    question: str | None = None
    created_at: AwareDatetime | None = None
    edited: bool = False
    reason: str | None = None


class Step(Result):
    """A stage of the walk begins."""

    name: str


class Token(Result):
    """A verified piece of the answer's text."""

    text: str


class Asked(Result):
    answer_id: str
    question: str
    created_at: AwareDatetime | None
    status: str = "released"


class Conversation(Result):
    conversation_id: str
    questions: tuple[Asked, ...]


class Review(Result):
    """An owner's word that the current version holds; ``until`` None: until the policy wants it looked at again."""

    by: str
    at: AwareDatetime
    until: AwareDatetime | None
    comment: str | None


class Document(Result):
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
    review: Review | None = None


class TextPart(Result):
    """``length``: characters of the whole text."""

    document_id: str
    version: int
    span: Span
    text: str
    length: int


class Source(Result):
    """``documents``: how many by state (`live`, `pending`, `quarantined`), and `readable_by_nobody`. ``failing``: the
    circuit breaker (`state`, `failures`, `since`, `next_try`), None while its scans succeed. ``freshness``: the ages,
    and ``in_search``, what search does with documents by state."""

    id: str
    name: str
    kind: str
    config: dict[str, Any]
    owner: str | None
    schedule: str | None
    freshness: dict[str, Any]
    acl_max_age: str | None
    acl_read_at: AwareDatetime | None
    deletion_guard: float
    access_schedule: str | None
    next_access_at: AwareDatetime | None
    priority: str
    data_class: str | None
    failing: dict[str, Any] | None
    state: str
    documents: dict[str, int]
    last_job: dict[str, Any] | None
    next_sync_at: AwareDatetime | None
    created_at: AwareDatetime


class PushedLine(Result):
    """What became of one document of many: ``job_id``, or the ``problem``."""

    line: int
    status: int
    external_id: str | None
    job_id: str | None
    authz_token: str | None
    problem: dict[str, Any] | None


class Connector(Result):
    kind: str
    description: str
    config_schema: dict[str, Any]


class Stage(Result):
    name: str
    total: int
    done: int
    failed: int
    cancelled: int
    open: int


class Progress(Result):
    """``per_second``: documents, of the last minute. ``seconds_left`` is None where it cannot be told."""

    documents: int
    done: int
    per_second: float
    seconds_left: int | None


class Job(Result):
    job_id: str
    source_id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    scanned: bool
    counts: dict[str, Any]
    stages: tuple[Stage, ...]
    progress: Progress | None = None
    errors: tuple[dict[str, Any], ...]
    waiting: tuple[dict[str, Any], ...] = ()
    created_at: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None

    @property
    def ended(self) -> bool:
        return self.state not in ("queued", "running")


class Key(Result):
    """``hint``: the key's last four characters."""

    id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    user: str | None
    created_by: str | None = None
    created_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: AwareDatetime | None


class Issuer(Result):
    """Whose tokens are believed. ``url`` and ``audience`` are None where it only provisions by SCIM."""

    id: str
    url: str | None
    audience: str | None
    algorithms: tuple[str, ...]
    user_claim: str
    groups_claim: str | None
    provision: bool
    leeway_s: int
    enabled: bool


class MadeKey(Key):
    """``key`` is shown this once."""

    key: str
