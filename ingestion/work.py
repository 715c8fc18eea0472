"""One way to do any stage: lease, count the attempt, work, record; then ring for what comes next.

ids ─▶ claim (attempt counted) ─▶ stage ─▶ done + next stage's row, one transaction ─▶ ring
                                    ├─ rejected, or third failure ─▶ quarantine, neighbours go on
                                    └─ failed ─▶ ready again after a pause
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlmodel import Session

from ingestion.services import Services
from ingestion.stages.chunk import chunk
from ingestion.stages.embed import embed, embed_missing
from ingestion.stages.fetch import fetch
from ingestion.stages.parse import parse
from ingestion.stages.publish import publish
from ingestion.stages.scan import scan
from vouch.catalog import ledger, outbox
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease, StageName
from vouch.catalog.tables import Document
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import DocumentRejected, InvalidInput, LeaseLost, Unavailable, VouchError
from vouch.core.types import Json

log = logging.getLogger(__name__)

Work = Callable[[Services, Lease], Lease | None]
"""A stage: does its work in transactions of its own and returns the next one, in hand or ready for anyone."""

WORK: dict[str, Work] = {
    "scan": scan,
    "fetch": fetch,
    "parse": parse,
    "chunk": chunk,
    "embed": embed,
    "publish": publish,
}


def run_stages(services: Services, stage_ids: Sequence[str]) -> None:
    """Do those of ``stage_ids`` that can be done now. What others hold, or is done already, is left alone."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        leases = ledger.claim(session, stage_ids, services.settings.lease_s)
    if not leases:
        return
    ready: dict[StageName, list[str]] = defaultdict(list)
    with ledger.held(services.catalog, leases, services.settings.lease_s):
        embed_missing(services, [lease for lease in leases if lease.name == "embed"])
        for lease in tuple(leases):
            following = _do(services, lease)
            while following is not None and following.held:
                leases.append(following)
                following = _do(services, following)
            if following is not None:
                ready[following.name].append(following.id)
    for name, ids in ready.items():
        services.ring(name, ids)
    if any(lease.name == "publish" for lease in leases):
        services.ring_projector()
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        ledger.settle(session, sorted({lease.job_id for lease in leases}))


def _do(services: Services, lease: Lease) -> Lease | None:
    try:
        if lease.attempt > ledger.MAX_ATTEMPTS:
            raise DocumentRejected("Its worker died each time it was tried.", reason="worker_died")
        return WORK[lease.name](services, lease)
    except LeaseLost:
        log.info("stage %s of job %s passed to another worker", lease.name, lease.job_id)
    except (DocumentRejected, InvalidInput) as error:
        _give_up(services, lease, error)
    except Unavailable as error:
        _again(services, lease, error, counts=False)
    except Exception as error:  # the boundary: whatever a document does to a parser ends in the ledger
        log.warning("stage %s of document %s failed", lease.name, lease.document_id, exc_info=error)
        if lease.attempt >= ledger.MAX_ATTEMPTS:
            _give_up(services, lease, error)
        else:
            _again(services, lease, error, counts=True)
    return None


def _again(services: Services, lease: Lease, error: Exception, *, counts: bool) -> None:
    """Try later. A part that is down is not the document's fault, so the attempt does not count."""
    with services.catalog.transaction(lease.tenant) as session:
        ledger.retry(session, lease, _problem(lease, error), delay_s=_pause(lease, error), counts=counts)


def _pause(lease: Lease, error: Exception) -> float:
    """Seconds to wait; longer where the other side asks for it (``Retry-After``), up to an hour."""
    asked = error.extra.get("retry_after_s", 0.0) if isinstance(error, Unavailable) else 0.0
    return max(2.0**lease.attempt, min(float(asked), 3600.0))


def _give_up(services: Services, lease: Lease, error: Exception) -> None:
    with services.catalog.transaction(lease.tenant) as session:
        problem = _problem(lease, error)
        document = session.get(Document, (lease.tenant, lease.document_id), with_for_update=True)
        ledger.fail(session, lease, problem)
        if document is not None and document.state != "deleted":
            quarantine(session, lease, document, problem)


def quarantine(session: Session, lease: Lease, document: Document, problem: Json) -> None:
    """Put the reason on the document. An earlier good version stays; without one nothing is ever shown."""
    document.problem = problem
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
    reason = error.reason if isinstance(error, DocumentRejected) else error.code
    said: Json = {name: error.extra[name] for name in ("file", "line") if name in error.extra}
    if error.field:
        said["field"] = error.field
    return {**found, "reason": reason, "detail": error.detail, **said}
