"""The circuit breaker of a source: what fails again and again is tried less and less, until it works.

Scans that fail one after the other are counted. With the third the circuit opens: no sync is started by schedule for a
while that grows with each failure. A sync asked for by hand tries at once, and one that succeeds closes it. Only what a
source does counts: rules with a mistake in them, or more deletions than the guard lets pass, come from one that works.
"""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from vouch.catalog.tables import Job, Source
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.types import Json

OPENS_AT = 3
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=6)


def pause(failures: int) -> timedelta | None:
    """How long the schedule is put off after so many failures; None while the circuit is closed."""
    if failures < OPENS_AT:
        return None
    times: int = 2 ** min(failures - OPENS_AT, 10)
    return min(FIRST_PAUSE * times, LONGEST_PAUSE)


def failed(session: Session, tenant: str, job_id: str) -> None:
    """The scan of a job failed for good. Locks the source, so comes before the stage is touched."""
    source = _source_of(session, tenant, job_id)
    if source is None:
        return
    now = clock.now()
    source.failures += 1
    source.failing_since = source.failing_since or now
    put_off = pause(source.failures)
    source.try_after = now + put_off if put_off is not None else None
    session.add(source)
    session.flush()


def succeeded(session: Session, tenant: str, job_id: str) -> None:
    """The source was read to its end: the circuit closes."""
    source = _source_of(session, tenant, job_id)
    if source is not None and source.failures:
        source.failures, source.failing_since, source.try_after = 0, None, None
        session.add(source)
        session.flush()


def failing(source: Source) -> Json | None:
    """What is shown of it; None where nothing is wrong."""
    if not source.failures:
        return None
    return {
        "state": "counting" if source.try_after is None else "open",
        "failures": source.failures,
        "since": rfc3339(source.failing_since),
        "next_try": rfc3339(source.try_after),
    }


def _source_of(session: Session, tenant: str, job_id: str) -> Source | None:
    job = session.get(Job, (tenant, job_id))
    if job is None:
        return None
    return session.get(Source, (tenant, job.source_id), with_for_update=True, populate_existing=True)
