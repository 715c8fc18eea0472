"""Who gets reports, and where: addresses that were confirmed or set by an administrator, and what each person wants.

An address is a property to deliver to. It makes nobody anybody: nothing is looked up by it, two people may share one,
and what a message holds is decided by the user alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from ingestion.mail.address import mail_address
from ingestion.mail.links import LASTS
from vouch.catalog.tables import MailAddress, ReportDelivery, ReportSubscription, User
from vouch.core import clock
from vouch.core.errors import Conflict, NotFound
from vouch.core.ids import new_id

MOST_QUESTIONS = 5
"""Times in :data:`_A_DAY` that a user may have an address asked whether it is theirs: it may be somebody else's."""
_A_DAY = timedelta(days=1)

# A group is told by who is inside, nested to any depth; UNION ends cycles.
_BY_DEFAULT = """
    WITH RECURSIVE inside(principal) AS (
        SELECT unnest(send_to) FROM report_schedule WHERE tenant_id = :tenant
        UNION
        SELECT m.member FROM inside i JOIN membership m ON m.tenant_id = :tenant AND m.group_id = i.principal
    )
"""
_WANTED = """
    coalesce(r.subscribed, u.id IN (SELECT principal FROM inside) OR 'authenticated' IN (SELECT principal FROM inside))
"""
_STANDING = sa.text(
    f"""
    {_BY_DEFAULT}
    SELECT u.active, a.address, a.set_by, a.pending, a.pending_since, r.subscribed AS said, {_WANTED} AS wanted,
        s.schedule, s.next_at
    FROM app_user u
    LEFT JOIN mail_address a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
    LEFT JOIN report_subscription r ON r.tenant_id = u.tenant_id AND r.user_id = u.id
    LEFT JOIN report_schedule s ON s.tenant_id = u.tenant_id
    WHERE u.tenant_id = :tenant AND u.id = :user
    """  # noqa: S608 - constants, no input
)
_RECIPIENTS = sa.text(
    f"""
    {_BY_DEFAULT}
    SELECT u.id FROM app_user u
    JOIN mail_address a ON a.tenant_id = u.tenant_id AND a.user_id = u.id AND a.address IS NOT NULL
    LEFT JOIN report_subscription r ON r.tenant_id = u.tenant_id AND r.user_id = u.id
    WHERE u.tenant_id = :tenant AND u.active AND {_WANTED} ORDER BY u.id
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with mail to one user. ``said``: what they said themselves; None: as the schedule has it."""

    user: str
    active: bool
    address: str | None
    set_by: str | None
    pending: str | None
    pending_since: datetime | None
    said: bool | None
    wanted: bool
    schedule: str | None
    next_at: datetime | None

    @property
    def receives(self) -> bool:
        return self.active and self.wanted and self.address is not None


def standing(session: Session, tenant: str, user: str) -> Standing:
    """Raises :class:`NotFound` for a user who is not there."""
    row = session.execute(_STANDING, {"tenant": tenant, "user": user}).first()
    if row is None:
        raise NotFound()
    facts: dict[str, Any] = {**row._mapping, "wanted": bool(row.wanted)}
    return Standing(user=user, **facts)


def recipients(session: Session, tenant: str) -> list[str]:
    """The users who are to get a report, as far as can be said before one is written."""
    return list(session.execute(_RECIPIENTS, {"tenant": tenant}).scalars())


def give_address(session: Session, tenant: str, user: str, address: str | None) -> None:
    """As an administrator has it, at once; None: none at all. Raises :class:`NotFound`, :class:`InvalidInput`."""
    _required(session, tenant, user)
    if address is None:
        forget_address(session, tenant, user)
        return
    _write(session, tenant, user, address=mail_address(address), set_by="administrator", set_at=clock.now(),
           pending=None, pending_since=None)  # fmt: skip


def ask_address(session: Session, tenant: str, user: str, address: str) -> None:
    """As the user says it: a message asks there first, and until that is answered nothing else goes there.

    Raises :class:`InvalidInput`, and :class:`Conflict` where so many messages have asked today already.
    """
    now, named = clock.now(), mail_address(address)
    _required(session, tenant, user, lock=True)
    asked = session.exec(
        select(sa.func.count()).where(
            col(ReportDelivery.tenant_id) == tenant, col(ReportDelivery.user_id) == user,
            col(ReportDelivery.kind) == "confirm", col(ReportDelivery.period) > now - _A_DAY,
        )
    ).one()  # fmt: skip
    if asked >= MOST_QUESTIONS:
        raise Conflict(f"{asked} messages have asked whether an address is yours today; try again tomorrow.")
    _write(session, tenant, user, pending=named, pending_since=now)
    session.add(ReportDelivery(tenant_id=tenant, id=new_id(), user_id=user, kind="confirm", period=now))
    session.flush()


def forget_address(session: Session, tenant: str, user: str) -> None:
    """Nothing is sent to the user any more."""
    session.execute(
        sa.delete(MailAddress).where(col(MailAddress.tenant_id) == tenant, col(MailAddress.user_id) == user)
    )


def confirm(session: Session, tenant: str, delivery_id: str) -> str:
    """Whoever reads mail there says that the address is right. Returns whose it is. Raises :class:`NotFound` where
    the question is answered, older than its time, or another address has been named since."""
    asked = _asked(session, tenant, delivery_id, "confirm")
    row = session.get(MailAddress, (tenant, asked.user_id), with_for_update=True)
    if row is None or row.pending is None or row.pending_since != asked.period:
        raise NotFound()
    row.address, row.set_by, row.set_at = row.pending, "person", clock.now()
    row.pending = row.pending_since = None
    session.add(row)
    return asked.user_id


def unsubscribe(session: Session, tenant: str, delivery_id: str) -> str:
    """Whoever got the report wants no more of them. Returns who. Raises :class:`NotFound` for a link that is over."""
    sent = _asked(session, tenant, delivery_id, "report")
    subscribe(session, tenant, sent.user_id, False)
    return sent.user_id


def subscribe(session: Session, tenant: str, user: str, wanted: bool | None) -> None:
    """What the user wants; None: what the tenant's schedule says. Raises :class:`NotFound`."""
    _required(session, tenant, user)
    table = ReportSubscription
    if wanted is None:
        session.execute(sa.delete(table).where(col(table.tenant_id) == tenant, col(table.user_id) == user))
        return
    values = {"subscribed": wanted, "changed_at": clock.now()}
    session.execute(
        insert(table)
        .values(tenant_id=tenant, user_id=user, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=values)
    )


def _asked(session: Session, tenant: str, delivery_id: str, kind: str) -> ReportDelivery:
    row = session.get(ReportDelivery, (tenant, delivery_id))
    lasts = LASTS["confirm" if kind == "confirm" else "unsubscribe"]
    if row is None or row.kind != kind or row.period < clock.now() - lasts:
        raise NotFound()
    return row


def _write(session: Session, tenant: str, user: str, **values: Any) -> None:
    session.execute(
        insert(MailAddress)
        .values(tenant_id=tenant, user_id=user, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=values)
    )


def _required(session: Session, tenant: str, user: str, *, lock: bool = False) -> None:
    """Not the strongest lock: rows of others may go on referring to the user."""
    if session.get(User, (tenant, user), with_for_update={"key_share": True} if lock else None) is None:
        raise NotFound()
