"""What becomes of a stage that failed: tried again, or given up with its reason, alone.

rejected, or third failure ─▶ quarantine          a part that is down ─▶ ready again, no attempt counted
any other failure ─▶ ready again after a pause    a source that does not answer ─▶ again, for a minute
"""

from __future__ import annotations

import logging
from dataclasses import replace

from celery.exceptions import SoftTimeLimitExceeded
from sqlmodel import Session

from ingestion import breaker
from ingestion.services import Services
from ingestion.stages import resume
from ingestion.stages.intake import NOT_HANDED_OUT
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document
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

PATIENCE = 6
"""Times that a document's source may fail to answer in one job."""


def check_attempts(lease: Lease) -> None:
    """Raises :class:`DocumentRejected` for what was tried as often as anything may be, and never came to an end."""
    if lease.attempt > ledger.MAX_ATTEMPTS:
        raise DocumentRejected("Its worker died each time it was tried.", reason="worker_died")


def failed(services: Services, lease: Lease, error: Exception) -> None:
    """The boundary: whatever a document does to a parser ends in the ledger."""
    if isinstance(error, LeaseLost):
        log.info("stage %s of job %s passed to another worker", lease.name, lease.job_id)
    elif isinstance(error, DocumentRejected | InvalidInput | SyncRefused | SourceRefuses):
        _give_up(services, lease, error)
    elif isinstance(error, Unavailable):
        _again(services, lease, error, counts=False)
    elif isinstance(error, SourceUnreachable):
        _wait_for_source(services, lease, error)
    else:
        _failed(services, lease, error)


def _failed(services: Services, lease: Lease, error: Exception) -> None:
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
