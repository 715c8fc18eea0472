"""One way to do any stage: lease, count the attempt, work, record; then ring for what comes next.

ids ─▶ claim in turn (attempt counted) ─▶ stage ─▶ done + next stage's row, one transaction ─▶ ring
                                    ├─ rejected, or third failure ─▶ quarantine, neighbours go on
                                    └─ failed ─▶ ready again after a pause
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from ingestion import breaker
from ingestion.doorbell import BATCH, at_once, beside, unheard
from ingestion.jobs import settle
from ingestion.places import scan_place
from ingestion.services import Services
from ingestion.stages import resume
from ingestion.stages.chunk import chunk
from ingestion.stages.embed import embed
from ingestion.stages.fetch import fetch
from ingestion.stages.intake import NOT_HANDED_OUT
from ingestion.stages.parse import parse
from ingestion.stages.publish import publish
from ingestion.stages.scan import scan
from vouch.catalog import ledger, outbox
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease, StageName
from vouch.catalog.tables import Document
from vouch.catalog.turns import claim_in_turn
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import (
    DocumentRejected,
    InvalidInput,
    LeaseLost,
    SourceRefuses,
    SourceUnreachable,
    SyncRefused,
    Unavailable,
    VouchError,
)
from vouch.core.types import Json

log = logging.getLogger(__name__)

Work = Callable[[Services, Lease], Lease | None]
"""A stage: does its work in transactions of its own and returns the next one, in hand or ready for anyone."""
Together = Callable[[Services, Sequence[Lease]], list[Lease]]
"""The same for documents of one tenant, each there once: all or none. Returns what is next, ready for anyone."""

WORK: dict[str, Work] = {"scan": scan, "fetch": fetch, "parse": parse, "chunk": chunk}
TOGETHER: dict[str, Together] = {"embed": embed, "publish": publish}

STEPS = tuple(name for name in ledger.STAGES if name != "scan")
AT_A_TIME = 4
"""Documents of a message that are done before it is seen who else waits."""
PATIENCE = 6
"""Times that a document's source may fail to answer in one job."""
ENOUGH_S = 75.0
"""After this, what is left of a message is put back. One more document takes at most 160 s, and Celery ends the
message, with the attempts of all that is left of it, after 240 (``ingestion/doorbell.py``)."""


def run_stages(services: Services, stage_ids: Sequence[str]) -> None:
    """Do those of ``stage_ids`` that can be done now. What others hold, or is done already, is left alone."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        leases = ledger.claim(session, stage_ids, services.settings.lease_s)
    _run(services, leases, time.monotonic() + ENOUGH_S)


def take_turn(services: Services, name: str, stage_ids: Sequence[str]) -> bool:
    """Do as many stages as there are ``stage_ids``, of those that wait in the same queue as ``name``: from the sources
    in turn, for otherwise a small one would wait behind all that a large one has rung for. What is done together is
    taken as a whole batch, whoever rang for how many.

    Whoever has few documents waiting goes first, before the message and in the midst of it. A single stage that was
    tried before is done for itself, so that it can take no neighbour down with it. False when there was nothing to do.
    """
    enough, lease_s = time.monotonic() + ENOUGH_S, services.settings.lease_s
    leases = list[Lease]()
    if len(stage_ids) == 1:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = ledger.claim(session, stage_ids, lease_s, tried=True)
    if not leases:
        if name != "scan" and not _finish_small(services, enough):
            services.ring(name, list(stage_ids))
            return True
        count = at_once(name) if name in TOGETHER else len(stage_ids)
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = claim_in_turn(session, beside(name), count, lease_s)
    _run(services, leases, enough, yields=True)
    return bool(leases)


def _finish_small(services: Services, enough: float) -> bool:
    """Do what sources with few documents waiting have to do, up to the end. Others wait for one batch of each step at
    most, so that many small sources do not keep a large one waiting for good. False when that took all the time."""
    for _ in STEPS:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            leases = claim_in_turn(session, STEPS, BATCH, services.settings.lease_s, few_alone=True)
        if not leases:
            return True
        _run(services, leases, enough)
        if time.monotonic() > enough:
            return False
    return True


def scan_turn(services: Services, stage_ids: Sequence[str]) -> None:
    """The same for scans, of which only so many run at a time. One that finds no place is rung for again by who had
    it, and by the scheduler."""
    settings = services.settings
    with scan_place(settings.data_dir / "scans", settings.scan_places) as free:
        did = free and take_turn(services, "scan", stage_ids[:1])
    if did:
        services.ring("scan", list(stage_ids))


def _run(services: Services, leases: list[Lease], enough: float, *, yields: bool = False) -> None:
    """Do ``leases``, at least one of them; what is left when time is up, or with ``yields`` when others shall come
    first, is put back and rung for."""
    if not leases:
        return
    ready: dict[StageName, list[str]] = defaultdict(list)
    left = list[Lease]()
    with ledger.held(services.catalog, leases, services.settings.lease_s):
        for number, lease in enumerate(_together(services, tuple(leases), ready)):
            if left or (number and _ends(services, number, enough, yields=yields)):
                left.append(lease)
                continue
            following = _do(services, lease)
            while following is not None and following.held:
                leases.append(following)
                following = _do(services, following)
            if following is not None:
                ready[following.name].append(following.id)
    if left:
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            left = ledger.put_back(session, left)
    for lease in left:
        ready[lease.name].append(lease.id)
    for name, ids in ready.items():
        services.ring(name, ids)
    if any(lease.name == "publish" for lease in leases):
        services.ring_projector()
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        settle(session, sorted({lease.job_id for lease in leases}))


def _ends(services: Services, number: int, enough: float, *, yields: bool) -> bool:
    """Whether a message ends before its next document. One that yields lets small sources by now and then, and ends for
    a scan that no process has taken yet: how much its source has to do is not known before."""
    if time.monotonic() > enough:
        return True
    if not yields or number % AT_A_TIME:
        return False
    return not _finish_small(services, enough) or unheard(services.redis, "scan")


def _together(services: Services, leases: Sequence[Lease], ready: dict[StageName, list[str]]) -> list[Lease]:
    """Do in one go what can be, and add what is next to ``ready``. Returns the others, to be done one by one: what was
    tried before, a second version of a document, and a batch of which one failed, for that harms nobody else."""
    batches: dict[tuple[str, StageName], dict[str, Lease]] = defaultdict(dict)
    for lease in leases:
        if lease.name in TOGETHER and lease.attempt == 1:
            batches[lease.tenant, lease.name].setdefault(lease.document_id, lease)
    done = set[str]()
    for (_, name), batch in batches.items():
        some = list(batch.values())
        if len(some) == 1:
            continue
        try:
            for following in TOGETHER[name](services, some):
                ready[following.name].append(following.id)
        except (VouchError, RuntimeError, ValueError, DBAPIError) as error:
            log.warning("stage %s of %d documents was not done together", name, len(some), exc_info=error)
        else:
            done.update(lease.id for lease in some)
    return [lease for lease in leases if lease.id not in done]


def _do(services: Services, lease: Lease) -> Lease | None:
    try:
        if lease.attempt > ledger.MAX_ATTEMPTS:
            raise DocumentRejected("Its worker died each time it was tried.", reason="worker_died")
        if lease.name in TOGETHER:
            return next(iter(TOGETHER[lease.name](services, [lease])), None)
        return WORK[lease.name](services, lease)
    except LeaseLost:
        log.info("stage %s of job %s passed to another worker", lease.name, lease.job_id)
    except (DocumentRejected, InvalidInput, SyncRefused, SourceRefuses) as error:
        _give_up(services, lease, error)
    except Unavailable as error:
        _again(services, lease, error, counts=False)
    except SourceUnreachable as error:
        _wait_for_source(services, lease, error)
    except Exception as error:  # the boundary: whatever a document does to a parser ends in the ledger
        log.warning("stage %s of document %s failed", lease.name, lease.document_id, exc_info=error)
        if lease.name == "scan" and _advanced(services, lease):
            _again(services, lease, error, counts=False)
        elif lease.name == "scan" and isinstance(error, SoftTimeLimitExceeded):  # another try would take as long
            limit = services.settings.scan_limit_s
            _give_up(services, lease, SourceUnreachable(f"The scan took longer than {limit} s and was ended."))
        elif lease.attempt >= ledger.MAX_ATTEMPTS:
            _give_up(services, lease, error)
        else:
            _again(services, lease, error, counts=True)
    return None


def _wait_for_source(services: Services, lease: Lease, error: SourceUnreachable) -> None:
    """A scan is tried as often as anything else, and goes on for as long as it comes further. A document waits for a
    minute: then its job ends, so that the next sync is not kept waiting, and that one tries again."""
    if lease.name == "scan":
        if _advanced(services, lease):
            _again(services, lease, error, counts=False)
        elif lease.attempt >= ledger.MAX_ATTEMPTS:
            _give_up(services, lease, error)
        else:
            _again(services, lease, error, counts=True)
        return
    waited = int(lease.result.get("waited", 0)) + 1
    told = replace(lease, attempt=waited)
    if waited >= PATIENCE:
        _give_up(services, told, error)
        return
    with services.catalog.transaction(lease.tenant) as session:
        problem, pause = _problem(told, error), _pause(told, error)
        ledger.retry(session, lease, problem, delay_s=pause, counts=False, result={"waited": waited})


def _advanced(services: Services, lease: Lease) -> bool:
    """A scan that came further goes on from there, be it by many tries."""
    with services.catalog.reading(lease.tenant) as session:
        return resume.advanced(session, lease)


def _again(services: Services, lease: Lease, error: Exception, *, counts: bool) -> None:
    """Try later. A part that is down is not the document's fault, so the attempt does not count."""
    with services.catalog.transaction(lease.tenant) as session:
        ledger.retry(session, lease, _problem(lease, error), delay_s=_pause(lease, error), counts=counts)


def _pause(lease: Lease, error: Exception) -> float:
    """Seconds to wait; longer where the other side asks for it (``Retry-After``), up to an hour."""
    asked = error.extra.get("retry_after_s", 0.0) if isinstance(error, Unavailable | SourceUnreachable) else 0.0
    return max(2.0**lease.attempt, min(float(asked), 3600.0))


def _give_up(services: Services, lease: Lease, error: Exception) -> None:
    with services.catalog.transaction(lease.tenant) as session:
        problem = _problem(lease, error)
        if lease.name == "scan" and not isinstance(error, SyncRefused):
            breaker.failed(session, lease.tenant, lease.job_id)
        document = session.get(Document, (lease.tenant, lease.document_id), with_for_update=True)
        ledger.fail(session, lease, problem)
        if document is not None and document.state != "deleted":
            quarantine(session, lease, document, problem)


def quarantine(session: Session, lease: Lease, document: Document, problem: Json) -> None:
    """Put the reason on the document. An earlier good version stays; without one nothing is ever shown."""
    document.problem = problem
    if problem["reason"] not in NOT_HANDED_OUT:  # that says nothing of the content: what is named again is read
        document.fingerprint = str(lease.result.get("fingerprint", document.fingerprint))
    if document.current_version is None:
        document.state = "quarantined"
    session.add(document)
    if lease.name == "publish":
        outbox.append(session, lease.tenant, "remove", [document.id], lease.version)


def _problem(lease: Lease, error: Exception) -> Json:
    found: Json = {"stage": lease.name, "attempts": lease.attempt, "at": rfc3339(clock.now())}
    if not isinstance(error, VouchError):
        # A library's message may quote the document or a secret: it goes to the log, not to people.
        return {**found, "reason": "failed", "detail": type(error).__name__}
    reason = error.reason if isinstance(error, DocumentRejected | SyncRefused) else error.code
    said: Json = {name: error.extra[name] for name in ("file", "line") if name in error.extra}
    if error.field:
        said["field"] = error.field
    return {**found, "reason": reason, "detail": error.detail, **said}
