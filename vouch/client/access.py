"""Who may read what, and why (scope `admin`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vouch.client.http import Connection, segment
from vouch.client.results import AccessChange, Explanation, Moved, ReadableDocument, Reader, Replay, Result


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
