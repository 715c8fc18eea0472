"""Verified by its owner: the word of who answers for a document that what it says holds, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy.dialects.postgresql import insert

from acl.audit import record
from acl.caller import Asker
from acl.owners import owns
from acl.resolve import resolve
from retrieval.documents import cards
from retrieval.types import Card
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Review
from vouch.core import clock
from vouch.core.clock import LONGEST, rfc3339
from vouch.core.errors import Conflict, InvalidInput, NotFound

_LAST_MOMENT = time(23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``until`` None: until the policy wants it looked at again. ``version``: what was read, where that was said."""

    until: datetime | date | None = None
    comment: str | None = None
    version: int | None = None


def review(catalog: Catalog, asker: Asker, document_id: str, verdict: Verdict) -> Card:
    """Keep the verdict on the current version, in the place of the one before, and on the audit log.

    Only for a user who owns the document or its source and may read it today: raises :class:`NotFound` for anyone
    else; :class:`InvalidInput` for an end that is past or too far off, :class:`Conflict` when another version than
    the one that was read is current.
    """
    now = clock.now()
    until = _end(verdict.until, now)
    with catalog.transaction(asker.tenant) as session:
        access, found = cards(session, resolve(session, asker.tenant, asker.user), [document_id])
        card = found.get(document_id)
        if card is None or not owns(session, access, document_id):
            raise NotFound()
        if verdict.version not in (None, card.version):
            raise Conflict(f"Version {card.version} is current by now; it is that one that would be verified.")
        kept = {
            "version": card.version,
            "user_id": asker.user,
            "reviewed_at": now,
            "reviewed_until": until,
            "comment": verdict.comment or None,
        }
        session.execute(
            insert(Review)
            .values(tenant_id=asker.tenant, document_id=document_id, **kept)
            .on_conflict_do_update(index_elements=["tenant_id", "document_id"], set_=kept)
        )
        _, found = cards(session, access, [document_id])
        told = {"version": card.version, "until": rfc3339(until), "epoch": access.epoch}
        record(session, asker, "document.review", f"document:{document_id}", told)
    return found[document_id]


def _end(until: datetime | date | None, now: datetime) -> datetime | None:
    """A day is meant to its end. Raises :class:`InvalidInput`."""
    if until is None:
        return None
    end = until if isinstance(until, datetime) else datetime.combine(until, _LAST_MOMENT)
    if not now < end <= now + LONGEST:
        raise InvalidInput(f"the end lies in the future, and at most {LONGEST.days} days from now", field="until")
    return end
