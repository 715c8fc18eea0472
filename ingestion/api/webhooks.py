"""`/v1/webhooks`: programs outside that are told what happens here (scope sources). Nothing of content is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from acl.audit import record
from acl.caller import Caller, require_scope
from ingestion.api.requests import Cursor, Id, Limit, ServicesDep, SourcesCaller, decode_cursor, encode_cursor
from ingestion.evals.told import DRIFT
from ingestion.schemas import Input, Text200
from ingestion.webhooks import events, queue, targets
from ingestion.webhooks.targets import Asked, Event
from vouch.catalog.tables import Webhook, WebhookDelivery
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import BadConfig, Conflict, Forbidden, InvalidInput, NotFound, OutboundRefused
from vouch.outbound.url import parse_url
from vouch.serving.responses import problems

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
State = Literal["active", "paused"]
UrlText = Annotated[
    str, Field(min_length=1, max_length=2000, description="https, unless `VOUCH_OUTBOUND_ALLOW` names its host.")
]
Events = Annotated[list[Event], Field(min_length=1, max_length=10)]
Sources = Annotated[list[Text200], Field(max_length=200)]
_ERRORS = problems(Forbidden, NotFound, InvalidInput, OutboundRefused, BadConfig, Conflict)
_EXAMPLE: dict[str, Any] = {
    "url": "https://hooks.example.org/vouch",
    "events": ["job.ended", "document.quarantined", "documents.stale"],
    "sources": [],
}


class WebhookIn(Input):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    url: UrlText
    events: Events
    sources: Sources = Field([], description="Of these alone, by id or name; empty: of all.")
    state: State = "active"


class WebhookPatch(Input):
    """What is given is changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "paused"}]})

    url: UrlText | None = None
    events: Events | None = None
    sources: Sources | None = None
    state: State | None = Field(None, description="`active` also of one that is paused or disabled by itself.")


class TroubleOut(BaseModel):
    reason: str
    detail: str
    at: str


class FailingOut(BaseModel):
    failures: int = Field(description="Calls that failed one after the other.")
    since: str | None
    next_try: str | None = Field(description="Before this nothing is sent to it.")


class WebhookOut(BaseModel):
    id: str
    url: str
    events: list[str]
    sources: list[str] = Field(description="Ids; empty: all.")
    state: Literal["active", "paused", "disabled"] = Field(
        description="`paused`: what happens meanwhile waits. `disabled`: its receiver said 410; nothing is kept for it."
    )
    problem: TroubleOut | None = Field(description="Why it is paused or disabled, where nobody asked for it.")
    failing: FailingOut | None
    former_secret_until: str | None = Field(description="So long the secret before signs too.")
    created_at: str | None

    @classmethod
    def of(cls, row: Webhook, **more: Any) -> Self:
        failing = FailingOut(
            failures=row.failures, since=rfc3339(row.failing_since), next_try=rfc3339(row.try_after)
        )  # fmt: skip
        both = row.former_until if row.former_until is not None and row.former_until > clock.now() else None
        return cls.model_validate(
            {
                "id": row.id, "url": row.url, "events": row.events, "sources": row.source_ids, "state": row.state,
                "problem": row.problem, "failing": failing if row.failures else None,
                "former_secret_until": rfc3339(both), "created_at": rfc3339(row.created_at), **more,
            }
        )  # fmt: skip


class MadeWebhook(WebhookOut):
    secret: str = Field(description="What its calls are signed with. It is told this once.")


class WebhookPage(BaseModel):
    webhooks: list[WebhookOut]
    next_cursor: str | None


class WebhookDeliveryOut(BaseModel):
    id: str = Field(description="Its `webhook-id`, the same on every try.")
    event: str
    at: str | None
    state: queue.State
    attempts: int
    status: int | None = Field(description="Of the last answer; null where there was none.")
    next_try: str | None
    ended_at: str | None
    problem: TroubleOut | None = Field(description="Why the last try failed.")

    @classmethod
    def of(cls, row: WebhookDelivery) -> Self:
        return cls.model_validate(
            {
                "id": row.id, "event": row.event, "at": rfc3339(row.at), "state": row.state, "attempts": row.attempts,
                "status": row.status, "next_try": rfc3339(row.not_before) if row.state == "waiting" else None,
                "ended_at": rfc3339(row.ended_at), "problem": row.problem,
            }
        )  # fmt: skip


class WebhookDeliveryPage(BaseModel):
    deliveries: list[WebhookDeliveryOut]
    next_cursor: str | None


def _told(row: Webhook) -> dict[str, Any]:
    """For the audit log: of the address the host alone, for more of it may be a secret."""
    return {"host": parse_url(row.url).authority, "events": row.events, "sources": row.source_ids, "state": row.state}


def _may_hear(caller: Caller, events: Sequence[str]) -> None:
    """Raises :class:`Forbidden`: what comes of evaluations is for administrators, wherever it is told."""
    if DRIFT in events:
        require_scope(caller, "admin")


@router.post("", status_code=201, responses=_ERRORS)
def create_webhook(body: WebhookIn, caller: SourcesCaller, services: ServicesDep) -> MadeWebhook:
    """Register a receiver. Its secret is in the answer, and nowhere else afterwards."""
    _may_hear(caller, body.events)
    asked = Asked(body.url, body.events, body.sources, body.state == "active")
    with services.catalog.transaction(caller.tenant) as session:
        row, secret = targets.create(session, services.settings, caller.tenant, asked)
        record(session, caller, "webhook.create", f"webhook:{row.id}", _told(row))
    return MadeWebhook.of(row, secret=secret)


@router.get("", responses=problems(Forbidden, InvalidInput))
def list_webhooks(
    caller: SourcesCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> WebhookPage:
    """Webhooks in the order in which they were made; never their secrets."""
    after = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        rows = targets.page(session, caller.tenant, limit=limit + 1, after=after)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return WebhookPage(webhooks=[WebhookOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.get("/{webhook_id}", responses=problems(Forbidden, NotFound))
def get_webhook(webhook_id: Id, caller: SourcesCaller, services: ServicesDep) -> WebhookOut:
    """One webhook, and how it fares."""
    with services.catalog.reading(caller.tenant) as session:
        return WebhookOut.of(targets.find(session, caller.tenant, webhook_id))


@router.patch("/{webhook_id}", responses=_ERRORS)
def change_webhook(webhook_id: Id, body: WebhookPatch, caller: SourcesCaller, services: ServicesDep) -> WebhookOut:
    """Change what is given; pause or resume with `state`."""
    asked = Asked(body.url, body.events, body.sources, None if body.state is None else body.state == "active")
    with services.catalog.transaction(caller.tenant) as session:
        row = targets.find(session, caller.tenant, webhook_id, lock=True)
        _may_hear(caller, [*row.events, *(body.events or ())])  # nor may what they hear be sent elsewhere by others
        targets.change(session, services.settings, row, asked)
        record(session, caller, "webhook.change", f"webhook:{row.id}", _told(row))
    return WebhookOut.of(row)


@router.delete("/{webhook_id}", status_code=204, responses=problems(Forbidden, NotFound))
def delete_webhook(webhook_id: Id, caller: SourcesCaller, services: ServicesDep) -> None:
    """Delete it with all that it is owed. Nothing more is sent; a call that is being made may still arrive."""
    with services.catalog.transaction(caller.tenant) as session:
        targets.delete(session, caller.tenant, webhook_id)
        record(session, caller, "webhook.delete", f"webhook:{webhook_id}")


@router.post("/{webhook_id}/secret", responses=_ERRORS)
def renew_secret(webhook_id: Id, caller: SourcesCaller, services: ServicesDep) -> MadeWebhook:
    """Another secret, told this once. For a day calls are signed with both."""
    with services.catalog.transaction(caller.tenant) as session:
        row = targets.find(session, caller.tenant, webhook_id, lock=True)
        secret = targets.renew_secret(session, services.settings, row)
        record(session, caller, "webhook.secret", f"webhook:{row.id}")
    return MadeWebhook.of(row, secret=secret)


@router.post("/{webhook_id}/test", status_code=202, responses=problems(Forbidden, NotFound, Conflict))
def test_webhook(webhook_id: Id, caller: SourcesCaller, services: ServicesDep) -> WebhookDeliveryOut:
    """Send `webhook.test`, which tells nothing."""
    with services.catalog.transaction(caller.tenant) as session:
        row = targets.find(session, caller.tenant, webhook_id, lock=True)
        if row.state != "active":
            raise Conflict(f"The webhook is {row.state}.")
        return WebhookDeliveryOut.of(events.owe_test(session, row))


@router.get("/{webhook_id}/deliveries", responses=problems(Forbidden, NotFound, InvalidInput))
def get_webhook_deliveries(
    webhook_id: Id,
    caller: SourcesCaller,
    services: ServicesDep,
    state: queue.State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> WebhookDeliveryPage:
    """What became of each call of the last 30 days, newest first."""
    before = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        targets.find(session, caller.tenant, webhook_id)
        rows = queue.deliveries(session, caller.tenant, webhook_id, state=state, limit=limit + 1, before=before)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return WebhookDeliveryPage(deliveries=[WebhookDeliveryOut.of(row) for row in rows[:limit]], next_cursor=more)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses=problems(Forbidden, NotFound, Conflict),
)
def redeliver(webhook_id: Id, delivery_id: Id, caller: SourcesCaller, services: ServicesDep) -> WebhookDeliveryOut:
    """Make a call once more, delivered or dead: under its own id, with fresh attempts."""
    with services.catalog.transaction(caller.tenant) as session:
        row = queue.again(session, caller.tenant, webhook_id, delivery_id)
        record(session, caller, "webhook.redeliver", f"webhook:{webhook_id}", {"delivery": delivery_id})
        return WebhookDeliveryOut.of(row)
