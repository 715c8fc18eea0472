"""When reports go out: one schedule for a tenant, in UTC; each time it comes, a row for everyone who is to get one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from ingestion.jobs import check_schedule, next_sync
from ingestion.mail.recipients import recipients, standing
from vouch.catalog.tables import ReportDelivery, ReportSchedule
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput
from vouch.core.ids import new_id
from vouch.core.types import principal_name

KEEP = timedelta(days=365)
"""How long what became of a delivery is kept."""
_EVERY = timedelta(hours=1)
_MANY = 1_000
_LOOKED_AT = 60


def set_schedule(session: Session, tenant: str, schedule: str | None, send_to: Sequence[str]) -> ReportSchedule:
    """Raises :class:`InvalidInput` for a schedule that is none or comes more than hourly, or what is no principal."""
    to = sorted({principal_name(one, field="send_to") for one in send_to})
    at = None
    if schedule is not None:
        at = next_sync(check_schedule(schedule), clock.now())
        assert at is not None
        _seldom_enough(schedule, at)
    values = {"schedule": schedule, "send_to": to, "next_at": at}
    session.execute(
        insert(ReportSchedule)
        .values(tenant_id=tenant, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
    return ReportSchedule(tenant_id=tenant, schedule=schedule, send_to=to, next_at=at)


def schedule_of(session: Session, tenant: str) -> ReportSchedule:
    """As it was set; before that, no schedule and nobody to send to."""
    return session.get(ReportSchedule, tenant) or ReportSchedule(tenant_id=tenant, send_to=[])


def enqueue_due(session: Session) -> int:
    """Owe everybody their report whose schedule has come, of every tenant that the session sees. Returns how many.

    A time that was missed, because nothing ran, is made up for once.
    """
    now, owed = clock.now(), 0
    due = session.exec(
        select(ReportSchedule).where(col(ReportSchedule.next_at) <= now).with_for_update(skip_locked=True)
    ).all()
    for row in due:
        assert row.next_at is not None
        owed += _owe(session, row.tenant_id, recipients(session, row.tenant_id), row.next_at)
        row.next_at = next_sync(row.schedule, now)
        session.add(row)
        session.execute(
            sa.delete(ReportDelivery).where(
                col(ReportDelivery.tenant_id) == row.tenant_id, col(ReportDelivery.period) < now - KEEP
            )
        )
    return owed


def send_now(session: Session, tenant: str, user: str) -> None:
    """Owe one user a report now. Raises :class:`NotFound`, and
    :class:`Conflict` for one who would get none."""
    if not standing(session, tenant, user).receives:
        raise Conflict("The user is not active, has no confirmed address, or gets no reports.")
    _owe(session, tenant, [user], clock.now())


def _owe(session: Session, tenant: str, users: Sequence[str], period: datetime) -> int:
    for start in range(0, len(users), _MANY):
        rows = [
            {"tenant_id": tenant, "id": new_id(), "user_id": user, "kind": "report", "period": period}
            for user in users[start : start + _MANY]
        ]
        filled = {"state": "waiting", "attempts": 0, "handed": 0, "fence": 0}
        session.execute(insert(ReportDelivery).values([row | filled for row in rows]).on_conflict_do_nothing())
    return len(users)


def _seldom_enough(schedule: str, first: datetime) -> None:
    """Looks at the next times that it comes: a cron expression need not be even."""
    for _ in range(_LOOKED_AT):
        second = next_sync(schedule, first)
        if second is None or second - first < _EVERY:
            raise InvalidInput("reports are sent once an hour at most", field="schedule")
        first = second
