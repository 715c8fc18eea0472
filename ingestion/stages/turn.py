"""A scan's turn: one that others wait for ends it at a batch, and goes on when it is its turn again.

Where it has kept a point, as its cursor or by :mod:`ingestion.stages.resume`, it goes on from there and repeats
nothing. One that names everything again, or has kept no point since it began, has to list again what it had listed. Its
next turn is twice as long as all of this one was, and none ends before it is further than those before it: so what is
listed again is together no more than about twice the source.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from ingestion.stages import resume
from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease
from vouch.core.types import Json

SLICE_S = 20.0
"""Seconds that a scan may read on while others wait."""
PAUSE_S = 5.0
"""Seconds after which one that ended its turn waits for the next: who waited already goes first."""
YIELDED = "yielded"
"""Where a stage's result says how its last turn ended; ``ingestion/jobs.py`` drops it when a job is tried again."""

_OTHERS_WAIT = sa.text(
    """
    SELECT EXISTS (
        SELECT 1 FROM stage s JOIN job j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
        WHERE s.name = 'scan' AND s.state = 'ready' AND s.not_before <= now() AND s.id <> :mine
        AND j.state IN ('queued', 'running'))
    """
)

monotonic = time.monotonic


class Turn:
    """One turn of a scan, which begins here. ``anew``: the scan names everything, wherever it goes on from."""

    def __init__(self, services: Services, lease: Lease, *, anew: bool) -> None:
        self._services, self._lease, self._anew = services, lease, anew
        before = lease.result.get(YIELDED, {})
        self._slice_s = max(SLICE_S, before.get("slice_s", 0.0))
        self._met: int = before.get("met", 0)
        self._began = monotonic()
        self._opened_s: float | None = None
        self._kept = False

    def over(self, *, kept: bool, met: int) -> bool:
        """Whether to end it after a batch. ``kept``: the scan can go on from the end of that batch; ``met``: how many
        items it knows to be there.

        What it took to come to the end of the first batch is done again with each turn (groups, what is read before an
        item is told), so that long at least the rest of it takes.
        """
        self._kept = self._kept or kept
        held = monotonic() - self._began
        if self._opened_s is None:
            self._opened_s = held
            return False
        if held - self._opened_s < max(self._slice_s, self._opened_s):
            return False
        if met <= self._met if self._repeats else not kept:
            return False
        with self._services.catalog.reading(ACROSS_TENANTS) as session:
            return bool(session.execute(_OTHERS_WAIT, {"mine": self._lease.id}).scalar())

    def end(self, session: Session, told: tuple[Json, Sequence[Json]], met: int) -> None:
        """Make the stage ready again, which is neither a failure nor a success. ``told``: counts and problems of where
        it goes on. Raises :class:`~vouch.core.errors.LeaseLost`."""
        counts, problems = told
        left: Json = {"slice_s": self._slice_s, "met": 0, "counts": counts, "problems": list(problems)}
        if self._repeats:
            left |= {"slice_s": 2 * (monotonic() - self._began), "met": met}
        # What came further is forgiven its tries already (`resume.Keeper`), but for this one.
        lease = replace(self._lease, attempt=1) if resume.advanced(session, self._lease) else self._lease
        ledger.retry(session, lease, None, delay_s=PAUSE_S, counts=False, result={YIELDED: left})

    @property
    def _repeats(self) -> bool:
        return self._anew or not self._kept
