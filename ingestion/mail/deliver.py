"""One message, from its claim to its end.

claim ─▶ who and where, now ─▶ anything to say? ─▶ connect, recipient accepted ─▶ write it anew ─▶ note ─▶ hand over

What it says is decided in the last moment before it is handed over: what was revoked since it was scheduled, or
while the server made us wait, is not in it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.mail.deliveries import (
    HANDED_AT_MOST,
    MAX_ATTEMPTS,
    Delivery,
    Ended,
    claim,
    end,
    note_handed,
    put_off,
)
from ingestion.mail.letters import Desk, Letter, question_letter, report_letter
from ingestion.mail.recipients import standing
from vouch.catalog import audit
from vouch.catalog.database import Catalog
from vouch.core.errors import LeaseLost, MailNotSent, NotFound, Unauthenticated, Unavailable, VouchError

log = logging.getLogger(__name__)

ENOUGH_S = 45
"""Seconds after which a task begins no further message; the rest is rung for again."""


@dataclass(frozen=True, slots=True)
class _Addressed:
    """What there is to send now, and where."""

    letter: Letter
    address: str


class _Over(Exception):
    """There is nothing to send."""

    def __init__(self, state: Ended, reason: str | None = None) -> None:
        super().__init__(state)
        self.state: Ended = state
        self.reason = reason


def deliver_batch(catalog: Catalog, desk: Desk, due: Sequence[tuple[str, str]]) -> int:
    """Those of ``due``, tenant and id each, that time allows. Returns how many were looked at."""
    enough = time.monotonic() + ENOUGH_S
    for number, (tenant, delivery_id) in enumerate(due):
        if number and time.monotonic() > enough:
            return number
        deliver(catalog, desk, tenant, delivery_id)
    return len(due)


def deliver(catalog: Catalog, desk: Desk, tenant: str, delivery_id: str) -> None:
    """Send it, or write down why not. Raises :class:`Unavailable` alone, when the catalog is away."""
    with catalog.transaction(tenant) as session:
        mine = claim(session, tenant, delivery_id)
    if mine is None:
        return
    try:
        _deliver(catalog, desk, mine)
    except _Over as over:
        _end(catalog, mine, over.state, over.reason)
    except LeaseLost:
        log.info("delivery %s passed to another worker", mine.id)


def _deliver(catalog: Catalog, desk: Desk, mine: Delivery) -> None:
    if mine.handed >= HANDED_AT_MOST:
        raise _Over("dead", "unsure")
    if mine.attempt > MAX_ATTEMPTS:
        raise _Over("dead", "worker_died")
    handed = False
    try:
        address = _written(catalog, desk, mine).address
        with desk.mailer.to(address) as conversation:
            now = _written(catalog, desk, mine)
            if now.address != address:
                raise MailNotSent("The address changed meanwhile.", reason="put_off")
            _note(catalog, mine, now.letter)
            handed = True
            conversation.hand_over(now.letter.message)
    except (_Over, LeaseLost, Unavailable):
        raise
    except MailNotSent as error:
        log.warning("delivery %s: %s (%s)", mine.id, error.reason, error.detail)
        _put_off(catalog, mine, error, handed=handed)
        return
    except Exception as error:  # the boundary: whatever happens to one message, its neighbours go on
        log.warning("delivery %s failed", mine.id, exc_info=error)
        _put_off(catalog, mine, _as_not_sent(error, unsure=handed), handed=handed)
        return
    _end(catalog, mine, "sent", None)


def _put_off(catalog: Catalog, mine: Delivery, error: MailNotSent, *, handed: bool) -> None:
    with catalog.transaction(mine.tenant) as session:
        put_off(session, mine, error, handed=handed)


def _as_not_sent(error: Exception, *, unsure: bool) -> MailNotSent:
    if isinstance(error, VouchError):
        return MailNotSent(error.detail, reason=error.code, unsure=unsure)
    # A library's message may quote what was written: it goes to the log, not to people.
    return MailNotSent(type(error).__name__, reason="failed", unsure=unsure)


def _written(catalog: Catalog, desk: Desk, mine: Delivery) -> _Addressed:
    """Who is asked, where, and what, all in one snapshot. Raises :class:`_Over`."""
    with catalog.reading(mine.tenant) as session:
        try:
            who = standing(session, mine.tenant, mine.user)
            if not who.active:
                raise _Over("skipped", "inactive")
            if mine.kind == "confirm":
                if who.pending is None or who.pending_since != mine.period:
                    raise _Over("skipped", "answered")
                return _Addressed(question_letter(desk, mine, who.pending), who.pending)
            if who.address is None:
                raise _Over("skipped", "no_address")
            if not who.wanted:
                raise _Over("skipped", "unsubscribed")
            letter = report_letter(session, desk, mine, who.address)
        except (NotFound, Unauthenticated) as error:
            raise _Over("skipped", "inactive") from error
        if letter is None:
            raise _Over("nothing")
        return _Addressed(letter, who.address)


def _note(catalog: Catalog, mine: Delivery, letter: Letter) -> None:
    """Before it is handed over: that it is, and on the audit log which documents it names."""
    with catalog.transaction(mine.tenant) as session:
        note_handed(session, mine)
        if mine.kind == "report":
            told = {"documents": list(letter.documents), "epoch": letter.epoch, "delivery": mine.id}
            audit.append(
                session, mine.tenant, chain="use", actor=f"{mine.user} via mail", action="report.mailed",
                subject="report:staleness", detail=told,
            )  # fmt: skip


def _end(catalog: Catalog, mine: Delivery, state: Ended, reason: str | None) -> None:
    with catalog.transaction(mine.tenant) as session:
        end(session, mine, state, reason)
