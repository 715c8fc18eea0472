"""Where a scan that lists everything goes on after an interruption: the point it had reached, and what it had met.

A scan from a cursor keeps its cursor on the source. One that lists everything must not: a scan from there would not
find what is gone. So its point is kept with its job, together with what it has seen, until it comes to its end.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import ScanPoint
from vouch.core.types import Json

EVERY_S = 1.0
"""Least seconds between two points of a scan."""
COST = 20
"""Between two points passes at least so many times what the last one took: what a scan has seen is written anew with
each, and of a large source that is much."""


@dataclass(frozen=True, slots=True)
class Point:
    """What :func:`load` found."""

    cursor: Json
    counts: dict[str, int]
    problems: list[Json]
    seen: frozenset[str]


class Keeper:
    """Keeps the points of one scan, not too often. ``known``: items that a scan which names everything again has to
    have met before it is any further than the try before it was."""

    def __init__(self, lease: Lease, known: int = 0) -> None:
        self._known = known
        self._lease = lease
        self._kept_at = time.monotonic()
        self._pause = EVERY_S

    def keep(self, session: Session, cursor: Json, told: tuple[Json, list[Json]], seen: Collection[str]) -> bool:
        """In the transaction of what was yielded before ``cursor``. ``told``: counts and problems. False when it is not
        time for a point."""
        now = time.monotonic()
        if now - self._kept_at < self._pause or (self._known and len(seen) <= self._known):
            return False
        counts, problems = told
        packed = zlib.compress("\0".join(seen).encode(), 1)  # PostgreSQL's texts, and so external ids, have no NUL
        point = ScanPoint(tenant_id=self._lease.tenant, job_id=self._lease.job_id, fence=self._lease.fence, seen=packed)
        point.cursor, point.counts, point.problems = cursor, counts, problems
        session.merge(point)
        session.flush()
        ledger.forgive(session, self._lease)
        self._kept_at = time.monotonic()
        self._pause = EVERY_S * max(1.0, COST * (self._kept_at - now))
        return True


def load(session: Session, lease: Lease) -> Point | None:
    """Where the scan of this job goes on; None where it begins."""
    row = session.get(ScanPoint, (lease.tenant, lease.job_id))
    if row is None:
        return None
    seen = zlib.decompress(row.seen).decode()
    return Point(row.cursor, dict(row.counts), list(row.problems), frozenset(seen.split("\0")) if seen else frozenset())


def forget(session: Session, lease: Lease) -> None:
    """The scan came to its end, or begins anew."""
    table = ScanPoint.metadata.tables["scan_point"]
    session.execute(sa.delete(table).where(table.c.tenant_id == lease.tenant, table.c.job_id == lease.job_id))


def advanced(session: Session, lease: Lease) -> bool:
    """Whether this try has brought the scan further than the ones before it."""
    row = session.get(ScanPoint, (lease.tenant, lease.job_id))
    return row is not None and row.fence == lease.fence
