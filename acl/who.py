"""Who a request comes from, as everything below the routes is told it: plain values, so that what never serves HTTP
(the worker, the scheduler) loads no server for them. They are made in :mod:`acl.caller`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OIDC = "oidc:"
"""Begins the id of a credential that is an issuer's access token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request. ``user`` is set only when it acts for one, and only then may it read content.

    ``key_id`` is the API key's, or ``oidc:okta`` for a token of that issuer; ``expires_at`` the end of either.
    """

    tenant: str
    key_id: str
    scopes: frozenset[str]
    user: str | None
    expires_at: datetime | None = None

    @property
    def actor(self) -> str:
        """For logs of who did what: by which key, and whom it acted for."""
        return _actor(self.user, self.key_id)


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller who acts for a user."""

    tenant: str
    user: str
    key_id: str
    expires_at: datetime | None = None

    @property
    def actor(self) -> str:
        return _actor(self.user, self.key_id)


def _actor(user: str | None, key_id: str) -> str:
    credential = key_id if key_id.startswith(OIDC) else f"key:{key_id}"
    return f"{user} via {credential}" if user else credential
