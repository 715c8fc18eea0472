"""Shapes of the ingestion API. Unknown fields are refused, every size is bounded."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vouch.core.errors import InvalidInput
from vouch.core.types import Acl, Clause

Text200 = Annotated[str, Field(min_length=1, max_length=200)]
PrincipalText = Annotated[str, Field(min_length=1, max_length=200, examples=["user:carol"])]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


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


class FreshnessIn(Input):
    review_every: str | None = Field(None, examples=["180d"])
    stale_after: str | None = Field(None, examples=["365d"])


class SourceIn(Input):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "handbook",
                    "kind": "filesystem",
                    "config": {"path": "/srv/handbook"},
                    "owner": "user:carol",
                    "schedule": "15m",
                    "freshness": {"review_every": "180d", "stale_after": "365d"},
                }
            ]
        },
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["handbook"])]
    kind: Text200
    config: dict[str, Any] = {}
    owner: PrincipalText | None = None
    schedule: Annotated[str, Field(max_length=100)] | None = None
    freshness: FreshnessIn = FreshnessIn()
    acl_max_age: str | None = Field(None, examples=["24h"])


class SourcePatch(Input):
    """What is given is changed; null clears."""

    config: dict[str, Any] | None = None
    owner: PrincipalText | None = None
    schedule: Annotated[str, Field(max_length=100)] | None = None
    freshness: FreshnessIn | None = None
    acl_max_age: str | None = None
    state: Literal["active", "paused"] | None = None


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
    state: str
    documents: dict[str, int] = Field(description="Documents by state, and how many are readable by nobody.")
    last_job: dict[str, Any] | None
    next_sync_at: str | None
    created_at: str


class SourcePage(BaseModel):
    sources: list[SourceOut]
    next_cursor: str | None


class SyncIn(Input):
    kind: Literal["incremental", "full", "access"] = "incremental"


class JobRef(BaseModel):
    job_id: str


class PushedJob(JobRef):
    authz_token: str | None = Field(None, description="Set when the push changed access.")


class AuthzToken(BaseModel):
    authz_token: str


class DocumentIn(Input):
    """``text``, or ``content_base64`` with its ``mime``. Without ``access`` nobody may read the document."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "title": "Leave policy",
                    "text": "Everyone has 27 days of leave a year.",
                    "mime": "text/markdown",
                    "owner": "user:carol",
                    "access": [{"allow": ["authenticated"]}],
                }
            ]
        },
    )

    title: Annotated[str, Field(max_length=500)] = ""
    text: str | None = None
    content_base64: str | None = None
    mime: Annotated[str, Field(max_length=200)] | None = None
    uri: Annotated[str, Field(max_length=2000)] = ""
    owner: PrincipalText | None = None
    modified_at: datetime | None = None
    access: AccessIn | None = None
    supersedes: Annotated[list[str], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _one_content(self) -> DocumentIn:
        if (self.text is None) == (self.content_base64 is None):
            raise ValueError("give either text or content_base64")
        if self.modified_at is not None and self.modified_at.tzinfo is None:
            raise ValueError("modified_at needs a time zone, such as 2026-03-01T12:00:00Z")
        return self

    def content(self) -> bytes:
        """The document's bytes. Raises :class:`InvalidInput` for base64 that is not."""
        if self.text is not None:
            return self.text.encode()
        try:
            return base64.b64decode(self.content_base64 or "", validate=True)
        except binascii.Error as error:
            raise InvalidInput("not base64", field="content_base64") from error


class StageOut(BaseModel):
    name: str
    total: int
    done: int
    failed: int
    cancelled: int
    open: int


class JobOut(BaseModel):
    job_id: str
    source_id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    scanned: bool
    counts: dict[str, Any]
    stages: list[StageOut]
    errors: list[dict[str, Any]]
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


class UserIn(Input):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Alice Okafor", "active": True}]}
    )
    name: Text200
    active: bool = True


class GroupIn(Input):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Engineering", "members": ["user:alice", "group:platform"]}]},
    )
    name: Text200
    members: Annotated[list[PrincipalText], Field(max_length=10_000)] | None = None


class MembersIn(Input):
    add: Annotated[list[PrincipalText], Field(max_length=10_000)] = []
    remove: Annotated[list[PrincipalText], Field(max_length=10_000)] = []


class KeyIn(Input):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "intranet", "scopes": ["ask", "act_as"]}]}
    )
    name: Text200
    scopes: Annotated[list[str], Field(min_length=1, max_length=20)]
    user: PrincipalText | None = Field(None, description="Bind the key to act for this user alone.")
    expires_at: datetime | None = None


class KeyOut(BaseModel):
    id: str
    name: str
    hint: str = Field(description="The key's last four characters.")
    scopes: list[str]
    user: str | None
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class KeyMade(KeyOut):
    key: str = Field(description="The key itself, shown here and never again.")


class KeyList(BaseModel):
    keys: list[KeyOut]
