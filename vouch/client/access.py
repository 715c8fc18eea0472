"""Who may read what, and why (scope `admin`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Result


class ExplainedClause(Result):
    """Matched principals, each with a membership path to it."""

    clause: int
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    permits: bool
    allowed_by: dict[str, list[str]]
    denied_by: dict[str, list[str]]


class AgeOf(Result):
    """How old what was read of access is and may be, in seconds."""

    read_at: AwareDatetime | None
    age_s: float | None
    max_age_s: int | None
    too_old: bool


class Explanation(Result):
    user: str
    document_id: str
    version: int | None
    decision: Literal["allowed", "denied"]
    epoch: int | None
    reasons: tuple[str, ...]
    clauses: tuple[ExplainedClause, ...]
    acl: AgeOf
    memberships: AgeOf


class Through(Result):
    """The principals of a user that a clause allows."""

    clause: int
    principals: tuple[str, ...]


class Reader(Result):
    user: str
    through: tuple[Through, ...]


class ReadableDocument(Result):
    document_id: str
    external_id: str
    source_id: str


class AccessChange(Result):
    """One row that an epoch changed, with who began it."""

    epoch: int
    at: AwareDatetime
    actor: str
    kind: str
    subject: str
    user: str | None
    group: str | None
    member: str | None
    document_id: str | None
    state: str | None


class Moved(Result):
    change: Literal["gained", "lost"]
    user: str | None
    document_id: str | None
    external_id: str | None
    source_id: str | None


class ReplayedCitation(Result):
    n: int
    start: int
    end: int


class ReplayedThen(Result):
    verdict: Literal["allowed", "denied", "unprovable"]
    reasons: tuple[str, ...]
    clauses: tuple[ExplainedClause, ...]


class ReplayedNow(Result):
    decision: Literal["allowed", "denied"]
    reasons: tuple[str, ...]


class ReplayedDocument(Result):
    document_id: str
    version: int
    cited: tuple[ReplayedCitation, ...]
    then: ReplayedThen
    now: ReplayedNow


class Replay(Result):
    """``then`` is unprovable where the kept proof, the history and the audit log do not agree."""

    answer_id: str
    user: str
    epoch: int
    decided_at: AwareDatetime | None
    principals_hash: str
    recomputed_hash: str | None
    then: Literal["allowed", "denied", "unprovable"]
    now: Literal["allowed", "denied"]
    reasons: tuple[str, ...]
    reasons_now: tuple[str, ...]
    documents: tuple[ReplayedDocument, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """`/v1/access`. Lists are fetched page by page as they are needed, each page of one state of access."""

    connection: Connection

    def explain(self, user: str, document_id: str) -> Explanation:
        """Why ``user`` may or may not read a document."""
        return self.connection.get("/v1/access/explain", Explanation, {"user": user, "document": document_id})

    def readers(self, document_id: str) -> Iterator[Reader]:
        return self.connection.pages("/v1/access/readers", "readers", Reader, {"document": document_id})

    def readable(self, user: str) -> Iterator[ReadableDocument]:
        return self.connection.pages("/v1/access/readable", "documents", ReadableDocument, {"user": user})

    def why_nobody(self, document_id: str) -> tuple[str, ...]:
        """What keeps everybody from a document, whoever asks."""
        return self.connection.get("/v1/access/readers", _Reasons, {"document": document_id, "limit": 1}).reasons

    def why_nothing(self, user: str) -> tuple[str, ...]:
        """What keeps a user from every document."""
        return self.connection.get("/v1/access/readable", _Reasons, {"user": user, "limit": 1}).reasons

    def changes(self, first: int, last: int | None = None) -> Iterator[AccessChange]:
        """What changed after the epoch ``first`` up to ``last`` (the newest unless given)."""
        return self.connection.pages("/v1/access/changes", "changes", AccessChange, {"from": first, "to": last})

    def moved(
        self, first: int, last: int | None = None, *, user: str | None = None, document_id: str | None = None
    ) -> Iterator[Moved]:
        """The documents that ``user``, or the readers that a document, gained and lost by that."""
        query = {"from": first, "to": last, "user": user, "document": document_id}
        return self.connection.pages("/v1/access/changes", "moved", Moved, query)

    def replay(self, answer_id: str) -> Replay:
        """Why an answer was allowed when it was given, and whether it is now."""
        return self.connection.get(f"/v1/answers/{segment(answer_id)}/replay", Replay)


class _Reasons(Result):
    reasons: tuple[str, ...]
