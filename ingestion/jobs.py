"""Jobs: starting syncs, what a job shows of itself, cancelling, retrying."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from croniter import CroniterBadDateError, croniter
from sqlmodel import Session, col, select

from ingestion.progress import COUNT, RECENT_S, progress, waiting
from ingestion.webhooks.events import jobs_ended
from vouch.catalog import ledger, outbox
from vouch.catalog.tables import Document, Job, Source, Stage
from vouch.core import clock
from vouch.core.clock import duration, rfc3339
from vouch.core.errors import Conflict, InvalidInput, NotFound
from vouch.core.ids import new_id
from vouch.core.types import Json

SyncKind = Literal["incremental", "full", "access"]
MAX_ERRORS = 200
CRON_FIELDS = 5
OPEN = ("queued", "running")
COUNTED = (
    "seen", "new", "changed", "unchanged", "access_changed", "members_changed", "deleted", "unreadable", "quarantined",
    "refused",
)  # fmt: skip
"""What every job counts. ``members_changed``: memberships in the source's own groups that came or went.
``unreadable``: documents that nobody may read, because nothing says who may. ``quarantined``: those whose access the
source says in a way that cannot be followed; a job shows with them those whose content cannot be read."""


def check_schedule(schedule: str, field: str = "schedule") -> str:
    """``15m`` or a cron expression of five fields. Raises :class:`InvalidInput`, also for a day that never comes."""
    if not croniter.is_valid(schedule):
        duration(schedule, field=field)
        return schedule
    if len(schedule.split()) > CRON_FIELDS:
        raise InvalidInput(f"a cron expression has {CRON_FIELDS} fields", field=field)
    try:
        next_sync(schedule, clock.now())
    except CroniterBadDateError as error:
        raise InvalidInput(f"{schedule!r} names a time that never comes", field=field) from error
    return schedule


def next_sync(schedule: str | None, after: datetime) -> datetime | None:
    """When a source with ``schedule`` syncs next."""
    if schedule is None:
        return None
    if croniter.is_valid(schedule):
        at: datetime = croniter(schedule, after).get_next(datetime)
        return at
    return after + duration(schedule)


def start_sync(
    session: Session, source: Source, kind: SyncKind, *, confirm_deletions: bool = False
) -> tuple[str, str | None]:
    """A new job with its scan stage, or the same kind of job that is open already. With ``confirm_deletions`` it may
    delete more than the source's guard lets pass.

    Returns the job's id and the stage to ring for, None when the job was there. One sync of a source runs at a
    time. Raises :class:`Conflict` for a source that is paused, being deleted, or syncing in another way, and
    :class:`InvalidInput` for deletions confirmed of another kind than full.
    """
    if confirm_deletions and kind != "full":
        raise InvalidInput("deletions are confirmed of a full sync", field="confirm_deletions")
    locked = session.get(Source, (source.tenant_id, source.id), with_for_update=True)
    if locked is None:
        raise NotFound()
    if locked.state != "active":
        raise Conflict(f"The source is {locked.state}.")
    if locked.kind == "push":
        raise Conflict("A push source has nothing to scan: its documents are sent to it.")
    opened = session.exec(
        select(Job).where(
            col(Job.tenant_id) == source.tenant_id,
            col(Job.source_id) == source.id,
            col(Job.state).in_(OPEN),
            col(Job.kind) != "push",
        )
    ).first()
    if opened is not None:
        if opened.kind == kind:
            opened.confirm_deletions |= confirm_deletions
            session.add(opened)
            return opened.id, None
        raise Conflict(f"The source has a {opened.kind} sync under way; wait for it or cancel it.")
    job_id = new_id()
    session.add(
        Job(
            tenant_id=source.tenant_id,
            id=job_id,
            source_id=source.id,
            kind=kind,
            confirm_deletions=confirm_deletions,
        )
    )
    session.flush()
    return job_id, ledger.add(session, source.tenant_id, job_id, "scan")


def start_due_syncs(session: Session) -> list[str]:
    """Start the syncs whose time has come, of sources whose circuit is not open. Returns the scan stages to ring for.

    One of access that finds another under way stays due: where both come at the same times it would never run. One of
    content waits for its next turn.
    """
    now = clock.now()
    due = session.exec(
        select(Source)
        .where(
            col(Source.state) == "active",
            sa.or_(col(Source.next_sync_at) <= now, col(Source.next_access_at) <= now),
            sa.or_(col(Source.try_after).is_(None), col(Source.try_after) <= now),
        )
        .with_for_update(skip_locked=True)
    ).all()
    stages = []
    for source in due:
        if source.next_sync_at is not None and source.next_sync_at <= now:
            source.next_sync_at = next_sync(source.schedule, now)
            stages.append(_start_due(session, source, "incremental")[1])
        if source.next_access_at is not None and source.next_access_at <= now:
            turned, stage = _start_due(session, source, "access")
            stages.append(stage)
            if turned:
                source.next_access_at = next_sync(source.access_schedule, now)
        session.add(source)
    return [stage for stage in stages if stage is not None]


def _start_due(session: Session, source: Source, kind: SyncKind) -> tuple[bool, str | None]:
    """Whether the source has such a sync now, and the stage to ring for."""
    try:
        return True, start_sync(session, source, kind)[1]
    except Conflict:
        return False, None  # another kind of sync is under way


def find_job(session: Session, tenant: str, job_id: str, *, lock: bool = False) -> Job:
    """Raises :class:`NotFound`."""
    # Not the strongest lock: that one would also stop a worker from adding the job's next stage, which refers to it.
    job = session.get(Job, (tenant, job_id), with_for_update={"key_share": True} if lock else None)
    if job is None:
        raise NotFound()
    return job


def view(session: Session, job: Job) -> Json:
    """What ``GET /v1/jobs/{id}`` shows: no content, only counts, reasons and external ids."""
    rows = session.execute(COUNT, {"t": job.tenant_id, "j": job.id, "recent": RECENT_S}).all()
    stages = []
    for name in ledger.STAGES:
        states = {row.state: row.stages for row in rows if row.name == name}
        if states or (name == "scan" and job.kind != "push"):
            stages.append(
                {
                    "name": name,
                    "total": sum(states.values()),
                    "done": states.get("done", 0),
                    "failed": states.get("failed", 0),
                    "cancelled": states.get("cancelled", 0),
                    "open": sum(states.get(s, 0) for s in ("ready", "leased", "waiting")),
                }
            )
    counts = {**dict.fromkeys(COUNTED, 0), **job.counts}
    counts["quarantined"] += sum(int(stage["failed"]) for stage in stages if stage["name"] != "scan")
    published = sum(int(stage["done"]) for stage in stages if stage["name"] == "publish")
    return {
        "job_id": job.id,
        "source_id": job.source_id,
        "kind": job.kind,
        "state": job.state,
        "scanned": job.scanned,
        "counts": {**counts, "published": published},
        "stages": stages,
        "progress": progress(job, rows),
        "errors": [*_failures(session, job), *job.problems],
        "waiting": waiting(session, job) if job.state in OPEN else [],
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at),
        "finished_at": rfc3339(job.finished_at),
    }


def settle(session: Session, job_ids: Sequence[str]) -> None:
    """End those of ``job_ids`` that have nothing left to do, and tell who wants to know."""
    jobs_ended(session, ledger.settle(session, job_ids))


def cancel(session: Session, tenant: str, job_id: str) -> None:
    """End a job; what is published stays published. Raises :class:`Conflict` for one that has ended."""
    job = find_job(session, tenant, job_id, lock=True)
    if job.state not in OPEN:
        raise Conflict(f"The job has {job.state} already.")
    job.state, job.finished_at = "cancelled", clock.now()
    session.add(job)
    stopped = session.execute(
        sa.text(
            "UPDATE stage SET state = 'cancelled', fence = fence + 1, finished_at = now()"
            " WHERE tenant_id = :t AND id IN ("
            "    SELECT id FROM stage WHERE tenant_id = :t AND job_id = :j AND state IN ('ready', 'leased', 'waiting')"
            "    ORDER BY id FOR UPDATE)"
            " RETURNING name, document_id, version"
        ),
        {"t": tenant, "j": job_id},
    ).all()
    # What was named and not read is not named again by a scan that goes on from there: the next one lists everything.
    session.execute(
        sa.update(Source).where(col(Source.tenant_id) == tenant, col(Source.id) == job.source_id).values(cursor=None)
    )
    for name, document_id, version in stopped:
        if name == "publish":  # its points may be in the index already, and nothing else would take them out
            outbox.append(session, tenant, "remove", [document_id], version)
    session.flush()
    jobs_ended(session, [job_id])


def retry(session: Session, tenant: str, job_id: str) -> list[tuple[str, str]]:
    """Try what failed or was cancelled again, with fresh attempts. Returns (stage name, id) pairs to ring for.

    Raises :class:`Conflict` while the job runs, and when nothing in it failed.
    """
    job = find_job(session, tenant, job_id, lock=True)
    if job.state in OPEN:
        raise Conflict("The job is still under way.")
    rows = session.execute(
        sa.text(
            "UPDATE stage SET state = 'ready', attempts = 0, problem = NULL, wait_seq = NULL, finished_at = NULL,"
            " result = result - 'waited' - 'yielded', not_before = now(), rung_at = now()"
            " WHERE tenant_id = :t AND job_id = :j AND state IN ('failed', 'cancelled') RETURNING name, id"
        ),
        {"t": tenant, "j": job_id},
    ).all()
    if not rows:
        raise Conflict("Nothing in the job failed.")
    job.state, job.finished_at = "running", None
    session.add(job)
    return [(name, stage_id) for name, stage_id in rows]


def _failures(session: Session, job: Job) -> Sequence[Json]:
    rows = session.exec(
        select(Stage)
        .where(col(Stage.tenant_id) == job.tenant_id, col(Stage.job_id) == job.id, col(Stage.state) == "failed")
        .where(col(Stage.problem).is_not(None))
        .order_by(col(Stage.finished_at))
        .limit(MAX_ERRORS)
    ).all()
    ids = [row.document_id for row in rows if row.document_id]
    names = dict(
        session.exec(
            select(Document.id, Document.external_id).where(
                col(Document.tenant_id) == job.tenant_id, col(Document.id).in_(ids)
            )
        ).all()
    )
    return [
        {
            "document_id": row.document_id or None,
            "external_id": names.get(row.document_id),
            **(row.problem or {}),
            "retry": _retry(job, row),
        }
        for row in rows
    ]


def _retry(job: Job, failed: Stage) -> str:
    """The command that tries it again."""
    if (failed.problem or {}).get("reason") == "too_many_deletions":
        return f"vouch source sync {job.source_id} --confirm-deletions"
    return f"vouch job retry {job.id}"
