"""Webhooks themselves: registering, changing, their secrets, and whether an address may be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from ingestion.sealed import SEALING
from ingestion.sources import find_source
from ingestion.webhooks.signing import new_secret
from vouch.catalog.tables import Webhook
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound, OutboundRefused
from vouch.core.ids import new_id
from vouch.core.sealing import Place, keyring
from vouch.core.settings import Settings
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound
from vouch.outbound.url import Url, parse_url

Event = Literal["job.ended", "document.quarantined", "documents.stale", "eval.drift"]
MOST = 50
"""Webhooks of a tenant."""
BOTH_FOR = timedelta(days=1)
"""How long a secret that was replaced goes on signing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be set; None leaves it as it is."""

    url: str | None = None
    events: Sequence[Event] | None = None
    sources: Sequence[str] | None = None
    """By id or name; empty: all."""
    active: bool | None = None


def find(session: Session, tenant: str, webhook_id: str, *, lock: bool = False) -> Webhook:
    """Raises :class:`NotFound`."""
    # Not the strongest lock: what happens meanwhile is written for it all the same.
    row = session.get(Webhook, (tenant, webhook_id), with_for_update={"key_share": True} if lock else None)
    if row is None:
        raise NotFound()
    return row


def page(session: Session, tenant: str, *, limit: int, after: str) -> Sequence[Webhook]:
    """Up to ``limit`` in the order in which they were made, of those after the id ``after``."""
    mine = select(Webhook).where(col(Webhook.tenant_id) == tenant, col(Webhook.id) > after)
    return session.exec(mine.order_by(col(Webhook.id)).limit(limit)).all()


def create(session: Session, settings: Settings, tenant: str, asked: Asked) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is told this once.

    Raises :class:`OutboundRefused` and :class:`InvalidInput` naming the field, :class:`NotFound` for a source that is
    not there, :class:`Conflict` for one webhook too many.
    """
    count = sa.select(sa.func.count()).select_from(Webhook).where(col(Webhook.tenant_id) == tenant)
    if session.execute(count).scalar_one() >= MOST:
        raise Conflict(f"There are {MOST} webhooks already.")
    secret, row = new_secret(), Webhook(tenant_id=tenant, id=new_id(), url="")
    row.secret = _sealed(session, settings, row, secret)
    _apply(session, settings, row, asked)
    session.flush()
    session.refresh(row)
    return row, secret


def change(session: Session, settings: Settings, row: Webhook, asked: Asked) -> None:
    """``row`` is locked by the caller. Raises as :func:`create`."""
    _apply(session, settings, row, asked)
    row.updated_at = clock.now()
    session.flush()


def renew_secret(session: Session, settings: Settings, row: Webhook) -> str:
    """Another secret, told this once; the one before signs beside it for a day. ``row`` is locked by the caller."""
    secret = new_secret()
    row.former_secret, row.former_until = row.secret, clock.now() + BOTH_FOR
    row.secret = _sealed(session, settings, row, secret)
    row.updated_at = clock.now()
    session.add(row)
    session.flush()
    return secret


def delete(session: Session, tenant: str, webhook_id: str) -> None:
    """With all that it is owed. Raises :class:`NotFound`."""
    mine = sa.delete(Webhook).where(col(Webhook.tenant_id) == tenant, col(Webhook.id) == webhook_id)
    if session.execute(mine.returning(col(Webhook.id))).first() is None:
        raise NotFound()


def secrets_of(settings: Settings, row: Webhook) -> list[str]:
    """Those that sign now, the present one first. Raises :class:`SealBroken`, and :class:`BadConfig` without a key."""
    keys, place = keyring(settings), place_of(row)
    former = row.former_secret if row.former_until is not None and row.former_until > clock.now() else None
    return [keys.unseal(sealed, place) for sealed in (row.secret, former) if sealed is not None]


def place_of(row: Webhook) -> Place:
    return Place(row.tenant_id, f"webhook:{row.id}", "secret")


def permitted(text: str, door: Outbound) -> Url:
    """``text`` as an address that may be called. Where its host is a name, that is judged again when it is called, by
    what it then leads to. Raises :class:`OutboundRefused` naming ``url``."""
    try:
        url = parse_url(text)
        if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
            door.ways.open_to(url.host, url.port)
        if url.scheme != "https" and not _named(url, door.ways):
            raise OutboundRefused("Only https is called, unless VOUCH_OUTBOUND_ALLOW names the host.")
    except OutboundRefused as error:
        raise OutboundRefused(error.detail, field="url") from error
    return url


def _named(url: Url, ways: Ways) -> bool:
    try:
        return ways.allowed.names_host(url.host, ip_address(url.host))
    except ValueError:
        return url.host in ways.allowed.names


def _apply(session: Session, settings: Settings, row: Webhook, asked: Asked) -> None:
    if asked.url is not None:
        row.url = str(permitted(asked.url, Outbound.of(settings)))
    if asked.events is not None:
        if not asked.events:
            raise InvalidInput("names no event", field="events")
        row.events = sorted(set(asked.events))
    if asked.sources is not None:
        row.source_ids = sorted({find_source(session, row.tenant_id, one).id for one in asked.sources})
    if asked.active is not None:
        row.state = "active" if asked.active else "paused"
    if asked.active or asked.url is not None:
        row.failures, row.failing_since, row.try_after = 0, None, None
    if asked.active is not None:
        row.problem = None
    session.add(row)


def _sealed(session: Session, settings: Settings, row: Webhook, secret: str) -> dict[str, object]:
    session.execute(SEALING)
    return keyring(settings).seal(secret, place_of(row))
