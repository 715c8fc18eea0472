"""Documents that go from fetch to chunk side by side: the work on each alone, what is written of them together.

    leases of one tenant and stage ─▶ look once ─▶ make each ─▶ write all, next stages in hand ─▶ … ─▶ ready for embed
                                              └─ failed: set aside, alone   └─ failed: each is written by itself

What one of them does to its reader or its source is its own affair: the others have theirs made, and are written. How
much is made before it is written is bounded, for what several large documents say is not to pile up in memory; and so
is for how long none of them lets others by.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from ingestion.failing import check_attempts, failed
from ingestion.services import Services
from ingestion.stages.chunk import CHUNK
from ingestion.stages.fetch import FETCH
from ingestion.stages.parse import PARSE
from ingestion.stages.step import AnyStep, Sized
from ingestion.stages.version import unwanted
from vouch.catalog.ledger import Lease

log = logging.getLogger(__name__)

STEP: dict[str, AnyStep] = {"fetch": FETCH, "parse": PARSE, "chunk": CHUNK}
HELD_BYTES = 1 << 20
"""What was made of documents and is not written yet: with more than this, it is, before the next one is begun."""
SLICE_S = 1.0
"""After this, no document is begun but the first of each stage: they may be long ones, and others wait."""


def carry(services: Services, leases: Sequence[Lease], held: list[Lease]) -> tuple[list[Lease], list[Lease]]:
    """Do ``leases`` (one tenant and stage, each of another document), and what comes next of each that is in hand.

    What is leased on the way is added to ``held``. Returns what is next, ready for anyone, and what was not begun, the
    furthest first.
    """
    ready, left = list[Lease](), list[Lease]()
    enough = time.monotonic() + SLICE_S
    while leases:
        following, unbegun = _through(services, leases, enough)
        left = [*unbegun, *left]
        ready += [lease for lease in following if not lease.held]
        leases = [lease for lease in following if lease.held]
        held += leases
    return ready, left


def _through(services: Services, leases: Sequence[Lease], enough: float) -> tuple[list[Lease], list[Lease]]:
    """One stage of all of them. Returns what is next, and what was not begun."""
    step, following, waiting = STEP[leases[0].name], list[Lease](), list[tuple[Lease, Sized]]()
    try:
        with services.catalog.reading(leases[0].tenant) as session:
            found = step.look(services, session, leases)
    except Exception as error:  # noqa: BLE001 - the boundary, as in `_made`
        for lease in leases:
            failed(services, lease, error)
        return [], []
    for number, lease in enumerate(leases):
        if number and time.monotonic() > enough:
            return following + _written(services, step, waiting), list(leases[number:])
        made = _made(services, step, lease, found.get(lease.document_id))
        if made is not None:
            waiting.append((lease, made))
        if sum(one.size for _, one in waiting) > HELD_BYTES:
            following += _written(services, step, waiting)
            waiting = []
    return following + _written(services, step, waiting), []


def _made(services: Services, step: AnyStep, lease: Lease, found: object | None) -> Sized | None:
    """What is to be written of a document; None where there is nothing: it is not wanted, or failed."""
    try:
        check_attempts(lease)
        made: Sized | None = None if found is None else step.make(services, lease, found)
        if made is None:
            unwanted(services, lease)
        return made
    except Exception as error:  # noqa: BLE001 - the boundary: whatever a document does to its reader ends in the ledger
        failed(services, lease, error)
        return None


def _written(services: Services, step: AnyStep, done: Sequence[tuple[Lease, Sized]]) -> list[Lease]:
    """Write in one go; where that fails, each by itself, so that one harms nobody else."""
    if not done:
        return []
    try:
        with services.catalog.transaction(done[0][0].tenant, durable=False) as session:
            return step.write(services, session, done)
    except Exception as error:
        if len(done) == 1:
            failed(services, done[0][0], error)
            return []
        log.warning("stage %s of %d documents was not written together", done[0][0].name, len(done), exc_info=error)
    return [lease for one in done for lease in _written(services, step, [one])]
