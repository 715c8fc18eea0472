"""What is owed: one call per webhook at a time, under a lease with a fence, tried over a day with growing pauses.

Rows are locked webhook first, then its deliveries. A worker that dies leaves its lease to expire; the call is made
again under the same id, for nobody knows whether it arrived.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from ingestion.webhooks.events import QUARANTINED, gathered
from vouch.catalog.tables import Webhook, WebhookDelivery
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import Conflict, LeaseLost, NotFound
from vouch.core.types import Json

State = Literal["waiting", "sending", "delivered", "dead"]
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
"""Before the second try and on: 28 hours in all."""
MAX_ATTEMPTS = len(PAUSES_S) + 1
LEASE_S = 60
"""Longer than a call may take, and noting what became of it."""
BREATH_S = (5, 10, 20, 40, 80, 160, 300)
"""How long a receiver that failed so often in a row is left alone, whatever else there is for it."""
PAUSED_AFTER = timedelta(days=1)
"""A receiver that took nothing for so long is paused."""
SLOW_S = 2.0
KEEP = timedelta(days=30)
"""How long what became of a call is kept, and how long one waits for a webhook that is paused."""
GATHERED_AT_ONCE = 1_000
BATCH = 32
RING_AGAIN_S = 60

_OWED = """(d.state = 'waiting' AND d.not_before <= :now OR d.state = 'sending' AND d.leased_until < :now)"""
# Those that answer at once and those that do not have a batch under way each: who is slow waits for who is slow.
_DUE = sa.text(
    f"""
    UPDATE webhook SET rung_at = :now WHERE (tenant_id, id) IN (
        SELECT w.tenant_id, w.id FROM webhook w
        WHERE w.state = 'active' AND w.slow = :slow AND (w.try_after IS NULL OR w.try_after <= :now)
        AND EXISTS (SELECT 1 FROM webhook_delivery d
                    WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.id AND {_OWED})
        AND NOT EXISTS (SELECT 1 FROM webhook r WHERE r.slow = :slow AND r.rung_at > :unheard)
        ORDER BY w.turned_at NULLS FIRST, w.tenant_id, w.id LIMIT :most FOR NO KEY UPDATE OF w SKIP LOCKED)
    RETURNING tenant_id, id
    """  # noqa: S608 - a constant, no input
)


@dataclass(frozen=True, slots=True)
class Call:
    """The right to make one call until the lease ends. ``attempt`` counts this one."""

    webhook: Webhook
    id: str
    event: str
    at: datetime
    data: Json
    attempt: int
    fence: int

    @property
    def tenant(self) -> str:
        return self.webhook.tenant_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. ``reason`` None: it was taken. ``gone``: its receiver wants no more, ever. ``wait_s``: how
    long it asks to be left alone."""

    reason: str | None = None
    detail: str = ""
    status: int | None = None
    took_s: float = 0.0
    wait_s: float = 0.0
    gone: bool = False


def due(session: Session) -> list[list[tuple[str, str]]]:
    """Batches of webhooks that a worker should be rung for now: tenant and id of each."""
    now = clock.now()
    values = {"now": now, "unheard": now - timedelta(seconds=RING_AGAIN_S), "most": BATCH}
    batches = [
        [(row.tenant_id, row.id) for row in session.execute(_DUE, {**values, "slow": slow})] for slow in (False, True)
    ]
    return [batch for batch in batches if batch]


def claim(session: Session, tenant: str, webhook_id: str) -> Call | None:
    """The next call that the webhook is owed; None where it is owed none now, or another worker makes one."""
    now = clock.now()
    webhook = _locked(session, tenant, webhook_id)
    if webhook is None or webhook.state != "active" or (webhook.try_after is not None and webhook.try_after > now):
        return None
    mine = select(WebhookDelivery).where(
        col(WebhookDelivery.tenant_id) == tenant, col(WebhookDelivery.webhook_id) == webhook_id
    )
    sending = col(WebhookDelivery.state) == "sending"
    if session.exec(mine.where(sending, col(WebhookDelivery.leased_until) >= now).limit(1)).first() is not None:
        return None
    ready = sa.and_(col(WebhookDelivery.state) == "waiting", col(WebhookDelivery.not_before) <= now)
    order = (col(WebhookDelivery.not_before), col(WebhookDelivery.id))
    row = session.exec(mine.where(sa.or_(ready, sending)).order_by(*order).limit(1)).first()
    if row is None:
        return None
    if row.event == QUARANTINED and row.fence == 0:  # never claimed: what went out under an id does not change
        _gather(session, row)
    row.state, row.attempts, row.fence = "sending", row.attempts + 1, row.fence + 1
    row.leased_until = now + timedelta(seconds=LEASE_S)
    session.add(row)
    return Call(webhook, row.id, row.event, row.at, row.data, row.attempts, row.fence)


def end(session: Session, call: Call, outcome: Outcome) -> None:
    """Write down what became of it, and of its webhook. Raises :class:`LeaseLost`."""
    now, webhook = clock.now(), _locked(session, call.tenant, call.webhook.id)
    row = session.get(WebhookDelivery, (call.tenant, call.id), with_for_update=True) if webhook is not None else None
    if webhook is None or row is None or row.fence != call.fence or row.state != "sending":
        raise LeaseLost("Another worker has the call now.")
    row.leased_until, row.status = None, outcome.status
    if outcome.reason is None:
        row.state, row.problem, row.ended_at = "delivered", None, now
        webhook.failures, webhook.failing_since, webhook.try_after, webhook.problem = 0, None, None, None
        webhook.slow = outcome.took_s > SLOW_S
    else:
        problem = {"reason": outcome.reason, "detail": outcome.detail, "at": rfc3339(now)}
        over = outcome.gone or call.attempt >= MAX_ATTEMPTS
        row.state, row.problem, row.ended_at = "dead" if over else "waiting", problem, now if over else None
        if not over:
            row.not_before = now + timedelta(seconds=max(_jittered(PAUSES_S[call.attempt - 1]), outcome.wait_s))
        _failed(webhook, outcome, now)
    session.add(row)
    session.add(webhook)


def rest(session: Session, tenant: str, webhook_id: str) -> None:
    """Its turn is over: it may be rung for again."""
    webhook = _locked(session, tenant, webhook_id)
    if webhook is not None:
        webhook.rung_at, webhook.turned_at = None, clock.now()
        session.add(webhook)


def again(session: Session, tenant: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Make a call once more, under its own id and with fresh attempts. Raises :class:`NotFound`, and
    :class:`Conflict` for one that is being made."""
    webhook = _locked(session, tenant, webhook_id)
    row = session.get(WebhookDelivery, (tenant, delivery_id), with_for_update=True)
    if webhook is None or row is None or row.webhook_id != webhook_id:
        raise NotFound()
    if row.state == "sending":
        raise Conflict("It is being sent.")
    row.state, row.attempts, row.not_before, row.ended_at = "waiting", 0, clock.now(), None
    webhook.try_after = None
    session.add(row)
    session.add(webhook)
    session.flush()
    return row


def deliveries(
    session: Session, tenant: str, webhook_id: str, *, state: State | None, limit: int, before: str
) -> Sequence[WebhookDelivery]:
    """Up to ``limit``, newest first, of those before the id ``before``; "" for the first page."""
    query = select(WebhookDelivery).where(
        col(WebhookDelivery.tenant_id) == tenant, col(WebhookDelivery.webhook_id) == webhook_id
    )
    if state is not None:
        query = query.where(col(WebhookDelivery.state) == state)
    if before:
        query = query.where(col(WebhookDelivery.id) < before)
    return session.exec(query.order_by(col(WebhookDelivery.id).desc()).limit(limit)).all()


def forget_old(session: Session) -> None:
    """Of every tenant that the session sees: calls that ended long ago, or wait for longer than anybody will."""
    session.execute(
        sa.delete(WebhookDelivery).where(
            col(WebhookDelivery.at) < clock.now() - KEEP, col(WebhookDelivery.state) != "sending"
        )
    )


def _locked(session: Session, tenant: str, webhook_id: str) -> Webhook | None:
    query = select(Webhook).where(col(Webhook.tenant_id) == tenant, col(Webhook.id) == webhook_id)
    return session.exec(query.with_for_update(key_share=True)).first()


def _gather(session: Session, row: WebhookDelivery) -> None:
    """Take along what others of the same source tell, so that a flood of them is a few calls."""
    table = WebhookDelivery
    others = session.exec(
        select(table)
        .where(
            col(table.tenant_id) == row.tenant_id,
            col(table.webhook_id) == row.webhook_id,
            col(table.event) == row.event,
            col(table.source_id) == row.source_id,
            col(table.state) == "waiting",
            col(table.fence) == 0,
            col(table.id) != row.id,
        )
        .order_by(col(table.id))
        .limit(GATHERED_AT_ONCE)
    ).all()
    for other in others:
        row.data = gathered(row.data, other.data)
    taken = [other.id for other in others]
    session.execute(sa.delete(table).where(col(table.tenant_id) == row.tenant_id, col(table.id).in_(taken)))


def _failed(webhook: Webhook, outcome: Outcome, now: datetime) -> None:
    breath = max(BREATH_S[min(webhook.failures, len(BREATH_S) - 1)], outcome.wait_s)
    webhook.failures, webhook.slow = webhook.failures + 1, True
    webhook.failing_since = webhook.failing_since or now
    webhook.try_after = now + timedelta(seconds=breath)
    said = f"{outcome.reason} {outcome.status or ''}".strip()
    if outcome.gone:
        webhook.state = "disabled"
        webhook.problem = {"reason": "gone", "detail": "Its receiver said that it is gone.", "at": rfc3339(now)}
    elif now - webhook.failing_since >= PAUSED_AFTER and webhook.state == "active":
        webhook.state = "paused"
        detail = f"It took no call for a day; the last one ended with {said}."
        webhook.problem = {"reason": "failing", "detail": detail, "at": rfc3339(now)}


def _jittered(seconds: int) -> float:
    """Up to a fifth longer: receivers that failed together are not all tried again together."""
    return seconds * (1 + secrets.randbelow(200) / 1000)
