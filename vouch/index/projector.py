"""The projector: makes the index match the catalog, operation by operation, in commit order.

An operation names documents; what is written is what the catalog says of them *now*, so applying one twice,
or late, is harmless. The index keeps the number it has reached beside its points: whatever it lost it is given again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import Session, col

from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.heartbeat import beat
from vouch.catalog.outbox import active_generation, newest, pending
from vouch.catalog.tables import IndexGeneration, IndexOpRow
from vouch.index.points import CompilePayload, access_payloads, batched, points_of, visible_versions
from vouch.index.protocol import Index, IndexOp, RemoveVersions, SetAccess, UpsertPoints

log = logging.getLogger(__name__)

BATCH = 64
_LOCK = 0x70726F6A656374  # "project"


class Projector:
    """Applies the outbox to one index. ``compile_payload`` is ``acl.compile``'s: this room decides no access."""

    def __init__(self, catalog: Catalog, index: Index, compile_payload: CompilePayload) -> None:
        self.catalog, self.index, self.compile_payload = catalog, index, compile_payload

    def catch_up(self) -> list[str]:
        """Apply everything pending. Returns the ids of stages that waited for it and are ready now.

        Only one projector works at a time; another waits for it here.
        """
        woken: list[str] = []
        while True:
            with self.catalog.transaction(ACROSS_TENANTS) as session:
                session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                applied = self._applied(session)
                rows = pending(session, applied, BATCH)
                if not rows:
                    return woken + self._record(session, applied)
                last = rows[-1].seq
                assert last is not None
                self._settle()
                self.index.apply(list(self._operations(session, rows)), upto=last)
                woken += self._record(session, last)

    def _settle(self) -> None:
        """Put on disk every operation that could be read so far: a number that the index has reached must never be
        given out again after a crash of PostgreSQL. Any durable commit flushes what was committed before it."""
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            beat(session, "projector")

    def maintain(self) -> None:
        """Have the index compacted where that is worth it. Questions and operations go on meanwhile."""
        if self.index.maintain():
            log.info("the index was compacted")

    def rebuild(self) -> int:
        """Write every live document to the index and remove what the catalog does not know. Embeds nothing.

        Questions go on meanwhile: points are replaced, never absent. Returns the number of chunks written.
        """
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            written, upto = self._write_everything(session)
            self._record(session, upto)
        return written

    def _applied(self, session: Session) -> int:
        """Where the index stands. An index that lost operations no longer kept is written anew from the catalog."""
        applied = self.index.state().applied_seq
        oldest, newest = session.execute(
            sa.select(
                sa.func.coalesce(sa.func.min(IndexOpRow.seq), 0), sa.func.coalesce(sa.func.max(IndexOpRow.seq), 0)
            )
        ).one()
        if applied <= newest and (applied == newest or applied + 1 >= oldest):
            return applied
        log.warning("the index stands at %d, the outbox holds %d to %d: writing everything", applied, oldest, newest)
        return self._write_everything(session)[1]

    def _write_everything(self, session: Session) -> tuple[int, int]:
        """Returns the number of chunks written and the sequence number that the index now stands at."""
        generation = active_generation(session)
        reached, upto = self.index.state().applied_seq, newest(session)
        if reached > upto:
            # The catalog is older than the index (restored from a backup): later operations must count from beyond.
            session.execute(sa.text("SELECT setval(pg_get_serial_sequence('index_op', 'seq'), :at)"), {"at": reached})
            upto = reached
        written, wanted = 0, set[tuple[str, str, int]]()
        for some in batched(visible_versions(session), BATCH):
            points = points_of(session, some, generation, self.compile_payload)
            wanted.update((p.tenant, p.document_id, p.version) for p in points)
            self.index.apply([UpsertPoints(tuple(points))], upto=reached)
            written += len(points)
        there = {(p.tenant, p.document_id, p.version) for batch in self.index.scan() for p in batch}
        strays = [RemoveVersions(t, document_id, (v,)) for t, document_id, v in sorted(there - wanted)]
        self.index.apply(strays, upto=upto)
        return written, upto

    def _operations(self, session: Session, rows: Iterable[IndexOpRow]) -> Iterable[IndexOp]:
        generation = active_generation(session)
        for row in rows:
            if row.kind == "write":
                wanted = [(row.tenant_id, document_id, row.version) for document_id in row.document_ids]
                points = points_of(session, wanted, generation, self.compile_payload)
                if points:
                    yield UpsertPoints(tuple(points))
            elif row.kind == "remove":
                for document_id in row.document_ids:
                    yield RemoveVersions(row.tenant_id, document_id, None if row.version is None else (row.version,))
            else:
                for access, ids in access_payloads(session, row.tenant_id, row.document_ids, self.compile_payload):
                    yield SetAccess(row.tenant_id, tuple(ids), access)

    def _record(self, session: Session, seq: int) -> list[str]:
        session.execute(
            sa.update(IndexGeneration).where(col(IndexGeneration.state) == "active").values(applied_seq=seq)
        )
        return ledger.wake(session, seq)
