"""The projector: makes each generation of the index match the catalog, operation by operation, in commit order.

An operation names documents; what is written is what the catalog says of them *now*, so applying one twice,
or late, is harmless. An index keeps the number it has reached beside its points: whatever it lost it is given again.

Every generation that is not removed is written to, the active one first; what waits to be published waits for that one
alone. So one that is being filled, or is kept to go back to, holds up nothing, and nothing is lost to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import sqlalchemy as sa
from sqlmodel import Session, col

from vouch.catalog import generations, ledger
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.heartbeat import beat
from vouch.catalog.outbox import active_generation, newest, pending
from vouch.catalog.tables import IndexGeneration, IndexOpRow
from vouch.core.errors import VouchError
from vouch.core.types import Json
from vouch.index.points import (
    CompilePayload,
    Version,
    access_payloads,
    batched,
    points_of,
    visible_versions,
)
from vouch.index.protocol import Index, IndexOp, RemoveVersions, SetAccess, UpsertPoints

log = logging.getLogger(__name__)

BATCH = 64
_LOCK = 0x70726F6A656374  # "project"


class Projector:
    """Applies the outbox to the generations. ``open_index`` gives one by its name; ``compile_payload`` is
    ``acl.compile``'s: this room decides no access."""

    def __init__(self, catalog: Catalog, open_index: Callable[[str], Index], compile_payload: CompilePayload) -> None:
        self.catalog, self.compile_payload = catalog, compile_payload
        self._open = open_index
        self._indexes: dict[str, Index] = {}

    def index(self, generation_id: str) -> Index:
        """One generation, opened once."""
        if generation_id not in self._indexes:
            self._indexes[generation_id] = self._open(generation_id)
        return self._indexes[generation_id]

    # --- following ------------------------------------------------------------------------------

    def catch_up(self) -> list[str]:
        """Apply everything pending. Returns the ids of stages that waited for it and are ready now.

        Only one projector works at a time; another waits for it here. What goes wrong with the active generation is
        raised; another one is left behind, and goes on from there the next time.
        """
        with self.catalog.reading(ACROSS_TENANTS) as session:
            active, *others = [row.id for row in generations.live(session)] or [active_generation(session).id]
        woken = self._follow(active)
        for generation_id in others:
            try:
                woken += self._follow(generation_id)
            except VouchError as error:
                log.warning("generation %s falls behind: %s", generation_id, error.detail)
        return woken

    def _follow(self, generation_id: str) -> list[str]:
        woken: list[str] = []
        while True:
            with self.alone() as session:
                generation = session.get(IndexGeneration, generation_id)
                if generation is None or generation.state == "removed":
                    return woken
                more, some = self._step(session, generation)
                woken += some
            if not more:
                return woken

    def _step(self, session: Session, generation: IndexGeneration) -> tuple[bool, list[str]]:
        """Apply some of what is pending. Returns whether there may be more, and whom that woke."""
        applied = self._applied(session, generation)
        rows = pending(session, applied, BATCH)
        if not rows:
            return False, self._record(session, generation, applied)
        last = rows[-1].seq
        assert last is not None
        self._settle()
        self.index(generation.id).apply(list(self._operations(session, generation, rows)), upto=last)
        return True, self._record(session, generation, last)

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """A transaction in which nobody else writes to any generation, nor makes another one active."""
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield session

    def _settle(self) -> None:
        """Put on disk every operation that could be read so far: a number that the index has reached must never be
        given out again after a crash of PostgreSQL. Any durable commit flushes what was committed before it."""
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            beat(session, "projector")

    def maintain(self) -> None:
        """Have the generations compacted where that is worth it. Questions and operations go on meanwhile."""
        with self.catalog.reading(ACROSS_TENANTS) as session:
            found = [row.id for row in generations.live(session)]
        for generation_id in found:
            if self.index(generation_id).maintain():
                log.info("generation %s of the index was compacted", generation_id)

    # --- writing anew ---------------------------------------------------------------------------

    def rebuild(self, generation_id: str | None = None) -> int:
        """Write every live document to a generation, the active one, and remove what the catalog does not know. Embeds
        nothing.

        Questions go on meanwhile: points are replaced, never absent. Returns the number of chunks written.
        """
        with self.alone() as session:
            named = generation_id is not None
            generation = generations.find(session, generation_id or "") if named else active_generation(session)
            written, upto = self._write_everything(session, generation)
            self._record(session, generation, upto)
        return written

    def fill(self, generation_id: str, versions: Sequence[Version], progress: Json) -> bool:
        """Write ``versions`` to a generation that is being filled, and how far that is. False when it no longer is.

        Nothing else is written meanwhile: what the catalog says here, no later operation contradicts.
        """
        with self.alone() as session:
            generation = session.get(IndexGeneration, generation_id)
            if generation is None or generation.state != "building":
                return False
            begun = bool(generation.progress)
            reached = self._applied(session, generation)
            if begun and not generation.progress:
                return True  # what was written is lost: from the beginning
            points = points_of(session, versions, generation, self.compile_payload)
            self.index(generation_id).apply([UpsertPoints(tuple(points))] if points else [], upto=reached)
            generation.progress = {**generation.progress, **progress}
            session.add(generation)
        return True

    def repair(self, generation_id: str, documents: Iterable[tuple[str, str]]) -> None:
        """Write these documents (tenant, id) to a generation as the catalog has them, and nothing else of them."""
        wanted = set(documents)
        with self.alone() as session:
            generation = generations.find(session, generation_id)
            reached = self._applied(session, generation)
            visible = [version for version in visible_versions(session) if version[:2] in wanted]
            ops: list[IndexOp] = [RemoveVersions(tenant, document_id) for tenant, document_id in sorted(wanted)]
            points = points_of(session, visible, generation, self.compile_payload)
            if points:
                ops.append(UpsertPoints(tuple(points)))
            self.index(generation_id).apply(ops, upto=reached)

    def _applied(self, session: Session, generation: IndexGeneration) -> int:
        """Where a generation stands. One that lost operations no longer kept is written anew from the catalog; one that
        holds nothing yet, or nothing any more, while it is filled begins where the outbox was when it was made."""
        state = self.index(generation.id).state()
        applied = state.applied_seq
        if generation.state == "building" and not (applied or state.points):
            self.index(generation.id).apply([], upto=generation.applied_seq)
            generation.progress = {}
            session.add(generation)
            return generation.applied_seq
        oldest, last = session.execute(
            sa.select(
                sa.func.coalesce(sa.func.min(IndexOpRow.seq), 0), sa.func.coalesce(sa.func.max(IndexOpRow.seq), 0)
            )
        ).one()
        if applied <= last and (applied == last or applied + 1 >= oldest):
            return applied
        log.warning(
            "%s stands at %d, the outbox holds %d to %d: writing everything", generation.id, applied, oldest, last
        )
        return self._write_everything(session, generation)[1]

    def _write_everything(self, session: Session, generation: IndexGeneration) -> tuple[int, int]:
        """Returns the number of chunks written and the sequence number that the index now stands at."""
        index = self.index(generation.id)
        reached, upto = index.state().applied_seq, newest(session)
        if reached > upto:
            # The catalog is older than the index (restored from a backup): later operations must count from beyond.
            session.execute(sa.text("SELECT setval(pg_get_serial_sequence('index_op', 'seq'), :at)"), {"at": reached})
            upto = reached
        written, wanted = 0, set[tuple[str, str, int]]()
        for some in batched(visible_versions(session), BATCH):
            points = points_of(session, some, generation, self.compile_payload)
            wanted.update((p.tenant, p.document_id, p.version) for p in points)
            index.apply([UpsertPoints(tuple(points))], upto=reached)
            written += len(points)
        there = {(p.tenant, p.document_id, p.version) for batch in index.scan() for p in batch}
        strays = [RemoveVersions(t, document_id, (v,)) for t, document_id, v in sorted(there - wanted)]
        index.apply(strays, upto=upto)
        return written, upto

    def _operations(
        self, session: Session, generation: IndexGeneration, rows: Iterable[IndexOpRow]
    ) -> Iterable[IndexOp]:
        for kind, run in groupby(rows, key=lambda row: row.kind):
            if kind == "write":
                alike = ((row.tenant_id, document_id, row.version) for row in run for document_id in row.document_ids)
                points = points_of(session, list(dict.fromkeys(alike)), generation, self.compile_payload)
                if points:
                    yield UpsertPoints(tuple(points))
            elif kind == "remove":
                for row in run:
                    versions = None if row.version is None else (row.version,)
                    for document_id in row.document_ids:
                        yield RemoveVersions(row.tenant_id, document_id, versions)
            else:
                for row in run:
                    for access, ids in access_payloads(session, row.tenant_id, row.document_ids, self.compile_payload):
                        yield SetAccess(row.tenant_id, tuple(ids), access)

    def _record(self, session: Session, generation: IndexGeneration, seq: int) -> list[str]:
        session.execute(
            sa.update(IndexGeneration).where(col(IndexGeneration.id) == generation.id).values(applied_seq=seq)
        )
        return ledger.wake(session, seq) if generation.state == "active" else []

    # --- swapping -------------------------------------------------------------------------------

    def swap(self, session: Session, to: str) -> tuple[str, list[str]]:
        """In a transaction of :meth:`alone`: bring a generation up to the outbox and make it the one that is asked.

        What is published by the former one's reckoning is in this one too: nothing is written to either meanwhile.
        Returns which it was until now, and the ids of stages to ring for. Raises :class:`NotFound`,
        :class:`Conflict` and what the index raises; then nothing has changed.
        """
        target = generations.find(session, to, lock=True)
        former = generations.activate(session, target).id
        woken: list[str] = []
        more = True
        while more:
            more, some = self._step(session, target)
            woken += some
        return former, woken
