"""The ledger of stages: who works on what, how often it was tried, and what comes next.

A stage is ready, then leased, then done; waiting means that the projector must catch up first.
Attempts are counted when a lease is taken, before the work, so work that kills its worker is counted too.

Rows are locked in one order everywhere: source, job, document, tenant (a new epoch) with the
audit chain `access`, stages by id, the outbox, webhooks with what they are owed, the audit chain `use`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Stage
from vouch.core.errors import LeaseLost, Unavailable
from vouch.core.ids import new_id
from vouch.core.types import Json

StageName = Literal["scan", "fetch", "parse", "chunk", "embed", "publish"]
STAGES: tuple[StageName, ...] = ("scan", "fetch", "parse", "chunk", "embed", "publish")
MAX_ATTEMPTS = 3

_ADD = sa.text(
    """
    INSERT INTO stage (tenant_id, id, job_id, source_id, document_id, version, name, state, attempts, fence, result)
    SELECT tenant_id, :id, id, source_id, :document, :version, :name, 'ready', 0, 0, CAST(:result AS jsonb)
    FROM job WHERE tenant_id = :tenant AND id = :job RETURNING id
    """
)
_FINISH = sa.text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:fences AS bigint[]), CAST(:results AS jsonb[]),
            CAST(:next_ids AS text[]), CAST(:versions AS int[])) AS g(id, fence, result, next_id, version)
    ), mine AS (
        SELECT s.id FROM stage s JOIN given g ON s.id = g.id AND s.fence = g.fence
        WHERE s.tenant_id = :tenant AND s.state = 'leased' ORDER BY s.id FOR UPDATE OF s
    ), done AS (
        UPDATE stage s SET state = 'done', leased_until = NULL, finished_at = now(), result = g.result
        FROM given g JOIN mine ON mine.id = g.id WHERE s.tenant_id = :tenant AND s.id = g.id
        RETURNING s.tenant_id, s.job_id, s.source_id, s.document_id, g.next_id, g.version, g.result
    ), added AS (
        INSERT INTO stage (
            tenant_id, id, job_id, source_id, document_id, version, name, state, attempts, fence, leased_until, result)
        SELECT tenant_id, next_id, job_id, source_id, document_id, version, :next_name, :state, :fence_of_next,
            :fence_of_next, CASE WHEN :lease > 0 THEN now() + make_interval(secs => :lease) END, result
        FROM done WHERE CAST(:adds AS bool))
    SELECT count(*) FROM done
    """
)
_WAIT = sa.text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:fences AS bigint[]), CAST(:seqs AS bigint[]))
            AS g(id, fence, seq)
    ), mine AS (
        SELECT s.id FROM stage s JOIN given g ON s.id = g.id AND s.fence = g.fence
        WHERE s.tenant_id = :tenant AND s.state = 'leased' ORDER BY s.id FOR UPDATE OF s)
    UPDATE stage s SET state = 'waiting', wait_seq = g.seq, attempts = attempts - 1, leased_until = NULL,
        not_before = now(), finished_at = NULL
    FROM given g JOIN mine ON mine.id = g.id WHERE s.tenant_id = :tenant AND s.id = g.id RETURNING s.id
    """
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one stage until it expires. ``fence`` tells it from every earlier and later lease."""

    tenant: str
    id: str
    job_id: str
    document_id: str
    version: int
    name: StageName
    attempt: int
    fence: int
    result: Json
    wait_seq: int | None = None
    """What the stage last waited for the projector to reach, if it did."""

    @property
    def held(self) -> bool:
        """False for a stage that is ready for whoever claims it first."""
        return self.fence > 0


def add(
    session: Session,
    tenant: str,
    job_id: str,
    name: StageName,
    document_id: str = "",
    version: int = 0,
    given: Json | None = None,
) -> str:
    """A new stage, ready, with what the stage before it leaves it. Returns its id; ring it after the commit."""
    stage_id = new_id()
    session.execute(
        _ADD,
        {
            "tenant": tenant,
            "id": stage_id,
            "job": job_id,
            "document": document_id,
            "version": version,
            "name": name,
            "result": json.dumps(given or {}),
        },
    ).one()
    return stage_id


def claim(session: Session, stage_ids: Sequence[str], lease_s: int, *, tried: bool = False) -> list[Lease]:
    """Lease those of ``stage_ids`` that can be worked on now: ready and due, or left behind by a dead worker; with
    ``tried``, those alone that were worked on before.

    A stage tried :data:`MAX_ATTEMPTS` times is leased once more with ``attempt`` above it: the caller fails it.
    """
    rows = session.execute(
        sa.text(
            """
            UPDATE stage SET state = 'leased', attempts = attempts + 1, fence = fence + 1,
                leased_until = now() + make_interval(secs => :lease)
            WHERE id IN (
                SELECT s.id FROM stage s JOIN job j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
                WHERE s.id = ANY(:ids) AND s.attempts >= :tried AND j.state IN ('queued', 'running') AND (
                    s.state = 'ready' AND s.not_before <= now() OR s.state = 'leased' AND s.leased_until < now())
                ORDER BY s.id FOR UPDATE OF s SKIP LOCKED)
            RETURNING tenant_id, id, job_id, document_id, version, name, attempts, fence, result, wait_seq
            """
        ),
        {"ids": list(stage_ids), "lease": lease_s, "tried": int(tried)},
    )
    return sorted((Lease(*row) for row in rows), key=lambda lease: lease.id)


def finish(
    session: Session,
    lease: Lease,
    result: Json | None = None,
    *,
    then: StageName | None = None,
    in_hand_s: int | None = None,
) -> Lease | None:
    """:func:`finish_all` of one. Returns the next stage, None without ``then``."""
    return next(iter(finish_all(session, [(lease, result or {})], then=then, in_hand_s=in_hand_s)), None)


def finish_all(
    session: Session,
    done: Sequence[tuple[Lease, Json]],
    *,
    then: StageName | None = None,
    in_hand_s: int | None = None,
) -> list[Lease]:
    """Mark stages of one tenant done and add those that come next, in the caller's transaction. Returns these, in the
    same order; nothing without ``then``.

    The result of each is merged over what the stage was given, and passed on. With ``in_hand_s`` the next stages are
    leased to the caller for that many seconds (their first attempt counted); without, they are ready and their fence
    is 0. Raises :class:`LeaseLost`, which must roll the transaction back: another worker has one of the stages.
    """
    if not done:
        return []
    following = [_next(lease, result, then or "fetch", held=in_hand_s is not None) for lease, result in done]
    counted = session.execute(
        _FINISH,
        {
            "tenant": done[0][0].tenant,
            "ids": [lease.id for lease, _ in done],
            "fences": [lease.fence for lease, _ in done],
            "results": [json.dumps(one.result) for one in following],
            "next_ids": [one.id for one in following],
            "versions": [one.version for one in following],
            "adds": then is not None,
            "next_name": then or "",
            "state": "ready" if in_hand_s is None else "leased",
            "fence_of_next": int(in_hand_s is not None),
            "lease": in_hand_s or 0,
        },
    ).scalar_one()
    if counted != len(done):
        raise LeaseLost()
    return following if then else []


def _next(lease: Lease, result: Json, name: StageName, *, held: bool) -> Lease:
    merged = {**lease.result, **result}
    return Lease(
        tenant=lease.tenant,
        id=new_id(),
        job_id=lease.job_id,
        document_id=lease.document_id,
        version=int(merged.get("version", 0)),
        name=name,
        attempt=int(held),
        fence=int(held),
        result=merged,
    )


def wait_all(session: Session, waiting: Sequence[tuple[Lease, int]]) -> None:
    """Put stages of one tenant aside until the projector has applied the number of each; the attempt is not held
    against them. Raises :class:`LeaseLost` where another worker has one of them."""
    given = {"ids": [lease.id for lease, _ in waiting], "fences": [lease.fence for lease, _ in waiting]}
    values = {"tenant": waiting[0][0].tenant, **given, "seqs": [seq for _, seq in waiting]}
    if len(session.execute(_WAIT, values).all()) != len(waiting):
        raise LeaseLost()


def retry(
    session: Session,
    lease: Lease,
    problem: Json | None,
    *,
    delay_s: float,
    counts: bool,
    result: Json | None = None,
) -> None:
    """Make ready again after ``delay_s`` seconds; ``counts`` False takes the attempt back. ``result``: merged over what
    the stage was given."""
    attempts = lease.attempt if counts else lease.attempt - 1
    given = {"result": {**lease.result, **result}} if result else {}
    _move(session, lease, "ready", {"problem": problem, "attempts": attempts, **given}, delay_s)


def put_back(session: Session, leases: Sequence[Lease]) -> list[Lease]:
    """Make ready again what was not begun: no attempt counts. Returns those of ``leases`` that were still held."""
    rows = session.execute(
        sa.text(
            """
            UPDATE stage SET state = 'ready', attempts = attempts - 1, leased_until = NULL, not_before = now()
            WHERE (tenant_id, id) IN (
                SELECT s.tenant_id, s.id FROM stage s
                JOIN unnest(CAST(:ids AS text[]), CAST(:fences AS bigint[])) AS v(id, fence)
                ON s.id = v.id AND s.fence = v.fence AND s.state = 'leased'
                ORDER BY s.id FOR UPDATE OF s)
            RETURNING id
            """
        ),
        {"ids": [lease.id for lease in leases], "fences": [lease.fence for lease in leases]},
    )
    held_still = set(rows.scalars())
    return [lease for lease in leases if lease.id in held_still]


def forgive(session: Session, lease: Lease) -> None:
    """The stage has come further than it ever was, so the tries before this one are no longer held against it."""
    session.execute(
        sa.text("UPDATE stage SET attempts = 1 WHERE tenant_id = :t AND id = :id AND fence = :fence"),
        {"t": lease.tenant, "id": lease.id, "fence": lease.fence},
    )


def fail(session: Session, lease: Lease, problem: Json | None) -> None:
    """Mark failed for good, with its reason; None where the job tells its reasons itself."""
    _move(session, lease, "failed", {"problem": problem})


def cancel(session: Session, lease: Lease) -> None:
    """The stage is no longer wanted: its document was deleted, or a newer version overtook it."""
    _move(session, lease, "cancelled", {})


def _move(session: Session, lease: Lease, state: str, values: Json, delay_s: float = 0.0) -> None:
    table = Stage.metadata.tables["stage"]
    moved = session.execute(
        sa.update(table)
        .where(
            table.c.tenant_id == lease.tenant,
            table.c.id == lease.id,
            table.c.fence == lease.fence,
            table.c.state == "leased",
        )
        .values(
            state=state,
            leased_until=None,
            not_before=sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, delay_s),
            finished_at=sa.func.now() if state in ("done", "failed", "cancelled") else None,
            **values,
        )
        .returning(table.c.id)
    ).first()
    if moved is None:
        raise LeaseLost()


@contextmanager
def held(catalog: Catalog, leases: Sequence[Lease], lease_s: int) -> Iterator[None]:
    """Keep ``leases`` alive while the block works: renewed every third of their length. The list may grow meanwhile.

    A process that dies stops renewing, so its work passes on after ``lease_s`` however long the stage takes.
    """
    over = Event()

    def renew() -> None:
        while not over.wait(lease_s / 3):
            held_now = tuple(leases)
            try:
                with catalog.transaction(ACROSS_TENANTS) as session:
                    session.execute(
                        sa.text(
                            "UPDATE stage SET leased_until = now() + make_interval(secs => :lease)"
                            " WHERE (tenant_id, id) IN ("
                            "    SELECT s.tenant_id, s.id FROM stage s"
                            "    JOIN unnest(CAST(:ids AS text[]), CAST(:fences AS bigint[])) AS v(id, fence)"
                            "    ON s.id = v.id AND s.fence = v.fence AND s.state = 'leased'"
                            "    ORDER BY s.id FOR UPDATE OF s)"
                        ),
                        {"lease": lease_s, "ids": [x.id for x in held_now], "fences": [x.fence for x in held_now]},
                    )
            except Unavailable:
                continue  # PostgreSQL is restarting; should the lease run out meanwhile, the fence decides

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wake(session: Session, applied_seq: int) -> list[str]:
    """Make ready what waited for the projector to reach ``applied_seq``. Returns the stages' ids."""
    rows = session.execute(
        sa.text(
            "UPDATE stage SET state = 'ready', not_before = now(), rung_at = now() WHERE (tenant_id, id) IN ("
            "    SELECT tenant_id, id FROM stage WHERE state = 'waiting' AND wait_seq <= :seq ORDER BY id FOR UPDATE)"
            " RETURNING id"
        ),
        {"seq": applied_seq},
    )
    return sorted(rows.scalars())


def settle(session: Session, job_ids: Sequence[str]) -> list[str]:
    """End those of ``job_ids`` that have nothing left to do. Returns the ids of jobs that ended now.

    A job fails when its scan did, or when it was a push and its document failed.
    """
    rows = session.execute(
        sa.text(
            """
            UPDATE job j SET finished_at = now(), state = CASE
                WHEN EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                             AND s.name = 'scan' AND s.state = 'failed') THEN 'failed'
                WHEN EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                             AND s.state = 'failed')
                 AND NOT EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                                 AND s.name = 'publish' AND s.state = 'done')
                 AND NOT EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                                 AND s.name = 'scan') THEN 'failed'
                ELSE 'succeeded' END
            WHERE j.id = ANY(:ids) AND j.state IN ('queued', 'running') AND (
                j.scanned OR EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                                     AND s.name = 'scan' AND s.state = 'failed'))
            AND NOT EXISTS (SELECT 1 FROM stage s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id
                            AND s.state IN ('ready', 'leased', 'waiting'))
            RETURNING j.id
            """
        ),
        {"ids": list(job_ids)},
    )
    return list(rows.scalars())
