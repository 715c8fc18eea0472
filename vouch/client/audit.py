"""The audit log (scope `admin`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime

from vouch.client.http import Connection
from vouch.client.results import Result

VERIFYING_S: Final = 3600.0
"""Seconds that a walk through millions of entries may take."""


class AuditEntry(Result):
    chain: Literal["access", "use"]
    seq: int
    at: AwareDatetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    mac: str


class AuditHead(Result):
    """The last entry of a chain, and the seal that stands for all before it."""

    tenant: str
    chain: Literal["access", "use"]
    seq: int
    mac: str
    at: AwareDatetime


class AuditChain(Result):
    chain: str
    entries: int


class AuditBreak(Result):
    """The first place of a chain that is not as it was written; chain ``heads``: a line of the platform's file."""

    chain: str
    seq: int
    what: Literal["edited", "missing", "truncated", "inserted", "head"]
    detail: str


class AuditVerified(Result):
    """``heads``: written-down heads that were met."""

    whole: bool
    chains: tuple[AuditChain, ...]
    heads: int
    broken: tuple[AuditBreak, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """`/v1/audit`."""

    connection: Connection

    def entries(
        self, wanted: Mapping[str, str | None], *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[AuditEntry]:
        """Entries, newest first, fetched as they are needed. ``wanted``: ``subject``, ``actor``, ``action``,
        ``document``, ``chain``."""
        moments = {name: at.isoformat() for name, at in (("from", since), ("to", until)) if at is not None}
        return self.connection.pages("/v1/audit", "entries", AuditEntry, {**wanted, **moments})

    def heads(self) -> tuple[AuditHead, ...]:
        """The heads of both chains, to keep elsewhere."""
        return self.connection.get("/v1/audit/head", _Heads).heads

    def verify(self, kept: Sequence[AuditHead] = ()) -> AuditVerified:
        """Whether the log is whole, and still the one of which the heads in ``kept`` were taken."""
        body = {"heads": [head.model_dump(mode="json") for head in kept]}
        found = self.connection.send("POST", "/v1/audit/verify", body, timeout_s=VERIFYING_S)
        return AuditVerified.model_validate(found)


class _Heads(Result):
    heads: tuple[AuditHead, ...]
