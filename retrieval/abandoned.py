"""Calls of models whose process died: what was set aside for them is given back, less the prompt.

A call ends with its question at the latest, so one that is open a minute longer will never be settled by who began it.
Any number of processes may look; the first to lock a call settles it.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from retrieval.metrics import MODEL_COST
from retrieval.services import Services
from vouch.catalog import spending
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.spending import DIED, Amount
from vouch.core import clock
from vouch.core.errors import VouchError

log = logging.getLogger(__name__)

AFTER_S = 60.0
"""Beyond the time that a question may take: processes' clocks differ, and the catalog may be slow to answer."""
_FIRST = timedelta(days=32)
"""How far the first look goes back: budgets of a month and a day ago are over."""
_FURTHER = timedelta(hours=1)
"""How far each further one does beyond what the one before has looked through: another may have died in settling."""


class Settler:
    """Looks for such calls until it is closed."""

    def __init__(self, services: Services, every_s: float) -> None:
        self._services, self._every_s = services, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="abandoned-calls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _look(self) -> None:
        since = clock.now() - _FIRST
        while not self._over.wait(self._every_s):
            before = clock.now() - timedelta(seconds=self._services.settings.ask_deadline_s + AFTER_S)
            try:
                settle_abandoned(self._services, since, before)
            except VouchError as error:
                log.warning("calls that were abandoned are settled later: %s", error.detail)
            except Exception:
                log.exception("calls that were abandoned could not be settled")
            else:
                since = before - _FURTHER


def settle_abandoned(services: Services, since: datetime, before: datetime) -> int:
    """Settle the calls begun from ``since`` to ``before`` that are open; how many there were."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        found = spending.abandoned(session, since, before)
        for one in found:
            read = one.held.amount.input_tokens
            spent = Amount(read, 0, min(one.held.amount.money, services.gateway.cost(one.model, read, 0)))
            spending.settle(session, one.tenant, one.held, DIED, spent)
            MODEL_COST.labels(one.model, services.gateway.currency).inc(float(spent.money))
    if found:
        log.warning("%d calls of models were abandoned by a process that died, and are settled", len(found))
    return len(found)
