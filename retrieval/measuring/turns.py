"""Who runs an evaluation: one process at a time, under a lease with a fence. One that dies leaves its lease to expire,
and the run is begun anew by another; at its third end of that kind it has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import EvalRun, EvalSet
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import LeaseLost, VouchError

LEASE_S = 60
"""Renewed question by question: longer than any of them takes."""
MAX_ATTEMPTS = 3
_WAITING = sa.text(
    """
    SELECT tenant_id, id FROM eval_run WHERE state = 'queued' AND (leased_until IS NULL OR leased_until < :now)
    OR state = 'running' AND leased_until < :now ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
_RENEW = sa.text(
    "UPDATE eval_run SET leased_until = :until WHERE (tenant_id, id, fence) = (:t, :i, :f) AND state = 'running'"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to do one run until the lease ends."""

    run: EvalRun
    set: EvalSet
    fence: int


def claim(session: Session) -> Turn | None:
    """The oldest run that waits, of all tenants that the session sees; None where none does."""
    now = clock.now()
    while (found := session.execute(_WAITING, {"now": now}).first()) is not None:
        run = session.get_one(EvalRun, (found.tenant_id, found.id))
        if run.attempts >= MAX_ATTEMPTS:
            _failed(run, "died", "Who ran it did not come to an end, three times.")
            session.flush()
            continue
        run.state, run.attempts, run.fence = "running", run.attempts + 1, run.fence + 1
        run.leased_until, run.started_at = now + timedelta(seconds=LEASE_S), now
        own = session.get_one(EvalSet, (run.tenant_id, run.set_id))
        run.digest, run.user_id = own.digest, own.user_id  # as it is now, whatever it was when the run was asked for
        session.flush()
        return Turn(run, own, run.fence)
    return None


def renew(session: Session, turn: Turn) -> None:
    """Raises :class:`LeaseLost`, also where the set is gone."""
    values = {"t": turn.run.tenant_id, "i": turn.run.id, "f": turn.fence}
    done = session.execute(_RENEW, {**values, "until": clock.now() + timedelta(seconds=LEASE_S)})
    if done.rowcount == 0:  # type: ignore[attr-defined]
        raise LeaseLost("Another has the run now.")


def held(session: Session, turn: Turn) -> EvalRun:
    """The row to write results into. Raises :class:`LeaseLost`."""
    row = session.get(EvalRun, (turn.run.tenant_id, turn.run.id), with_for_update=True)
    if row is None or row.fence != turn.fence or row.state != "running":
        raise LeaseLost("Another has the run now.")
    return row


def give_back(session: Session, turn: Turn, error: VouchError) -> None:
    """What can be tried again waits; what cannot has failed. Raises :class:`LeaseLost`."""
    row = held(session, turn)
    if error.retryable and row.attempts < MAX_ATTEMPTS:
        row.state, row.leased_until = "queued", clock.now() + timedelta(seconds=LEASE_S)
    else:
        _failed(row, error.code, error.detail)


def hand_on(session: Session, turn: Turn) -> None:
    """Who holds it has to end, through no fault of the run: another may have it now, and nothing counts.
    Raises :class:`LeaseLost`."""
    row = held(session, turn)
    row.state, row.leased_until, row.attempts = "queued", None, row.attempts - 1


def _failed(row: EvalRun, reason: str, detail: str) -> None:
    row.state, row.leased_until, row.finished_at = "failed", None, clock.now()
    row.problem = {"reason": reason, "detail": detail, "at": rfc3339(row.finished_at)}
