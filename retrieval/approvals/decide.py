"""What a reviewer decides: the asker may read the answer, or is told why not. Once, and by one reviewer."""

from __future__ import annotations

from sqlmodel import Session

from acl.audit import record, shown
from acl.caller import Asker
from acl.notify import notify
from acl.proof import digest
from acl.recheck import recheck
from acl.resolve import resolve
from retrieval.approvals.opened import Opened, opened, require_mine
from retrieval.approvals.proved import proved
from retrieval.metrics import APPROVALS
from retrieval.services import Services
from retrieval.types import Status
from vouch.catalog import epoch as epochs
from vouch.core import clock
from vouch.core.errors import AccessIncomplete, Unauthenticated


def release(services: Services, reviewer: Asker, answer_id: str, version: int) -> Opened:
    """Let the asker read it: ``version`` of it, which is what the reviewer has read.

    By whom it may be read is decided anew now, with the asker's access, and again at each reading. Said twice by the
    same reviewer, the second time changes nothing. Raises what :func:`retrieval.approvals.opened.opened` and
    :func:`retrieval.approvals.opened.require_mine` raise.
    """
    with services.catalog.transaction(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id, lock=True)
        if _done(found, reviewer, "released", version):
            return found
        require_mine(found, reviewer, version)
        _prove(session, found)
        _decide(session, found, reviewer, "released")
        session.flush()
        detail = shown(found.documents, found.access.epoch, version=version, proof=digest(found.answer.proof))
        record(session, reviewer, "approval.release", f"answer:{answer_id}", detail)
    APPROVALS.labels("released").inc()
    return found


def reject(services: Services, reviewer: Asker, answer_id: str, version: int, reason: str) -> Opened:
    """Keep it from its asker for good, and tell them ``reason``. Raises as :func:`release`."""
    with services.catalog.transaction(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id, lock=True)
        if _done(found, reviewer, "rejected", version) and found.row.reason == reason:
            return found
        require_mine(found, reviewer, version)
        found.row.reason = reason
        _decide(session, found, reviewer, "rejected")
        session.flush()
        detail = {"version": version, "epoch": found.access.epoch}
        record(session, reviewer, "approval.reject", f"answer:{answer_id}", detail)
    APPROVALS.labels("rejected").inc()
    return found


def _done(found: Opened, reviewer: Asker, status: Status, version: int) -> bool:
    said = (found.answer.status, found.row.decided_by, found.row.version)
    return said == (status, reviewer.user, version)


def _decide(session: Session, found: Opened, reviewer: Asker, status: Status) -> None:
    """Also leaves word for who asked: that it is decided, and of which answer, no more."""
    answer = found.answer
    answer.status = status
    notify(
        session,
        answer.tenant_id,
        answer.user_id,
        kind=f"answer.{status}",
        document_id=None,
        detail={"answer": answer.id},
    )
    found.row.decided_by, found.row.decided_at = reviewer.user, clock.now()
    found.row.claimed_by = found.row.claimed_until = None


def _prove(session: Session, found: Opened) -> None:
    """Keep on what state of access it is released: the asker's of now. Where that does not let them read all of it, it
    stays as unreadable as any answer then is, and what decided when it was made stays its proof; so it does where
    access changes at this very moment, since a proof is of one state."""
    answer = found.answer
    try:
        access, readable = recheck(session, resolve(session, answer.tenant_id, answer.user_id), found.released.inputs)
    except (Unauthenticated, AccessIncomplete):
        return
    if not found.released.inputs <= readable:
        return
    proof = proved(session, access, answer.proof, found.released.citations)
    if epochs.current(session, answer.tenant_id) == access.epoch:
        answer.proof, answer.epoch, answer.principals_hash = proof, access.epoch, access.principals_hash
