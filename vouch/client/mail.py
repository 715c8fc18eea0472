"""`/v1/mail`: where the reports of the user that the client acts for go, and whether they want them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import AwareDatetime

from vouch.client.http import Connection
from vouch.client.results import Result


class MailStanding(Result):
    """``subscribed``: what the user said; None: as the tenant's schedule has it. ``pending`` is not confirmed yet."""

    address: str | None
    set_by: str | None
    pending: str | None
    subscribed: bool | None
    receives: bool
    schedule: str | None
    next_at: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class Mail:
    """Of a client that acts for a user."""

    connection: Connection

    def get(self) -> MailStanding:
        return self.connection.get("/v1/mail", MailStanding)

    def set_address(self, address: str) -> MailStanding:
        """A message asks there first; until its link is followed nothing else is sent to it."""
        return self._send("PUT", "address", {"address": address})

    def forget_address(self) -> MailStanding:
        return self._send("DELETE", "address", None)

    def subscribe(self, wanted: bool | None) -> MailStanding:
        """None: as the tenant's schedule has it."""
        return self._send("PUT", "subscription", {"subscribed": wanted})

    def _send(self, method: str, what: str, body: dict[str, object] | None) -> MailStanding:
        return MailStanding.model_validate(self.connection.send(method, f"/v1/mail/{what}", body))
