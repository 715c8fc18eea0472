"""Compare what has not been compared, the newest first, a slice of each tenant's documents at a time.

There is no list of what is to be done but the catalog's: a live document whose current version is not the one that was
compared last. So a worker that dies, a message that is lost and an upgrade from a platform that knew nothing of this
are one case, and publishing writes nothing for it.
"""

from __future__ import annotations

import logging
import time
from collections import deque

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from ingestion.twins.compare import Read, compare, give_up, reader
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.twins import UNCOMPARED
from vouch.core.errors import VouchError

log = logging.getLogger(__name__)

ENOUGH_S = 5.0
"""A message's time: what waits in other queues goes before what is left."""
SLICE = 32
_LOCK = 0x747769_6E73  # "twins"
NEWEST = "~"
"""Sorts after every id."""

_WAITS = sa.text(f"SELECT EXISTS (SELECT 1 FROM document d WHERE {UNCOMPARED})")  # noqa: S608 - a constant
_TENANTS = sa.text(
    f"""
    SELECT t.id FROM tenant t
    WHERE EXISTS (SELECT 1 FROM document d WHERE d.tenant_id = t.id AND {UNCOMPARED}) ORDER BY random()
    """  # noqa: S608 - a constant, no input
)
_SLICE = sa.text(
    f"""
    SELECT d.id FROM document d WHERE d.tenant_id = :tenant AND {UNCOMPARED} AND d.id < :before
    ORDER BY d.id DESC LIMIT :slice
    """  # noqa: S608 - a constant, no input
)


def waits(session: Session) -> bool:
    """Whether any tenant has a document that is to be compared."""
    return bool(session.execute(_WAITS).scalar())


def compare_waiting(services: Services, *, enough_s: float = ENOUGH_S) -> bool:
    """Compare for so many seconds, or until nothing is left. Returns whether more can be done.

    One process at a time does this, for what two do at once they would do twice: others return at once.
    """
    enough = time.monotonic() + enough_s
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        if not session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar():
            return False
        tenants = session.execute(_TENANTS).scalars().all()
        turns = deque((tenant, NEWEST, reader(services, tenant)) for tenant in tenants)
        while turns:
            tenant, before, read = turns.popleft()
            reached = _slice(services, tenant, before, (read, enough))
            if reached is not None:
                turns.append((tenant, reached, read))
            if time.monotonic() > enough:
                return bool(turns)
    return False


def _slice(services: Services, tenant: str, before: str, how: tuple[Read, float]) -> str | None:
    """The next documents of a tenant. Returns the last one's id; None when there was none."""
    read, enough = how
    with services.catalog.reading(tenant) as session:
        values = {"tenant": tenant, "before": before, "slice": SLICE}
        ids: list[str] = list(session.execute(_SLICE, values).scalars())
    for document_id in ids:
        try:
            compare(services, tenant, document_id, read)
        except VouchError:  # a part is down: nothing is the document's fault
            raise
        except (ValueError, ArithmeticError, RecursionError) as error:
            log.error("document %s could not be compared", document_id, exc_info=error)
            give_up(services, tenant, document_id)
        if time.monotonic() > enough:
            return document_id
    return ids[-1] if ids else None
