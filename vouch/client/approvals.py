"""Answers that a person approves (scope `review`, acting for a user)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Citation, Claim, Notice, Result


class Waiting(Result):
    """An answer of the queue. ``why`` a person approves it: ``profile``, ``workflow`` or ``model``."""

    answer_id: str
    status: str
    question: str
    asked_by: str
    why: str
    created_at: AwareDatetime
    version: int
    claimed_by: str | None
    claimed_until: AwareDatetime | None
    edited_by: str | None
    decided_by: str | None
    decided_at: AwareDatetime | None
    reason: str | None


class Approval(Waiting):
    """All that there is to decide about; ``original`` is what it said before it was edited."""

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    notices: tuple[Notice, ...]
    writer: str
    original: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Approvals:
    """`/v1/approvals`."""

    connection: Connection

    def list(self, state: str = "awaiting_review") -> Iterator[Waiting]:
        """Oldest first: ``awaiting_review``, ``released`` or ``rejected``."""
        return self.connection.pages("/v1/approvals", "approvals", Waiting, {"state": state})

    def get(self, answer_id: str) -> Approval:
        return self.connection.get(f"/v1/approvals/{segment(answer_id)}", Approval)

    def claim(self, answer_id: str) -> Approval:
        """Nobody else decides about it for a while."""
        return self._send(answer_id, "claim", None)

    def edit(self, answer_id: str, version: int, claims: Sequence[Mapping[str, Any]]) -> Approval:
        """All claims, each ``text`` with ``citations`` (numbers that it has) and ``quotes`` (``document_id`` and
        ``quote``). They are checked as a model's are."""
        return self._send(answer_id, "edit", {"version": version, "claims": [dict(claim) for claim in claims]})

    def release(self, answer_id: str, version: int) -> Approval:
        """Let its asker read it: the version that was read."""
        return self._send(answer_id, "release", {"version": version})

    def reject(self, answer_id: str, version: int, reason: str) -> Approval:
        """Keep it from its asker, who is told the reason."""
        return self._send(answer_id, "reject", {"version": version, "reason": reason})

    def _send(self, answer_id: str, verb: str, body: Mapping[str, Any] | None) -> Approval:
        found = self.connection.send("POST", f"/v1/approvals/{segment(answer_id)}/{verb}", body)
        return Approval.model_validate(found)
