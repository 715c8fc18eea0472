"""Shapes of the ingestion API. Unknown fields are refused, every size is bounded."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from vouch.catalog.tables import Document
from vouch.core.clock import utc
from vouch.core.data_class import DataClass
from vouch.core.errors import InvalidInput
from vouch.core.freshness import InSearch
from vouch.core.types import Acl, Clause, Json

Text200 = Annotated[str, Field(min_length=1, max_length=200)]
PrincipalText = Annotated[str, Field(min_length=1, max_length=200, examples=["user:carol"])]
Share = Annotated[float, Field(ge=0, le=1)]
Priority = Literal["low", "normal", "high"]
Time = Annotated[AwareDatetime, AfterValidator(utc)]


def storable(text: str) -> bool:
    """Whether the catalog can hold it: PostgreSQL's text has no NUL, and UTF-8 has no lone surrogates."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _texts(value: object, *path: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, names of fields included, each with where it stands."""
    if isinstance(value, str):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield ".".join(path), name
            yield from _texts(inner, *path, name)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _texts(inner, *path, str(n))


class Input(BaseModel):
    """A request's body. Raises :class:`InvalidInput` for a text that cannot be kept, wherever it stands."""

    model_config = ConfigDict(extra="forbid")
    _blobs: ClassVar[frozenset[str]] = frozenset()
    """Fields that go to the blob store, which keeps anything."""

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        kept = {n: v for n, v in value.items() if n not in cls._blobs} if isinstance(value, dict) else value
        for field, text in _texts(kept):
            if not storable(text):
                raise InvalidInput("holds a character that cannot be kept: NUL, or half of a pair", field=field)
        return value


def example(body: Json) -> ConfigDict:
    """What the reference shows of a body."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class ClauseIn(Input):
    """One clause: the reader needs one of ``allow`` and none of ``deny``."""

    allow: Annotated[list[PrincipalText], Field(max_length=2000)] = []
    deny: Annotated[list[PrincipalText], Field(max_length=2000)] = []


AccessIn = Annotated[
    list[ClauseIn],
    Field(max_length=64, examples=[[{"allow": ["group:hr"], "deny": ["user:mallory"]}]]),
]


def acl_of(access: list[ClauseIn] | None) -> Acl | None:
    """Clauses as written, checked. Raises :class:`InvalidInput` naming the clause."""
    if access is None:
        return None
    return tuple(Clause.of(c.allow, c.deny, field=f"access.{n}") for n, c in enumerate(access))


class InSearchIn(Input):
    """What search and ask do with documents in a state: ``keep``, ``demote``, or ``drop`` them."""

    due: InSearch = "keep"
    stale: InSearch = "keep"
    expired: InSearch = "keep"
    source_gone: InSearch = "keep"


class FreshnessIn(Input):
    review_every: str | None = Field(None, examples=["180d"])
    stale_after: str | None = Field(None, examples=["365d"])
    expire_after: str | None = Field(None, examples=["730d"])
    in_search: InSearchIn = InSearchIn()


class SourceIn(Input):
    model_config = example(
        {
            "name": "handbook",
            "kind": "filesystem",
            "config": {"path": "/srv/handbook"},
            "owner": "user:carol",
            "schedule": "15m",
            "freshness": {"review_every": "180d", "stale_after": "365d"},
        }
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["handbook"])]
    kind: Text200
    config: dict[str, Any] = {}
    owner: PrincipalText | None = None
    schedule: Annotated[str, Field(max_length=100)] | None = None
    freshness: FreshnessIn = FreshnessIn()
    acl_max_age: str | None = Field(None, examples=["24h"])
    deletion_guard: Share = Field(
        0.5, description="The share of its documents that one sync deletes by itself; more has to be confirmed."
    )
    access_schedule: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="When access rules and groups alone are read, as `schedule`."
    )
    priority: Priority = "normal"
    data_class: DataClass | None = Field(
        None, description="Of its documents, a name of your own: models may be shown some classes alone."
    )


class SourcePatch(Input):
    """What is given is changed; null clears."""

    model_config = example({"schedule": "1h", "freshness": {"review_every": "90d"}, "state": "active"})

    config: dict[str, Any] | None = None
    owner: PrincipalText | None = None
    schedule: Annotated[str, Field(max_length=100)] | None = None
    freshness: FreshnessIn | None = None
    acl_max_age: str | None = None
    deletion_guard: Share | None = None
    access_schedule: Annotated[str, Field(max_length=100)] | None = None
    priority: Priority | None = None
    data_class: DataClass | None = None
    state: Literal["active", "paused"] | None = None


class FailingOut(BaseModel):
    state: Literal["counting", "open"]
    failures: int = Field(description="Scans that failed one after the other.")
    since: str
    next_try: str | None = Field(description="Before this, only a sync that is asked for by hand tries.")


class SourceOut(BaseModel):
    id: str
    name: str
    kind: str
    config: dict[str, Any]
    owner: str | None
    schedule: str | None
    freshness: FreshnessIn
    acl_max_age: str | None
    acl_read_at: str | None
    deletion_guard: float
    access_schedule: str | None
    next_access_at: str | None
    priority: Priority
    data_class: str | None
    failing: FailingOut | None = Field(description="Set while its scans fail; `open`: none is started by schedule.")
    state: str
    documents: dict[str, int] = Field(description="Documents by state, and how many are readable by nobody.")
    last_job: dict[str, Any] | None = Field(
        description="`job_id`, `state`, `created_at`, and `problem`: what keeps its scan from its end, or did."
    )
    next_sync_at: str | None
    created_at: str


class SourcePage(BaseModel):
    sources: list[SourceOut]
    next_cursor: str | None


class SyncIn(Input):
    model_config = example({"kind": "incremental"})

    kind: Literal["incremental", "full", "access"] = "incremental"
    confirm_deletions: bool = Field(
        False, description="Of a full sync: delete what is gone, though it is more than the source's guard lets pass."
    )


class JobRef(BaseModel):
    job_id: str


class PushedJob(JobRef):
    authz_token: str | None = Field(None, description="Set when the push changed access.")


class AuthzToken(BaseModel):
    authz_token: str


class BulkAccess(AuthzToken):
    documents: int = Field(description="How many documents have this access now.")


class DocumentIn(Input):
    """``text``, or ``content_base64`` with its ``mime``. Without ``access`` nobody may read the document."""

    model_config = example(
        {
            "title": "Leave policy",
            "text": "Everyone has 27 days of leave a year.",
            "mime": "text/markdown",
            "owner": "user:carol",
            "access": [{"allow": ["authenticated"]}],
        }
    )

    _blobs = frozenset({"text", "content_base64"})

    title: Annotated[str, Field(max_length=500)] = ""
    text: str | None = None
    content_base64: str | None = None
    mime: Annotated[str, Field(max_length=200)] | None = None
    uri: Annotated[str, Field(max_length=2000)] = ""
    owner: PrincipalText | None = None
    modified_at: Time | None = None
    access: AccessIn | None = None
    supersedes: Annotated[list[str], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _one_content(self) -> DocumentIn:
        if (self.text is None) == (self.content_base64 is None):
            raise InvalidInput("give either text or content_base64", field="text")
        return self

    def content(self) -> bytes:
        """The document's bytes. Raises :class:`InvalidInput` for base64 that is not."""
        if self.text is not None:
            return self.text.encode()
        try:
            return base64.b64decode(self.content_base64 or "", validate=True)
        except ValueError as error:
            raise InvalidInput("not base64", field="content_base64") from error


class BulkDocumentIn(DocumentIn):
    """One line of many: a document, and the id it is to have."""

    model_config = example(
        {"external_id": "hr/leave.md", "text": "Everyone has 27 days of leave.", "access": [{"allow": ["group:hr"]}]}
    )

    external_id: Annotated[str, Field(min_length=1, max_length=1000)]


class PushedLine(BaseModel):
    line: int = Field(description="Of the body, from 1.")
    status: int = Field(description="202, or the status that a push of it alone would have had.")
    external_id: str | None = Field(description="Null where the line could not be read.")
    job_id: str | None
    authz_token: str | None
    problem: dict[str, Any] | None = Field(description="Why the line was refused.")


class BulkPushed(BaseModel):
    documents: list[PushedLine] = Field(description="One for each line, in order.")


class DocumentOut(BaseModel):
    document_id: str
    external_id: str
    state: Literal["pending", "live", "quarantined"]
    version: int | None = Field(description="The newest that came through; null until the first one does.")
    readable_by_nobody: bool = Field(description="Nothing says who may read it, or nothing that can be followed.")
    problem: dict[str, Any] | None = Field(
        description="Why nobody may read it, or why its newest version is not shown: `reason`, `detail`, `stage`."
    )

    @classmethod
    def of(cls, row: Document) -> Self:
        return cls(
            document_id=row.id,
            external_id=row.external_id,
            state="quarantined" if row.access_problem else row.state,
            version=row.current_version,
            readable_by_nobody=row.acl_id is None,
            problem=row.access_problem or row.problem,
        )


class DocumentPage(BaseModel):
    documents: list[DocumentOut]
    next_cursor: str | None


class StageOut(BaseModel):
    name: str
    total: int
    done: int
    failed: int
    cancelled: int
    open: int


class ProgressOut(BaseModel):
    documents: int = Field(description="Documents that have something to be done, as far as the scan has come.")
    done: int = Field(description="Those of them that have come to an end, failed ones too.")
    per_second: float = Field(description="Of the last minute; of all of it once the job has ended.")
    seconds_left: int | None = Field(description="An estimate; null before the scan is through.")


class JobOut(BaseModel):
    job_id: str
    source_id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    scanned: bool
    counts: dict[str, Any]
    stages: list[StageOut]
    progress: ProgressOut
    errors: list[dict[str, Any]] = Field(
        description="What failed: `external_id`, `stage`, `attempts`, `reason`, `detail`, and `retry`, the command."
    )
    waiting: list[dict[str, Any]] = Field(
        description="What was tried, and is to be tried again by itself: `stage`, `reason`, `detail`, of how many"
        " `documents`, the `attempts` so far, and `next_at`."
    )
    created_at: str | None
    started_at: str | None
    finished_at: str | None


class JobPage(BaseModel):
    jobs: list[JobOut]
    next_cursor: str | None


class ConnectorOut(BaseModel):
    kind: str
    description: str
    config_schema: dict[str, Any]


class ConnectorList(BaseModel):
    connectors: list[ConnectorOut]
