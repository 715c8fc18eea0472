"""Scan: read a source's changes, from where the last scan ended or this one was interrupted, to their end.

What becomes of each change is in :mod:`ingestion.stages.intake`; who is in the source's groups is read first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from acl.mapping import known_issuers
from connectors.protocol import Connector
from ingestion import breaker
from ingestion.sealed import connect
from ingestion.services import Services
from ingestion.stages import resume
from ingestion.stages.intake import Intake, lock_job, save_cursor
from ingestion.stages.memberships import read_memberships
from ingestion.stages.turn import Turn
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Job, Source
from vouch.core import clock
from vouch.core.errors import CursorExpired, NotFound, SourceUnreachable, Unavailable
from vouch.core.types import Change, Json

log = logging.getLogger(__name__)


def scan(services: Services, lease: Lease) -> None:
    """Run the connector over its source, or on over it, until its end or that of its turn.

    Raises what the connector raises; the job then fails with it.
    """
    began = clock.now()
    with services.catalog.transaction(lease.tenant) as session:
        job, source = _begin(session, lease)
        issuers = known_issuers(session, lease.tenant)
        point = resume.load(session, lease)
    connector = connect(services.settings, (source.tenant_id, source.id), source.kind, source.config)
    cursor = source.cursor if job.kind == "incremental" else None
    progress = Intake(services, lease, (source, job), issuers)
    if point is not None:  # access that was read before the interruption is as old as that
        began = job.started_at or began
        progress.go_on(point, anew=connector.lists_everything)
    progress.take_up(anew=connector.lists_everything)
    turn = Turn(services, lease, anew=connector.lists_everything)
    if job.kind != "incremental":
        progress.counts["members_changed"] += read_memberships(services, lease, source, connector, began)
    try:
        ended = progress.read(_read(connector, point.cursor if point else cursor), turn, whole=cursor is None)
    except CursorExpired as expired:
        log.info("source %s is listed whole: %s", source.id, expired.detail)
        with services.catalog.transaction(lease.tenant) as session:
            save_cursor(session, source, cursor := None)
            resume.forget(session, lease)
        progress = Intake(services, lease, (source, job), issuers)
        ended = progress.read(_read(connector, None), turn, whole=True)
    if ended:
        _finish(progress, began, everything=cursor is None or connector.lists_everything)
    services.ring_projector()


def _finish(progress: Intake, began: datetime, *, everything: bool) -> None:
    """The source was read to its end; with ``everything``, what it did not name is gone."""
    services, lease, source, job = progress.services, progress.lease, progress.source, progress.job
    with services.catalog.transaction(lease.tenant) as session:
        breaker.succeeded(session, lease.tenant, lease.job_id)
        row, refused = lock_job(session, lease), None
        if everything:
            refused = progress.delete_unseen(session, confirmed=row.confirm_deletions)
            # What is gone, and stays because too much is, was not read; who is in a source's groups is its access too.
            if refused is None and (source.issuer is None or job.kind != "incremental"):
                _mark_access_read(session, source, began)
        # A sync of access left the content where it was.
        if progress.reached is not None and refused is None and job.kind != "access":
            save_cursor(session, source, progress.reached)
        resume.forget(session, lease)
        ready = progress.try_again(session)
        row.scanned, row.counts, row.problems = True, dict(progress.counts), progress.problems
        session.add(row)
        if refused or progress.rules_broken:  # what could be done is done, and it is no success all the same
            ledger.fail(session, lease, refused)
        else:
            ledger.finish(session, replace(lease, result={}), {"counts": dict(progress.counts)})
    services.ring("fetch", ready)


def _begin(session: Session, lease: Lease) -> tuple[Job, Source]:
    job = lock_job(session, lease)
    source = session.get(Source, (lease.tenant, job.source_id))
    if source is None or source.state == "deleting":
        raise NotFound("The source is gone.")
    job.state, job.started_at = "running", job.started_at or clock.now()
    session.add(job)
    return job, source


def _read(connector: Connector, cursor: Json | None) -> Iterator[Change]:
    """The source's changes. That it does not answer is held against it, unlike a part of ours that is down."""
    try:
        yield from connector.scan(cursor)
    except Unavailable as error:
        raise SourceUnreachable(error.detail, **error.extra) from error


def _mark_access_read(session: Session, source: Source, began: datetime) -> None:
    session.execute(
        sa.update(Source)
        .where(col(Source.tenant_id) == source.tenant_id, col(Source.id) == source.id)
        .values(acl_read_at=began)
    )
