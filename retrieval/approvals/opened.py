"""An answer of the queue in a reviewer's hands.

It is there only for a reviewer who did not ask for it and may read, now, every document that it was made from: for
anyone else it is as missing as one that never was.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from acl.audit import record_reading, shown
from acl.caller import Asker
from acl.resolve import Access, resolve
from retrieval.answers import read_back
from retrieval.types import Released
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Answer, Approval
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import AlreadyClaimed, AlreadyDecided, Conflict, NotClaimed, NotFound

AWAITING = "awaiting_review"


@dataclass(frozen=True, slots=True)
class Opened:
    """``released`` is all of the answer, whatever its status, of documents as the reviewer may see them today."""

    row: Approval
    answer: Answer
    access: Access
    released: Released

    @property
    def documents(self) -> list[tuple[str, int]]:
        """What of it is shown to the reviewer, for the audit log."""
        return [(one.document.document_id, one.version) for one in self.released.citations]


def opened(session: Session, reviewer: Asker, answer_id: str, *, lock: bool = False) -> Opened:
    """Raises :class:`NotFound`. With ``lock`` nobody else decides about it before the transaction ends."""
    key = (reviewer.tenant, answer_id)
    row = session.get(Approval, key, with_for_update=True if lock else None)
    answer = session.get(Answer, key)
    if row is None or answer is None or answer.user_id == reviewer.user:
        raise NotFound()
    access, released = read_back(session, resolve(session, reviewer.tenant, reviewer.user), answer)
    return Opened(row, answer, access, released)


def read(catalog: Catalog, reviewer: Asker, answer_id: str) -> Opened:
    """All of it, on the audit log before it is handed out. Raises :class:`NotFound`."""
    with catalog.reading(reviewer.tenant) as session:
        found = opened(session, reviewer, answer_id)
    detail = shown(found.documents, found.access.epoch, version=found.row.version)
    record_reading(catalog, reviewer, "approval.read", f"answer:{answer_id}", detail)
    return found


def holder(row: Approval) -> str | None:
    """Who has claimed it, and has it still."""
    until = row.claimed_until
    return row.claimed_by if until is not None and until > clock.now() else None


def require_open(found: Opened) -> None:
    """Raises :class:`AlreadyDecided`."""
    if found.answer.status != AWAITING:
        raise AlreadyDecided(f"The answer is {found.answer.status} already.")


def require_free(found: Opened, reviewer: Asker) -> None:
    """Raises :class:`AlreadyClaimed` where another reviewer has it."""
    if holder(found.row) not in (None, reviewer.user):
        raise AlreadyClaimed("Another reviewer has it.", claimed_until=rfc3339(found.row.claimed_until))


def require_mine(found: Opened, reviewer: Asker, version: int) -> None:
    """It is undecided, the reviewer's own by a claim that lasts, and what they read is what it says.

    Raises :class:`AlreadyDecided`, :class:`AlreadyClaimed`, :class:`NotClaimed` and :class:`Conflict`.
    """
    require_open(found)
    require_free(found, reviewer)
    if holder(found.row) is None:
        raise NotClaimed("Claim it first; a claim that has run out can be made again.")
    if found.row.version != version:
        raise Conflict(f"Version {found.row.version} is what it says by now; it is that one that would be decided.")
