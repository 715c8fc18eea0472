"""Issuers of access tokens and of provisioning (scope `admin`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vouch.client.http import Connection, segment
from vouch.client.results import Issuer, Result


@dataclass(frozen=True, slots=True)
class Issuers:
    """`/v1/issuers`."""

    connection: Connection

    def put(self, issuer_id: str, **settings: Any) -> str:
        """Create or replace an issuer: ``url``, ``audience`` and the rest as in `PUT /v1/issuers/{issuer_id}`."""
        return str(self.connection.send("PUT", f"/v1/issuers/{segment(issuer_id)}", settings)["authz_token"])

    def get(self, issuer_id: str) -> Issuer:
        return self.connection.get(f"/v1/issuers/{segment(issuer_id)}", Issuer)

    def list(self) -> tuple[Issuer, ...]:
        return self.connection.get("/v1/issuers", _Issuers).issuers

    def remove(self, issuer_id: str) -> str:
        """End the trust in an issuer; its users and groups stay."""
        return str(self.connection.send("DELETE", f"/v1/issuers/{segment(issuer_id)}")["authz_token"])


class _Issuers(Result):
    issuers: tuple[Issuer, ...]
