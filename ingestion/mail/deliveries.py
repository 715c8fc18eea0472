"""What is owed: claimed by one worker at a time, tried with longer and longer pauses, given up after the last.

Before a message is handed over that is written down, and taken back only where the server says that it did not take
it. So a message is handed over a second time only after a crash, or a connection that was lost, between those two
moments; and never a third time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from vouch.catalog.tables import ReportDelivery
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import LeaseLost, MailNotSent

PAUSES_S = (60, 300, 1800, 7200, 21_600, 43_200)
"""Before the second try and on: a server may be away for most of a day."""
MAX_ATTEMPTS = len(PAUSES_S) + 1
HANDED_AT_MOST = 2
LEASE_S = 300
"""Longer than all steps of one conversation together."""
BATCH = 50
RING_AGAIN_S = 60
State = Literal["waiting", "sending", "sent", "nothing", "skipped", "dead"]
Ended = Literal["sent", "nothing", "skipped", "dead"]

# One batch at a time is rung for, so that a slow server holds one process of the workers and no more.
_DUE = sa.text(
    """
    UPDATE report_delivery SET rung_at = now() WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM report_delivery
        WHERE (state = 'waiting' AND not_before <= :now OR state = 'sending' AND leased_until < :now)
        AND NOT EXISTS (
            SELECT 1 FROM report_delivery r WHERE r.state IN ('waiting', 'sending')
            AND r.rung_at > now() - make_interval(secs => :quiet))
        ORDER BY not_before LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id, id
    """
)
_CLAIM = sa.text(
    """
    UPDATE report_delivery SET state = 'sending', attempts = attempts + 1, fence = fence + 1,
        leased_until = CAST(:now AS timestamptz) + make_interval(secs => :lease)
    WHERE tenant_id = :tenant AND id = :id
    AND (state = 'waiting' AND not_before <= :now OR state = 'sending' AND leased_until < :now)
    RETURNING user_id, kind, period, attempts, handed, fence
    """
)
_HAND = sa.text(
    "UPDATE report_delivery SET handed = handed + 1"
    " WHERE tenant_id = :tenant AND id = :id AND fence = :fence AND state = 'sending' RETURNING 1"
)
_END = sa.text(
    """
    UPDATE report_delivery SET state = CAST(:state AS text), handed = handed - :not_taken,
        leased_until = NULL, rung_at = NULL,
        not_before = CAST(:now AS timestamptz) + make_interval(secs => :pause), problem = CAST(:problem AS jsonb),
        ended_at = CASE WHEN CAST(:state AS text) <> 'waiting' THEN CAST(:now AS timestamptz) END
    WHERE tenant_id = :tenant AND id = :id AND fence = :fence AND state = 'sending' RETURNING 1
    """
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The right to deliver one message until the lease ends. ``attempt`` counts this one."""

    tenant: str
    id: str
    user: str
    kind: str
    period: datetime
    attempt: int
    handed: int
    fence: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries; None leaves a choice open."""

    state: State | None = None
    user: str | None = None


def due(session: Session) -> list[tuple[str, str]]:
    """What a worker should be rung for now: tenant and id of each. Nothing while an earlier batch is under way."""
    values = {"now": clock.now(), "quiet": RING_AGAIN_S, "most": BATCH}
    return [(row.tenant_id, row.id) for row in session.execute(_DUE, values)]


def claim(session: Session, tenant: str, delivery_id: str) -> Delivery | None:
    """None where it is not due, or another worker has it."""
    values = {"tenant": tenant, "id": delivery_id, "now": clock.now(), "lease": LEASE_S}
    row = session.execute(_CLAIM, values).first()
    return None if row is None else Delivery(tenant, delivery_id, *row)


def note_handed(session: Session, mine: Delivery) -> None:
    """In the caller's transaction, before the message is handed over. Raises :class:`LeaseLost`."""
    _required(session.execute(_HAND, {"tenant": mine.tenant, "id": mine.id, "fence": mine.fence}).first())


def end(session: Session, mine: Delivery, state: Ended, reason: str | None = None) -> None:
    """Raises :class:`LeaseLost`."""
    said = None if reason is None else json.dumps({"reason": reason, "detail": "", "at": rfc3339(clock.now())})
    _write(session, mine, {"state": state, "problem": said, "pause": 0, "not_taken": 0})


def put_off(session: Session, mine: Delivery, error: MailNotSent, *, handed: bool) -> State:
    """Try later, or give up where that cannot help. ``handed``: the try had come as far as handing over.

    Returns what it is now. Raises :class:`LeaseLost`.
    """
    uncertain = mine.handed + (handed and error.unsure)
    over = error.final or mine.attempt >= MAX_ATTEMPTS or uncertain >= HANDED_AT_MOST
    state: State = "dead" if over else "waiting"
    pause = 0 if over else PAUSES_S[mine.attempt - 1]
    problem = {"reason": error.reason, "detail": error.detail, "at": rfc3339(clock.now())}
    not_taken = int(handed and not error.unsure)
    _write(session, mine, {"state": state, "problem": json.dumps(problem), "pause": pause, "not_taken": not_taken})
    return state


def revive(session: Session, tenant: str, user: str | None) -> int:
    """Try again what was given up, with fresh attempts; of one user or of all. Returns how many."""
    revived = session.execute(
        sa.text(
            "UPDATE report_delivery SET state = 'waiting', attempts = 0, handed = 0, not_before = :now, ended_at = NULL"
            " WHERE tenant_id = :tenant AND state = 'dead' AND (CAST(:user AS text) IS NULL OR user_id = :user)"
            " RETURNING 1"
        ),
        {"tenant": tenant, "user": user, "now": clock.now()},
    )
    return len(revived.all())


def deliveries(session: Session, tenant: str, wanted: Wanted, *, limit: int, before: str) -> Sequence[ReportDelivery]:
    """Up to ``limit``, newest first, of those before the id ``before``; "" for the first page."""
    query = select(ReportDelivery).where(col(ReportDelivery.tenant_id) == tenant)
    if wanted.state is not None:
        query = query.where(col(ReportDelivery.state) == wanted.state)
    if wanted.user is not None:
        query = query.where(col(ReportDelivery.user_id) == wanted.user)
    if before:
        query = query.where(col(ReportDelivery.id) < before)
    return session.exec(query.order_by(col(ReportDelivery.id).desc()).limit(limit)).all()


def _write(session: Session, mine: Delivery, values: dict[str, object]) -> None:
    where = {"tenant": mine.tenant, "id": mine.id, "fence": mine.fence, "now": clock.now()}
    _required(session.execute(_END, values | where).first())


def _required(row: object) -> None:
    if row is None:
        raise LeaseLost("Another worker has the message now.")
