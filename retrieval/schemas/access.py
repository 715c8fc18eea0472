"""Who may read what, as administrators are told it: ids and principals, never content."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, Field


class ExplainedClause(BaseModel):
    clause: int
    allow: list[str]
    deny: list[str]
    permits: bool
    allowed_by: dict[str, list[str]] = Field(description="Matched principals, each with a membership path to it.")
    denied_by: dict[str, list[str]]


class AgeOf(BaseModel):
    """How old what was read of access is, and may be. `max_age_s` null: it does not age."""

    read_at: str | None
    age_s: float | None
    max_age_s: int | None
    too_old: bool


class ExplainResponse(BaseModel):
    user: str
    document_id: str
    version: int | None
    decision: Literal["allowed", "denied"]
    epoch: int | None
    reasons: list[str] = Field(description="All that stands against reading, each by itself.")
    acl_id: str | None = Field(description="The hash of the clauses; documents with equal clauses share it.")
    clauses: list[ExplainedClause]
    acl_read_at: str | None
    acl_max_age_s: int | None
    acl: AgeOf
    memberships: AgeOf


class Through(BaseModel):
    clause: int
    principals: list[str] = Field(description="Those of the user that the clause allows.")


class Reader(BaseModel):
    user: str
    through: list[Through]


class ReadersResponse(BaseModel):
    document_id: str
    epoch: int
    reasons: list[str] = Field(description="Why nobody may read it; empty when that depends on who asks.")
    readers: list[Reader]
    next_cursor: str | None


class ReadableDocument(BaseModel):
    """No title and no content: an administrator is not a reader."""

    document_id: str
    external_id: str
    source_id: str


class ReadableResponse(BaseModel):
    user: str
    epoch: int
    reasons: list[str] = Field(description="Why the user may read nothing; empty when that depends on the document.")
    documents: list[ReadableDocument]
    next_cursor: str | None


class AccessChange(BaseModel):
    """One row that an epoch changed, with who began the epoch; an epoch that changed none has one without any."""

    epoch: int
    at: str
    actor: str
    kind: str
    subject: str
    user: str | None
    group: str | None
    member: str | None
    document_id: str | None
    state: Literal["active", "inactive", "deleted", "added", "removed", "changed"] | None
    acl_id: str | None


class Moved(BaseModel):
    """A document that the user, or a user whom the document, gained or lost."""

    change: Literal["gained", "lost"]
    user: str | None
    document_id: str | None
    external_id: str | None
    source_id: str | None

    @classmethod
    def of(cls, row: Any, *, user: str | None, document_id: str | None) -> Self:
        """``row.id``: the document that ``user`` gained or lost, or the user whom ``document_id`` did."""
        if document_id is not None:
            return cls(change=row.change, user=row.id, document_id=None, external_id=None, source_id=None)
        return cls(
            change=row.change, user=None, document_id=row.id, external_id=row.external_id, source_id=row.source_id
        )


class ChangesResponse(BaseModel):
    from_epoch: int
    to_epoch: int
    changes: list[AccessChange]
    moved: list[Moved] = Field(description="With `user` or `document`: what the changes did, by the access rules.")
    next_cursor: str | None


class ReplayedCitation(BaseModel):
    n: int
    start: int
    end: int


class ReplayedThen(BaseModel):
    verdict: Literal["allowed", "denied", "unprovable"]
    reasons: list[str]
    acl_id: str | None
    clauses: list[ExplainedClause]


class ReplayedNow(BaseModel):
    decision: Literal["allowed", "denied"]
    reasons: list[str]
    version: int | None


class ReplayedDocument(BaseModel):
    document_id: str
    version: int
    cited: list[ReplayedCitation]
    then: ReplayedThen
    now: ReplayedNow


class ReplayResponse(BaseModel):
    """Ids, rules, paths and offsets: neither the question nor any text."""

    answer_id: str
    user: str
    kind: Literal["answer", "abstention"]
    epoch: int
    decided_at: str | None
    generation: str
    principals_hash: str
    recomputed_hash: str | None = Field(description="Of the principals that history gives the user at the epoch.")
    then: Literal["allowed", "denied", "unprovable"]
    now: Literal["allowed", "denied"]
    reasons: list[str] = Field(description="Why nothing can be proved; empty otherwise.")
    reasons_now: list[str] = Field(description="Why the user may read nothing now; empty otherwise.")
    documents: list[ReplayedDocument]
