"""Fill the generation that is being built: a slice at a time, when nothing else is to be done.

How far it has come stands in its row, with what was written, under the projector's lock: a worker that dies loses one
batch, and the scheduler rings again. In the end the new index is compacted and compared with the catalog, point by
point; only then may it be asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
from sqlmodel import col

from acl.compile import compile_payload
from ingestion.generations.prepare import FAILS, fall_back, lacking, prepare, told
from ingestion.services import Services
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.outbox import newest
from vouch.catalog.tables import IndexGeneration, IndexOpRow
from vouch.core import clock
from vouch.index.points import FIRST, Version, visible_versions
from vouch.index.verify import Difference, Place, verify

log = logging.getLogger(__name__)

ENOUGH_S = 5.0
"""A message's time: what waits in other queues goes before what is left."""
BATCH = 32
"""Versions prepared and written together."""
ROUNDS = 3
"""Times that what differs from the catalog is written again before somebody has to look."""
_LOCK = 0x6275696C64  # "build"


def build_waiting(services: Services, *, enough_s: float = ENOUGH_S) -> bool:
    """Go on with the generation that is being filled. Returns whether more can be done.

    One process at a time does this: others return at once.
    """
    enough = time.monotonic() + enough_s
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        if not session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar():
            return False
        row = generations.to_fill(session)
        if row is None:
            return False
        try:
            if not _fill(services, row.id, enough):
                return True
            _finish(services, row.id)
        except FAILS as error:
            log.warning("generation %s cannot be filled", row.id, exc_info=error)
            with services.catalog.transaction(ACROSS_TENANTS) as noting:
                generations.note_problem(noting, row.id, told(error))
    return False


def _fill(services: Services, generation_id: str, enough: float) -> bool:
    """Whether every version that is visible has been written."""
    while True:
        with services.catalog.reading(ACROSS_TENANTS) as session:
            row = generations.find(session, generation_id)
            after: Version = tuple(row.progress.get("after", FIRST))
            versions = visible_versions(session, after, BATCH)
            total = row.progress.get("total") or len(visible_versions(session))
        if row.state != "building" or not versions:
            return True
        _prepare(services, versions, row)
        done = row.progress.get("done", 0) + len(versions)
        progress = {"after": list(versions[-1]), "done": done, "total": max(total, done)}
        services.projector.fill(generation_id, versions, progress)
        if time.monotonic() > enough:
            return False


def _prepare(services: Services, versions: Sequence[Version], row: IndexGeneration) -> None:
    for tenant, some in groupby(versions, key=lambda version: version[0]):
        prepare(services, tenant, [(document_id, number or 0) for _, document_id, number in some], row)


def _finish(services: Services, generation_id: str) -> None:
    """Compact, verify, and let it be asked."""
    services.projector.index(generation_id).maintain()
    for _ in range(ROUNDS):
        services.projector.catch_up()
        seq, row, found = _verified(services, generation_id)
        if row.state != "building":
            return
        odd = _unexplained(services, seq, found) | {version[:2] for version in found.lacking}
        _prepare(services, sorted(found.lacking), row)
        if odd:
            services.projector.repair(generation_id, odd)
        elif _made_ready(services, generation_id, seq):
            log.info("generation %s is ready: %d points", generation_id, found.index)
            return
    fall_back(services, generation_id, "It differs from the catalog still, after it was written again.")


def _verified(services: Services, generation_id: str) -> tuple[int, IndexGeneration, Difference]:
    """The number that the generation stood at, and what differed then or has changed since."""
    index = services.projector.index(generation_id)
    seq = index.state().applied_seq
    with services.catalog.reading(ACROSS_TENANTS) as session:
        row = generations.find(session, generation_id)
        return min(seq, newest(session)), row, verify(session, index, compile_payload, row)


def _unexplained(services: Services, seq: int, found: Difference) -> set[Place]:
    """The documents that differ, less those that an operation after ``seq`` names: it is, or will be, applied."""
    with services.catalog.reading(ACROSS_TENANTS) as session:
        rows = session.execute(
            sa.select(col(IndexOpRow.tenant_id), sa.func.unnest(col(IndexOpRow.document_ids)))
            .where(col(IndexOpRow.seq) > seq)
            .distinct()
        )
        return found.documents - {(tenant, document_id) for tenant, document_id in rows}


def _made_ready(services: Services, generation_id: str, seq: int) -> bool:
    """False where a version was handed over after ``seq`` that the generation lacks: whoever handed it over need not
    have known that there is such a generation."""
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        generations.alone(session)
        row = generations.find(session, generation_id, lock=True)
        if row.state != "building":
            return True
        since = generations.written_since(session, seq)
        if any(lacking(session, tenant, [(document_id, number)], row) for tenant, document_id, number in since):
            return False
        row.state, row.ready_at, row.problem = "ready", clock.now(), None
        session.add(row)
    return True
