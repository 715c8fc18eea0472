"""`python -m ingestion.scheduler`: the clock. Sweeps the ledger, starts due syncs, proves that workers work.

Any number may run: each sweep takes one lock, so only one sweeps at a time. It embeds and parses nothing.
"""

from __future__ import annotations

from vouch.core import startup

if __name__ == "__main__":
    startup.loading()

import logging
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from threading import Event
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError
from sqlmodel import Session

from acl.audit_heads import HeadsFile, heads
from ingestion.delete import collect_blobs
from ingestion.doorbell import (
    BUILD,
    QUEUE_OF,
    at_once,
    ring,
    ring_build,
    ring_canary,
    ring_compare,
    ring_mail,
    ring_maintenance,
    ring_webhooks,
)
from ingestion.evals.own import start_due
from ingestion.evals.told import tell_drift
from ingestion.jobs import settle, start_due_syncs
from ingestion.mail.deliveries import due
from ingestion.mail.schedule import enqueue_due
from ingestion.services import Services
from ingestion.sources import purge_deleted
from ingestion.twins.work import waits
from ingestion.watch import Watch
from ingestion.webhooks import queue
from ingestion.webhooks.ages import LOOK_EVERY_S, tell_ages, wanting
from vouch.catalog import generations, ledger
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.heartbeat import age, beat
from vouch.catalog.outbox import active_generation, newest
from vouch.catalog.retention import forget
from vouch.core import clock
from vouch.core.errors import Unavailable
from vouch.core.settings import Settings
from vouch.serving.logs import configure_logging

log = logging.getLogger(__name__)

_LOCK = 0x7377656570  # "sweep"
QUIET_S = 3
"""Seconds a ready stage may go unheard while its queue is empty before its ring counts as lost."""
LOST_S = 300
"""The same while the queue is not empty, and has too few messages for those that wait."""
COMPARE = "compare"
"""The queue of what compares documents; it has no stages, for what is to be compared stands in the documents."""
CANARY_S = 20
MAINTAIN_EVERY_S = 600
HEADS_S = 60
"""Seconds between two looks at the heads of the audit log."""
COLLECT_S = 3600
"""Seconds between two collections of blobs that nothing names any more."""
FORGET_S = 60
"""Seconds between two looks for traces that have been kept long enough."""
FORGOTTEN_AT_ONCE = 500
"""Traces, and as many answers, that one transaction removes."""
MOST_AT_ONCE = 20
"""Such transactions of a tenant in one sweep; what is left waits for the next."""

# Ready and due, or left behind by a dead worker.
_OVERDUE = sa.text(
    """
    UPDATE stage SET rung_at = now() WHERE id IN (
        SELECT s.id FROM stage s JOIN job j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
        WHERE j.state IN ('queued', 'running') AND s.name = ANY(:names)
        AND (s.state = 'ready' AND s.not_before <= now() OR s.state = 'leased' AND s.leased_until < now())
        AND (s.attempts > 0 OR s.name = ANY(:fresh))
        AND greatest(s.rung_at, s.not_before) < now() - make_interval(secs => :quiet)
        ORDER BY s.created_at LIMIT 2000 FOR UPDATE OF s SKIP LOCKED)
    RETURNING name, id, attempts
    """
)
_FRESH = sa.text("SELECT name, count(*) FROM stage WHERE state = 'ready' AND attempts = 0 GROUP BY name")
_OPEN_JOBS = sa.text("SELECT id FROM job WHERE state IN ('queued', 'running')")


def sweep(services: Services) -> int:
    """Ring again for what was lost, settle jobs, start due syncs. Returns how many stages were rung."""
    rung = _messages(services.redis)
    quiet = {queue for queue, messages in rung.items() if messages == 0}
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        if not session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar():
            return 0
        started = start_due_syncs(session)
        settle(session, list(session.execute(_OPEN_JOBS).scalars()))
        unheard = [stage for stage in ledger.STAGES if _queue(stage) in quiet]
        short = _short(session, rung)
        overdue = [
            *session.execute(_OVERDUE, {"names": unheard, "fresh": unheard, "quiet": QUIET_S}),
            *session.execute(_OVERDUE, {"names": list(ledger.STAGES), "fresh": short, "quiet": LOST_S}),
        ]
        applied = active_generation(session).applied_seq
        behind = newest(session) > min(row.applied_seq for row in generations.live(session))
        purged = purge_deleted(session, applied)
        mail = _mail_due(services, session)
        start_due(session)
        tell_drift(session)
        unbuilt = BUILD in quiet and bool(generations.to_fill(session) or generations.to_empty(session))
        uncompared = COMPARE in quiet and waits(session)
        calls, aging = queue.due(session), _aging(session)
        beat(session, "scheduler")
        canary_due = _due(session, "canary", CANARY_S)
        maintenance_due = _due(session, "maintenance", MAINTAIN_EVERY_S)
        forgetting = _forgetting(services, session)
        if _due(session, "collection", COLLECT_S):
            purged = sorted({*purged, *session.execute(sa.text("SELECT id FROM tenant")).scalars()})
    _ring_again(services, overdue)
    services.ring("scan", started)
    for tenant in purged:
        collect_blobs(services.catalog, services.blobs, tenant)
    for tenant in forgetting:
        forget_old(services, tenant)
    ring_mail(services.bell, mail)
    ring_webhooks(services.bell, calls)
    for tenant, webhook_id in aging:
        tell_ages(services.catalog, tenant, webhook_id)
    if behind or canary_due:  # the index itself may know better: its folder was lost, or is an earlier version's
        services.ring_projector()
    if uncompared:
        ring_compare(services.bell)
    if unbuilt:
        ring_build(services.bell)
    if maintenance_due:
        ring_maintenance(services.bell)
    if canary_due:
        ring_canary(services.bell)
    return len(overdue)


def write_heads(services: Services, file: HeadsFile) -> int:
    """Write down, outside the database, those heads of the audit log that moved. Returns how many."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        found = heads(session)
    return file.append(found)


def forget_old(services: Services, tenant: str) -> int:
    """Remove what of a tenant's questions has been kept long enough, in small transactions. Returns how many traces."""
    lasts, traces = services.settings.traces_last, 0
    if lasts is None:
        return 0
    for _ in range(MOST_AT_ONCE):
        with services.catalog.transaction(tenant) as session:
            gone = forget(session, tenant, clock.now() - lasts, FORGOTTEN_AT_ONCE)
        traces += gone.traces
        if not gone.more:
            break
    return traces


def _forgetting(services: Services, session: Session) -> list[str]:
    """Once in a while: the tenants whose old traces go, where they are not kept for ever."""
    if services.settings.traces_last is None or not _due(session, "retention", FORGET_S):
        return []
    return list(session.execute(sa.text("SELECT id FROM tenant ORDER BY id")).scalars())


def _mail_due(services: Services, session: Session) -> list[tuple[str, str]]:
    """What a worker should send now, reports whose time has come included; nothing where no mail server is set."""
    if services.desk is None:
        return []
    enqueue_due(session)
    return due(session)


def _aging(session: Session) -> list[tuple[str, str]]:
    """Once in a while: the webhooks that are told which documents have aged."""
    if not _due(session, "ages", LOOK_EVERY_S):
        return []
    queue.forget_old(session)
    return wanting(session)


def _due(session: Session, part: str, every_s: float) -> bool:
    """True once every ``every_s`` seconds, whichever scheduler asks."""
    silence = age(session, part)
    if silence is not None and silence.total_seconds() <= every_s:
        return False
    beat(session, part)
    return True


def _ring_again(services: Services, overdue: Iterable[Sequence[Any]]) -> None:
    """Fresh stages go in batches; one that was tried before goes alone, so it can take no neighbour down with it."""
    fresh: dict[str, list[str]] = defaultdict(list)
    for name, stage_id, attempts in overdue:
        if attempts:
            ring(services.bell, name, [stage_id], alone=True)
        else:
            fresh[name].append(stage_id)
    for name, ids in fresh.items():
        services.ring(name, ids)


def _queue(stage: str) -> str:
    return QUEUE_OF.get(stage, stage)


def _messages(redis: Redis) -> dict[str, int]:
    """How many messages wait in each queue. A stage ready for one where there are none was not heard."""
    queues = sorted({COMPARE, BUILD, *(_queue(stage) for stage in ledger.STAGES)})
    try:
        return {queue: redis.llen(queue) for queue in queues}
    except RedisError as error:
        log.warning("the queues cannot be read: %s", error)
        return {}


def _short(session: Session, rung: dict[str, int]) -> list[str]:
    """Stages of queues whose messages cannot be enough for all that are ready and untried.

    A message says how many to do and not which, so where there are enough, one more would be one too many; and should
    some of them say less than a whole batch, then the queue is empty, and quiet, before all is done. Redis being away
    says nothing, so then none is left out.
    """
    fresh: dict[str, int] = defaultdict(int)
    for name, count in session.execute(_FRESH):
        fresh[_queue(name)] += count
    return [stage for stage in ledger.STAGES if rung.get(_queue(stage), 0) * at_once(stage) < fresh[_queue(stage)]]


def main() -> None:
    """Sweep until SIGTERM."""
    startup.loaded()
    settings = Settings()
    configure_logging(settings)
    services = Services.open(settings)
    over = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    Watch(services, over).start()
    file, heads_due = HeadsFile(settings.audit_heads), 0.0
    while not over.is_set():
        try:
            sweep(services)
            if time.monotonic() >= heads_due:
                write_heads(services, file)
                heads_due = time.monotonic() + HEADS_S
        except Unavailable as error:
            log.warning("sweep put off: %s", error.detail)
        over.wait(settings.sweep_every_s)


if __name__ == "__main__":
    main()
