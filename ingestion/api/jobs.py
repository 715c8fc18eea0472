"""`/v1/jobs`: what a sync is doing, live; cancel; retry."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator
from sqlmodel import Session, col, select
from sse_starlette.sse import EventSourceResponse

from acl.audit import record
from acl.caller import require_standing
from acl.watch import Watched
from ingestion import jobs
from ingestion.api.requests import Cursor, Id, Limit, ServicesDep, SourcesCaller, decode_cursor, encode_cursor, possible
from ingestion.schemas import JobOut, JobPage, JobRef
from ingestion.services import Services
from vouch.catalog.tables import Job
from vouch.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from vouch.core.types import Json
from vouch.serving.responses import problems

router = APIRouter(prefix="/jobs", tags=["jobs"])
_EVERY_S = 0.3
_STREAM = (
    'event: progress\ndata: {"state": "running", "counts": {"seen": 12}, …}\n\n'
    'event: end\ndata: {"state": "succeeded", …}\n\n'
)


def _view(services: Services, tenant: str, job_id: str) -> Json:
    with services.catalog.reading(tenant) as session:
        return jobs.view(session, jobs.find_job(session, tenant, job_id))


@router.get("", responses=problems(Forbidden, InvalidInput))
def list_jobs(
    caller: SourcesCaller,
    services: ServicesDep,
    source_id: Annotated[str | None, Query(max_length=100), AfterValidator(possible)] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> JobPage:
    """Jobs, newest first."""
    before = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        query = select(Job).where(col(Job.tenant_id) == caller.tenant).order_by(col(Job.id).desc()).limit(limit + 1)
        if source_id is not None:
            query = query.where(col(Job.source_id) == source_id)
        if before:
            query = query.where(col(Job.id) < before)
        rows = session.exec(query).all()
        shown = [jobs.view(session, row) for row in rows[:limit]]
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return JobPage.model_validate({"jobs": shown, "next_cursor": more})


@router.get("/{job_id}", responses=problems(Forbidden, NotFound))
def get_job(job_id: Id, caller: SourcesCaller, services: ServicesDep) -> JobOut:
    """State, counts, progress per stage, and every document that failed with its reason."""
    return JobOut.model_validate(_view(services, caller.tenant, job_id))


@router.get(
    "/{job_id}/events",
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}}},
        **problems(Forbidden, NotFound),
    },
    response_class=EventSourceResponse,
)
async def events(job_id: Id, caller: SourcesCaller, services: ServicesDep, request: Request) -> Watched:
    """Server-sent events: `progress` whenever something moved, then `end` with the final state.

    `error` ends it when the job goes with its source, or who watches may no longer.
    """

    def look() -> Json:
        return _view(services, caller.tenant, job_id)

    def check(session: Session) -> None:
        require_standing(session, caller)
        jobs.find_job(session, caller.tenant, job_id)

    first = await anyio.to_thread.run_sync(look)
    stopping = anyio.Event()

    async def stream() -> AsyncIterator[dict[str, str]]:
        shown, sent = first, ""
        while not (stopping.is_set() or await request.is_disconnected()):
            text = json.dumps(shown)
            ended = shown["state"] not in jobs.OPEN
            if text != sent:
                yield {"event": "end" if ended else "progress", "data": text}
                sent = text
            if ended:
                return
            await anyio.sleep(_EVERY_S)
            shown = await anyio.to_thread.run_sync(look)

    # When the server stops the stream ends whole, without `end`: the job goes on, and who watches asks again.
    events = EventSourceResponse(
        stream(), headers={"Cache-Control": "no-store"}, shutdown_event=stopping, shutdown_grace_period=1.0
    )
    return Watched(request.app.state.watch, events, caller, check)


@router.post("/{job_id}/cancel", responses=problems(Forbidden, NotFound, Conflict))
def cancel(job_id: Id, caller: SourcesCaller, services: ServicesDep) -> JobOut:
    """End the job. What was published stays; the next sync goes on from there."""
    for tries_left in (2, 1, 0):
        try:
            with services.catalog.transaction(caller.tenant) as session:
                jobs.cancel(session, caller.tenant, job_id)
                record(session, caller, "job.cancel", f"job:{job_id}")
            break
        except Unavailable:  # it met a batch of the job's own scan, and was the one undone
            if not tries_left:
                raise
    return JobOut.model_validate(_view(services, caller.tenant, job_id))


@router.post("/{job_id}/retry", status_code=202, responses=problems(Forbidden, NotFound, Conflict))
def retry(job_id: Id, caller: SourcesCaller, services: ServicesDep) -> JobRef:
    """Try again what failed or was cancelled, and nothing else."""
    ready: dict[str, list[str]] = defaultdict(list)
    with services.catalog.transaction(caller.tenant) as session:
        for name, stage_id in jobs.retry(session, caller.tenant, job_id):
            ready[name].append(stage_id)
        record(session, caller, "job.retry", f"job:{job_id}")
    for name, ids in ready.items():
        services.ring(name, ids)
    return JobRef(job_id=job_id)
