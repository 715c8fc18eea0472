"""The thread of a process that answers questions which runs evaluations that are due, one after the other.

Here and not in a worker: what is measured is what questions get, from the very services that answer them.
"""

from __future__ import annotations

import logging
import threading
import time

from acl import who
from acl.audit import record
from retrieval.measuring.drift import drift, formers
from retrieval.measuring.measure import Measured, measure
from retrieval.measuring.turns import Turn, claim, give_back, hand_on, held, renew
from retrieval.services import Services
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import EvalSet
from vouch.core import clock
from vouch.core.errors import LeaseLost, VouchError

log = logging.getLogger(__name__)

LONGEST_REST_S = 1.0
"""After each question it rests as long as that took, and no longer: half of the time is left to who is waiting."""


class Stopped(Exception):
    """The process ends; the run is another's to do."""


class Runner:
    """Looks for runs until it is closed. Any number of processes may have one."""

    def __init__(self, services: Services, every_s: float) -> None:
        self._services, self._every_s = services, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="evals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends after the question in hand."""
        self._over.set()
        self._thread.join(timeout=10)

    def _look(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                while run_next(self._services, self._over):
                    pass
            except Stopped:
                return
            except VouchError as error:
                log.warning("evaluations are put off: %s", error.detail)


def run_next(services: Services, over: threading.Event) -> bool:
    """Do the oldest run that waits; False where none does. What ends it badly stands in the run.

    Raises :class:`Stopped` once ``over`` is set, and :class:`LeaseLost` where another has it meanwhile.
    """
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        turn = claim(session)
        if turn is not None:
            session.expunge_all()
    if turn is None:
        return False
    try:
        _keep(services, turn, measure(services, turn.set, _Pace(services, turn, over)))
    except LeaseLost:
        raise
    except Stopped:
        with services.catalog.transaction(turn.run.tenant_id) as session:
            hand_on(session, turn)
        raise
    except VouchError as error:
        _give_back(services, turn, error)
    except Exception:
        log.exception("an evaluation failed, and should not have")
        _give_back(services, turn, VouchError("The log of the process that ran it says why."))
    return True


def _give_back(services: Services, turn: Turn, error: VouchError) -> None:
    with services.catalog.transaction(turn.run.tenant_id) as session:
        give_back(session, turn, error)


class _Pace:
    """Called before each question: rests, renews the lease, and stops where the process ends."""

    def __init__(self, services: Services, turn: Turn, over: threading.Event) -> None:
        self._services, self._turn, self._over = services, turn, over
        self._began = time.monotonic()

    def __call__(self) -> None:
        took = time.monotonic() - self._began
        if self._over.wait(min(took, LONGEST_REST_S)):
            raise Stopped
        with self._services.catalog.transaction(self._turn.run.tenant_id, durable=False) as session:
            renew(session, self._turn)
        self._began = time.monotonic()


def _keep(services: Services, turn: Turn, found: Measured) -> None:
    tenant = turn.run.tenant_id
    with services.catalog.transaction(tenant) as session:
        row = held(session, turn)
        own = session.get_one(EvalSet, (tenant, row.set_id))
        row.state, row.leased_until, row.finished_at = "succeeded", None, clock.now()
        row.generation, row.recipe, row.profile = found.generation, found.recipe, found.profile
        row.questions, row.missing = len(found.by_question), found.missing
        row.figures, row.measured = found.figures, {name: dict(row) for name, row in found.by_question.items()}
        row.drift = drift(row, formers(session, own, row))
        session.flush()
        asker = who.Asker(tenant, row.user_id, f"evals:{own.id}")
        record(session, asker, "evals.run", f"eval_set:{own.id}", {"run": row.id, "questions": row.questions})
