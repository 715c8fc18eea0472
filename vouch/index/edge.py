"""The embedded index: one shard of Qdrant Edge in one folder, owned by one process and used by one thread.

The engine holds the interpreter lock in every call, so threads would gain nothing; the index host
(`vouch/index/host.py`) gives every other process its answers. The write-ahead log is on: what ``apply`` has
acknowledged survives a killed process; a sequence number is recorded only after a flush, so it survives power loss.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import qdrant_edge as edge

from vouch.core.errors import IndexUnavailable
from vouch.core.types import AccessFilter, IndexHit, IndexHits, IndexQuery, SearchFilter
from vouch.index import plan
from vouch.index.batches import batches
from vouch.index.compact import Compaction
from vouch.index.edge_model import (
    edge_filter,
    hit_of,
    operation,
    payload_indexes,
    search_params,
    shard_config,
    stored_of,
)
from vouch.index.filters import Conditions, drawn, narrowed
from vouch.index.payload import DENSE, HIT_FIELDS, LEXICAL, LOTS, checked
from vouch.index.protocol import (
    IndexOp,
    IndexState,
    SetAccess,
    StoredPoint,
    UpsertPoints,
    generation_name,
)
from vouch.index.rules import Rule, Rules
from vouch.index.settle import best
from vouch.index.shard_folder import ShardFolder

STEP = 64
"""Points written between two chances to search: some 6 ms."""
COUNTS = 1_000
"""Counts kept, at most."""

_HIT_PAYLOAD = edge.PayloadSelector.Include(list(HIT_FIELDS))
_PLAIN_PLAN = {"backend": "edge", "lexical": {"mode": "exact", "idf": "visible"}}


class EdgeIndex:
    """Implements :class:`vouch.index.protocol.Index`. The shard is made when the first point arrives."""

    def __init__(self, folder: Path, generation: str, *, choose: plan.Choose = plan.choose) -> None:
        """Open or create. Raises :class:`AlreadyRunning` when another process, or this one, has it open."""
        self._choose = choose
        self._folder = ShardFolder(folder, generation_name(generation))
        self._shard: edge.EdgeShard | None = None
        self._counts: dict[object, int] = {}
        self._journal: list[IndexOp] | None = None
        """Operations since a compaction copied the shard; None when none is under way."""
        manifest = self._folder.manifest
        try:
            self._rules = Rules(self._folder.rules_path)
            if manifest.dimensions is not None:
                self._shard = _load(self._folder.shard_path(manifest.shard), manifest.dimensions)
        except BaseException:
            self._folder.close()
            raise

    def close(self) -> None:
        """Flush and release; the object is of no use afterwards."""
        if self._shard is not None:
            self._shard.flush()
            self._shard.close()
            self._shard = None
        self._folder.close()

    # --- the protocol ---------------------------------------------------------------------------

    def state(self) -> IndexState:
        manifest = self._folder.manifest
        return IndexState(manifest.generation, self._points(), manifest.applied_seq)

    def apply(self, ops: Sequence[IndexOp], *, upto: int) -> None:
        for _ in self.apply_in_steps(ops, upto=upto):
            pass

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        seen = self._rules.visible(access)
        if self._shard is None or seen is None:
            return IndexHits((), (), {**_PLAIN_PLAN, "dense": plan.EXACT.json()})
        wanted = edge_filter(narrowed(seen, query.where))
        dense, dense_plan = self._nearest(query, access, wanted)
        lexical: tuple[IndexHit, ...] = ()
        if query.lexical:
            corpus = edge_filter(drawn(seen, self._weighing(access)))
            terms = edge.SparseVector(list(query.lexical.indices), list(query.lexical.values))
            idf = edge.SearchParams(idf=edge.IdfParams(corpus=corpus))
            lexical = self._best(LEXICAL, edge.Query.Nearest(terms, using=LEXICAL), query.limit, (wanted, idf))
        return IndexHits(dense, lexical, {**_PLAIN_PLAN, "dense": dense_plan.json()})

    def count(self, access: AccessFilter, where: SearchFilter) -> int:
        seen = self._rules.visible(access)
        return 0 if seen is None else self._points(narrowed(seen, where))

    def scan(self, *, batch: int = 1000) -> Iterator[list[StoredPoint]]:
        after: str | None = None
        while page := self.scan_page(after, batch):
            yield page
            after = page[-1].id

    def maintain(self) -> bool:
        compaction = self.begin_compaction()
        if compaction is None:
            return False
        try:
            compaction.wait_copied()
            compaction.wait()
            for _ in self.adopt(compaction):
                pass
        finally:
            self.end_compaction(compaction)
        return True

    # --- in small steps, for the host -----------------------------------------------------------

    def apply_in_steps(self, ops: Iterable[IndexOp], *, upto: int, last: bool = True) -> Iterator[None]:
        """``apply``, yielding whenever a search may come between. Without ``last`` nothing is recorded yet."""
        for whole in ops:
            self._rules.add(_ruled(whole))  # all at once: each time that there are new ones waits for the disk
            for op in batches([whole], STEP):
                self._write(op)
                yield
        if last:
            if self._shard is not None:
                self._shard.flush()
            self._folder.record(replace(self._folder.manifest, applied_seq=upto))

    def scan_page(self, after: str | None, limit: int) -> list[StoredPoint]:
        """At most ``limit`` points whose id is above ``after``, in id order."""
        if self._shard is None:
            return []
        records, _ = self._shard.scroll(
            # The engine's offset is inclusive: one more is asked for and the known one dropped.
            edge.ScrollRequest(offset=after, limit=limit + (after is not None), with_payload=True, with_vector=True)
        )
        return [stored_of(record, self._rules) for record in records if str(record.id) != after][:limit]

    def begin_compaction(self) -> Compaction | None:
        """Start rewriting a copy when it is worth it. Nothing may be applied before its ``wait_copied`` returns."""
        manifest = self._folder.manifest
        worth = plan.worth_compacting(self._points(), manifest.garbage, manifest.unindexed)
        if self._shard is None or manifest.dimensions is None or self._journal is not None or not worth:
            return None
        self._shard.flush()
        self._journal = []
        source, target = (self._folder.shard_path(manifest.shard + n) for n in (0, 1))
        return Compaction(source, target, manifest.dimensions)

    def adopt(self, compaction: Compaction) -> Iterator[None]:
        """Bring the finished copy up to date and make it current, yielding whenever a search may come between."""
        old, manifest = self._shard, self._folder.manifest
        assert old is not None and manifest.dimensions is not None and self._journal is not None
        fresh = _load(compaction.target, manifest.dimensions)
        try:
            for op in self._journal:
                _update(fresh, operation(op, self._rules))
                yield
            fresh.flush()
            written = sum(len(op.points) for op in self._journal if isinstance(op, UpsertPoints))
            self._folder.record(replace(manifest, shard=manifest.shard + 1, garbage=0, unindexed=written))
        except BaseException:
            fresh.close()
            raise
        self._shard = fresh
        old.close()
        shutil.rmtree(self._folder.shard_path(manifest.shard))

    def end_compaction(self, compaction: Compaction) -> None:
        """Forget a compaction; one that was not adopted is undone."""
        self._journal = None
        if compaction.target != self._folder.shard_path(self._folder.manifest.shard):
            compaction.abandon()

    # --- the engine -----------------------------------------------------------------------------

    def _points(self, conditions: Conditions | None = None) -> int:
        if self._shard is None:
            return 0
        wanted = None if conditions is None else edge_filter(conditions)
        return self._shard.count(edge.CountRequest(exact=True, filter=wanted))

    def _nearest(
        self, query: IndexQuery, access: AccessFilter, wanted: edge.Filter
    ) -> tuple[tuple[IndexHit, ...], plan.DensePlan]:
        """The dense arm, and the plan that it was found by."""
        if query.dense is None:
            return (), plan.EXACT
        nearest = edge.Query.Nearest(query.dense.tolist(), using=DENSE)
        points = self._shard.info().points_count if self._shard else 0
        some = plan.lots(points)
        chosen = self._choose(points, lambda: self._counted(access, query.where, some) * LOTS // some)
        hits = self._best(DENSE, nearest, query.limit, (wanted, search_params(chosen)))
        if not plan.fell_short(chosen, len(hits), query.limit):
            return hits, chosen
        return self._best(DENSE, nearest, query.limit, (wanted, search_params(plan.EXACT))), plan.EXACT

    def _weighing(self, access: AccessFilter) -> int:
        """By how many lots the words of a question are weighed. Of an index that is small whoever asks, nothing has to
        be counted to know it."""
        everything = self._counted(None, SearchFilter(), plan.PROBED)
        if plan.weighing(everything) == LOTS:
            return LOTS
        return plan.weighing(self._counted(access, SearchFilter(), plan.PROBED))

    def _counted(self, access: AccessFilter | None, where: SearchFilter, lots: int) -> int:
        """Points of the first ``lots`` that are visible, or of all without ``access``; kept until something is written.
        The engine's own estimate takes conditions for independent of each other, and was off fourfold for groups that
        overlap, 260-fold for two clauses."""
        key = access and (access.tenant, access.principals), where, lots
        if key not in self._counts:
            if len(self._counts) >= COUNTS:
                self._counts.clear()
            seen = Conditions(()) if access is None else self._rules.visible(access)
            self._counts[key] = 0 if seen is None else self._points(drawn(narrowed(seen, where), lots))
        return self._counts[key]

    def _best(
        self, arm: str, query: edge.Query, limit: int, how: tuple[edge.Filter, edge.SearchParams]
    ) -> tuple[IndexHit, ...]:
        return best(lambda _, some: {arm: self._hits(_request(query, some, *how))}, (arm,), limit)[arm]

    def _hits(self, request: edge.QueryRequest) -> list[IndexHit]:
        assert self._shard is not None
        try:
            return [hit_of(found) for found in self._shard.query(request)]
        except Exception as error:  # the engine raises nothing more precise
            raise IndexUnavailable(f"the index could not search: {error}") from error

    def _write(self, op: IndexOp) -> None:
        manifest = self._folder.manifest
        if isinstance(op, UpsertPoints):
            for point in op.points:
                checked(point, manifest.dimensions or op.points[0].dense.size)
            if self._shard is None:
                self._create(op.points[0].dense.size)
        if self._shard is None:
            return
        self._counts.clear()
        before = self._shard.info().points_count
        _update(self._shard, operation(op, self._rules))
        if self._journal is not None:
            self._journal.append(op)
        grown = self._shard.info().points_count - before
        written = len(op.points) if isinstance(op, UpsertPoints) else 0
        manifest = self._folder.manifest
        self._folder.manifest = replace(
            manifest, garbage=manifest.garbage + written - grown, unindexed=manifest.unindexed + written
        )

    def _create(self, dimensions: int) -> None:
        path = self._folder.shard_path(1)
        path.mkdir()
        shard = edge.EdgeShard.create(str(path), shard_config(dimensions))
        for index in payload_indexes():
            shard.update(index)
        shard.flush()
        self._folder.record(replace(self._folder.manifest, shard=1, dimensions=dimensions))
        self._shard = shard


def _load(path: Path, dimensions: int) -> edge.EdgeShard:
    try:
        return edge.EdgeShard.load(str(path), shard_config(dimensions))
    except Exception as error:  # the engine raises nothing more precise
        raise IndexUnavailable(f"the index at {path} cannot be opened: {error}") from error


def _request(query: edge.Query, limit: int, wanted: edge.Filter, params: edge.SearchParams) -> edge.QueryRequest:
    return edge.QueryRequest(limit=limit, query=query, filter=wanted, params=params, with_payload=_HIT_PAYLOAD)


def _update(shard: edge.EdgeShard, operation: edge.UpdateOperation | None) -> None:
    if operation is None:
        return
    try:
        shard.update(operation)
    except Exception as error:  # the engine raises nothing more precise
        raise IndexUnavailable(f"the index could not be written: {error}") from error


def _ruled(op: IndexOp) -> Iterator[Rule]:
    if isinstance(op, UpsertPoints):
        yield from ((point.tenant, point.access) for point in op.points)
    elif isinstance(op, SetAccess):
        yield op.tenant, op.access
