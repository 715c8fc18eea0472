"""Reading in an emergency (scope `break_glass`), and notifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Document, Result, TextPart


class Grant(Result):
    id: str
    document_id: str
    user: str
    reason: str
    granted_by: str
    state: Literal["active", "expired", "ended"]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    first_read_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class Notification(Result):
    """``title`` is None where the user may not read the document."""

    id: str
    kind: str
    document_id: str | None
    title: str | None
    detail: dict[str, Any]
    created_at: AwareDatetime
    seen_at: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """`/v1/break-glass`."""

    connection: Connection

    def open(self, document_id: str, reason: str, minutes: int) -> Grant:
        """Open one document to the user of this client. On the audit log, and told to its owner."""
        body = {"document_id": document_id, "reason": reason, "minutes": minutes}
        return Grant.model_validate(self.connection.send("POST", "/v1/break-glass", body))

    def __iter__(self) -> Iterator[Grant]:
        """Grants, newest first: an administrator's all, else the user's own."""
        return self.connection.pages("/v1/break-glass", "grants", Grant)

    def end(self, grant_id: str) -> None:
        self.connection.send("DELETE", f"/v1/break-glass/{segment(grant_id)}")

    def document(self, grant_id: str) -> Document:
        return self.connection.get(f"/v1/break-glass/{segment(grant_id)}/document", Document)

    def text(self, grant_id: str, start: int | None = None, end: int | None = None) -> TextPart:
        """Code points ``start`` to ``end`` of the current version."""
        return self.connection.get(f"/v1/break-glass/{segment(grant_id)}/text", TextPart, {"start": start, "end": end})


@dataclass(frozen=True, slots=True)
class Notifications:
    """`/v1/notifications`: what the user should know of."""

    connection: Connection

    def list(self, *, unseen: bool = False) -> Iterator[Notification]:
        """Newest first."""
        query = {"unseen": "true"} if unseen else {}
        return self.connection.pages("/v1/notifications", "notifications", Notification, query)

    def mark_seen(self, notification_id: str) -> None:
        self.connection.send("POST", f"/v1/notifications/{segment(notification_id)}/seen")
