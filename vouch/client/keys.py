"""API keys (scope `admin`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vouch.client.http import Connection, segment
from vouch.client.results import Key, MadeKey, Result


@dataclass(frozen=True, slots=True)
class Keys:
    """`/v1/keys`."""

    connection: Connection

    def create(
        self, name: str, scopes: Sequence[str], *, user: str | None = None, expires_at: datetime | None = None
    ) -> MadeKey:
        """Make a key; with ``user`` it acts for that user alone. The key itself is in the result and nowhere else."""
        expires = None if expires_at is None else expires_at.isoformat()
        body = {"name": name, "scopes": list(scopes), "user": user, "expires_at": expires}
        return MadeKey.model_validate(self.connection.send("POST", "/v1/keys", body))

    def list(self) -> tuple[Key, ...]:
        return self.connection.get("/v1/keys", _Keys).keys

    def revoke(self, key_id: str) -> None:
        """End a key with the next request."""
        self.connection.send("DELETE", f"/v1/keys/{segment(key_id)}")


class _Keys(Result):
    keys: tuple[Key, ...]
