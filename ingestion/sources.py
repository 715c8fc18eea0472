"""Sources: registering, changing, deleting, and what one shows of itself."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.groups import claim, issuer_of, release
from ingestion.breaker import failing
from ingestion.delete import delete_documents
from ingestion.jobs import OPEN, cancel, check_schedule, next_sync
from ingestion.schemas import InSearchIn, SourceIn, SourcePatch
from ingestion.sealed import checked
from ingestion.sealed import shown as shown_config
from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Job, Source, Stage
from vouch.core import clock
from vouch.core.clock import duration, rfc3339
from vouch.core.errors import Conflict, NotFound
from vouch.core.freshness import AGED
from vouch.core.ids import new_id
from vouch.core.settings import Settings
from vouch.core.types import Json, principal_name


def find_source(session: Session, tenant: str, source_id: str, *, lock: bool = False) -> Source:
    """By id or by name. Raises :class:`NotFound`, also for one that is being deleted."""
    query = select(Source).where(
        col(Source.tenant_id) == tenant, sa.or_(col(Source.id) == source_id, col(Source.name) == source_id)
    )
    source = session.exec(query.with_for_update() if lock else query).first()
    if source is None or source.state == "deleting":
        raise NotFound()
    return source


def create(session: Session, tenant: str, asked: SourceIn, settings: Settings | None = None) -> Source:
    """Register a source. Raises :class:`BadConfig` naming the field, :class:`Conflict` for a name in use.

    Without ``settings`` no secret can be kept, and nothing private is reached.
    """
    source_id = new_id()
    config = checked(session, settings, (tenant, source_id), (asked.kind, asked.config))
    issuer = issuer_of(config)
    taken = session.exec(
        select(Source.id).where(col(Source.tenant_id) == tenant, col(Source.name) == asked.name)
    ).first()
    if taken is not None:
        raise Conflict(f"A source named {asked.name} is there already.", field="name")
    if issuer is not None:
        claim(session, tenant, issuer)
    source = Source(
        tenant_id=tenant,
        id=source_id,
        name=asked.name,
        kind=asked.kind,
        config=config,
        issuer=issuer,
        owner=principal_name(asked.owner, field="owner") if asked.owner else None,
        schedule=check_schedule(asked.schedule) if asked.schedule is not None else None,
        review_every_s=_seconds(asked.freshness.review_every, "freshness.review_every"),
        stale_after_s=_seconds(asked.freshness.stale_after, "freshness.stale_after"),
        expire_after_s=_seconds(asked.freshness.expire_after, "freshness.expire_after"),
        in_search=_not_kept(asked.freshness.in_search),
        acl_max_age_s=_seconds(asked.acl_max_age, "acl_max_age"),
        deletion_guard=asked.deletion_guard,
        priority=asked.priority,
        data_class=asked.data_class,
    )
    source.next_sync_at = next_sync(source.schedule, clock.now())
    _schedule_access(source, asked.access_schedule)
    session.add(source)
    session.flush()
    session.refresh(source)
    return source


def change(
    session: Session, source: Source, asked: SourcePatch, *, actor: str, settings: Settings | None = None
) -> None:
    """Apply what was given. The source's row is locked by the caller. How old its access may be decides who may read
    it, so another age begins an epoch. ``settings`` as in :func:`create`."""
    given = asked.model_fields_set
    if "config" in given:
        told, key = (source.kind, asked.config or {}), (source.tenant_id, source.id)
        source.config, source.cursor = checked(session, settings, key, told, source.config), None
        _change_issuer(session, source, issuer_of(source.config), actor)
    if "owner" in given:
        source.owner = principal_name(asked.owner, field="owner") if asked.owner else None
    if "schedule" in given:
        source.schedule = check_schedule(asked.schedule) if asked.schedule is not None else None
        source.next_sync_at = next_sync(source.schedule, clock.now())
    if "freshness" in given and asked.freshness is not None:
        source.review_every_s = _seconds(asked.freshness.review_every, "freshness.review_every")
        source.stale_after_s = _seconds(asked.freshness.stale_after, "freshness.stale_after")
        source.expire_after_s = _seconds(asked.freshness.expire_after, "freshness.expire_after")
        source.in_search = _not_kept(asked.freshness.in_search)
    if "acl_max_age" in given:
        before, source.acl_max_age_s = source.acl_max_age_s, _seconds(asked.acl_max_age, "acl_max_age")
        if before != source.acl_max_age_s:
            detail = {"acl_max_age_s": source.acl_max_age_s, "before": before}
            epochs.bump(
                session, source.tenant_id, kind="source", subject=f"source:{source.id}", actor=actor, detail=detail
            )
    if "access_schedule" in given:
        _schedule_access(source, asked.access_schedule)
    if "deletion_guard" in given:
        source.deletion_guard = 0.5 if asked.deletion_guard is None else asked.deletion_guard
    if "priority" in given:
        source.priority = asked.priority or "normal"
    if "data_class" in given:
        source.data_class = asked.data_class
    if asked.state is not None:
        source.state = asked.state
    source.updated_at = clock.now()
    session.add(source)


def _schedule_access(source: Source, schedule: str | None) -> None:
    source.access_schedule = check_schedule(schedule, "access_schedule") if schedule is not None else None
    source.next_access_at = next_sync(source.access_schedule, clock.now())


def _change_issuer(session: Session, source: Source, issuer: str | None, actor: str) -> None:
    if issuer == source.issuer:
        return
    if issuer is not None:
        claim(session, source.tenant_id, issuer)
    if source.issuer is not None:
        release(session, source.tenant_id, source.issuer, actor=actor)
    source.issuer = issuer


def delete(session: Session, source: Source, *, actor: str) -> None:
    """Hide everything of the source at once and empty it. Its row goes once the index has followed."""
    for job_id in session.exec(
        select(Job.id).where(
            col(Job.tenant_id) == source.tenant_id, col(Job.source_id) == source.id, col(Job.state).in_(OPEN)
        )
    ).all():
        with suppress(Conflict):  # it has ended since it was looked for
            cancel(session, source.tenant_id, job_id)
    source.state, source.name, source.next_sync_at = "deleting", f"{source.name} ({source.id})", None
    source.next_access_at = None
    session.add(source)
    session.flush()
    delete_documents(session, source.tenant_id, source.id, None, actor)
    _change_issuer(session, source, None, actor)
    session.add(source)


def purge_deleted(session: Session, applied_seq: int) -> list[str]:
    """Remove the rows of sources whose documents the index has let go. Returns the tenants concerned."""
    rows = session.execute(
        sa.text(
            """
            DELETE FROM source s WHERE s.state = 'deleting' AND NOT EXISTS (
                SELECT 1 FROM index_op o JOIN document d ON d.tenant_id = o.tenant_id AND d.id = ANY(o.document_ids)
                WHERE o.seq > :seq AND d.tenant_id = s.tenant_id AND d.source_id = s.id)
            RETURNING s.tenant_id
            """
        ),
        {"seq": applied_seq},
    )
    return sorted(set(rows.scalars()))


def shown(session: Session, source: Source) -> Json:
    """What the API shows of a source."""
    counts = session.execute(
        sa.text(
            """
            SELECT count(*) FILTER (WHERE state = 'live' AND access_problem IS NULL),
                count(*) FILTER (WHERE state = 'pending' AND access_problem IS NULL),
                count(*) FILTER (WHERE state = 'quarantined' OR access_problem IS NOT NULL),
                count(*) FILTER (WHERE state = 'live' AND acl_id IS NULL AND access_problem IS NULL)
            FROM document WHERE tenant_id = :t AND source_id = :s AND state <> 'deleted'
            """
        ),
        {"t": source.tenant_id, "s": source.id},
    ).one()
    job = session.exec(
        select(Job)
        .where(col(Job.tenant_id) == source.tenant_id, col(Job.source_id) == source.id)
        .order_by(col(Job.created_at).desc())
        .limit(1)
    ).first()
    return {
        "id": source.id,
        "name": source.name,
        "kind": source.kind,
        "config": shown_config(source.config),
        "owner": source.owner,
        "schedule": source.schedule,
        "freshness": {
            **{name: _text(getattr(source, f"{name}_s")) for name in ("review_every", "stale_after", "expire_after")},
            "in_search": {state: source.in_search.get(state, "keep") for state in AGED},
        },
        "acl_max_age": _text(source.acl_max_age_s),
        "acl_read_at": rfc3339(source.acl_read_at),
        "deletion_guard": source.deletion_guard,
        "access_schedule": source.access_schedule,
        "next_access_at": rfc3339(source.next_access_at),
        "priority": source.priority,
        "data_class": source.data_class,
        "failing": failing(source),
        "state": source.state,
        "documents": dict(zip(("live", "pending", "quarantined", "readable_by_nobody"), counts, strict=True)),
        "last_job": _job(session, job) if job else None,
        "next_sync_at": rfc3339(source.next_sync_at),
        "created_at": rfc3339(source.created_at),
    }


def _job(session: Session, job: Job) -> Json:
    """With what keeps its scan from coming to its end, or did: nobody should have to look for that."""
    query = select(Stage.problem).where(
        col(Stage.tenant_id) == job.tenant_id, col(Stage.job_id) == job.id, col(Stage.name) == "scan"
    )
    found = session.exec(query).first() if job.state != "succeeded" else None
    problem = {"reason": found.get("reason"), "detail": found.get("detail")} if found else None
    return {"job_id": job.id, "state": job.state, "created_at": rfc3339(job.created_at), "problem": problem}


def _not_kept(asked: InSearchIn) -> Json:
    """What differs from keeping everything: a search looks no further at a source with nothing of that."""
    return {state: treatment for state, treatment in asked.model_dump().items() if treatment != "keep"}


def _seconds(text: str | None, field: str) -> int | None:
    return int(duration(text, field=field).total_seconds()) if text is not None else None


def _text(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
