"""`/v1/webhooks` (scope `sources`): programs outside that are told what happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Result


class Webhook(Result):
    """``problem``: why it is paused or disabled, where nobody asked for it. ``failing``: since when, and until when it
    is left alone."""

    id: str
    url: str
    events: tuple[str, ...]
    sources: tuple[str, ...]
    state: str
    problem: dict[str, str] | None
    failing: dict[str, int | str | None] | None
    former_secret_until: AwareDatetime | None
    created_at: AwareDatetime


class MadeWebhook(Webhook):
    secret: str


class WebhookDelivery(Result):
    """What became of one call; ``status`` of the last answer."""

    id: str
    event: str
    at: AwareDatetime
    state: str
    attempts: int
    status: int | None
    next_try: AwareDatetime | None
    ended_at: AwareDatetime | None
    problem: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`/v1/webhooks`."""

    connection: Connection

    def create(self, url: str, events: Sequence[str], sources: Sequence[str] = ()) -> MadeWebhook:
        """``sources``: of these alone, by id or name. The secret is in the result and nowhere else."""
        body = {"url": url, "events": list(events), "sources": list(sources)}
        return MadeWebhook.model_validate(self.connection.send("POST", "/v1/webhooks", body))

    def list(self) -> Iterator[Webhook]:
        return self.connection.pages("/v1/webhooks", "webhooks", Webhook)

    def get(self, webhook_id: str) -> Webhook:
        return self.connection.get(_path(webhook_id), Webhook)

    def change(self, webhook_id: str, **given: object) -> Webhook:
        """``url``, ``events``, ``sources``, ``state``: what is given is changed."""
        return Webhook.model_validate(self.connection.send("PATCH", _path(webhook_id), given))

    def delete(self, webhook_id: str) -> None:
        """With all that it is owed."""
        self.connection.send("DELETE", _path(webhook_id))

    def renew_secret(self, webhook_id: str) -> MadeWebhook:
        """Another secret; for a day calls are signed with both."""
        return MadeWebhook.model_validate(self.connection.send("POST", f"{_path(webhook_id)}/secret"))

    def test(self, webhook_id: str) -> WebhookDelivery:
        """Send a call that tells nothing."""
        return WebhookDelivery.model_validate(self.connection.send("POST", f"{_path(webhook_id)}/test"))

    def deliveries(self, webhook_id: str, *, state: str | None = None) -> Iterator[WebhookDelivery]:
        """What became of each call, newest first."""
        path = f"{_path(webhook_id)}/deliveries"
        return self.connection.pages(path, "deliveries", WebhookDelivery, {"state": state})

    def redeliver(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Make a call once more, under its own id."""
        path = f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver"
        return WebhookDelivery.model_validate(self.connection.send("POST", path))


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{segment(webhook_id)}"
