"""`/v1/sources` and `/v1/connectors`: what is read, and how."""

from __future__ import annotations

from fastapi import APIRouter
from sqlmodel import col, select

from acl.audit import record
from acl.caller import require_scope
from connectors.registry import connector_kinds
from ingestion import jobs, sources
from ingestion.api.requests import Cursor, Id, Limit, ServicesDep, SourcesCaller, decode_cursor, encode_cursor
from ingestion.schemas import ConnectorList, JobRef, SourceIn, SourceOut, SourcePage, SourcePatch, SyncIn
from vouch.catalog.tables import Source
from vouch.core.errors import BadConfig, Conflict, Forbidden, InvalidInput, NotFound
from vouch.core.types import Json
from vouch.serving.responses import problems

router = APIRouter(tags=["sources"])


@router.get("/connectors", responses=problems(Forbidden))
def connectors(_: SourcesCaller) -> ConnectorList:
    """The kinds of source there are, each with the JSON Schema of its config."""
    kinds = [
        {
            "kind": kind,
            "description": (connector.__doc__ or "").strip().partition("\n")[0],
            "config_schema": connector.Config.model_json_schema(),
        }
        for kind, connector in sorted(connector_kinds().items())
    ]
    return ConnectorList.model_validate({"connectors": kinds})


@router.post("/sources", status_code=201, responses=problems(Forbidden, BadConfig, InvalidInput, Conflict))
def create_source(body: SourceIn, caller: SourcesCaller, services: ServicesDep) -> SourceOut:
    """Register a source. Its config is checked before anything is kept."""
    with services.catalog.transaction(caller.tenant) as session:
        source = sources.create(session, caller.tenant, body, services.settings)
        if source.issuer is not None:  # it will say who is in that issuer's groups
            require_scope(caller, "directory")
        shown = SourceOut.model_validate(sources.shown(session, source))
        told = {"name": source.name, "kind": source.kind, "data_class": source.data_class}
        record(session, caller, "source.create", f"source:{source.id}", told)
    return shown


@router.get("/sources", responses=problems(Forbidden, InvalidInput))
def list_sources(caller: SourcesCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> SourcePage:
    """Sources by name."""
    after = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        rows = session.exec(
            select(Source)
            .where(col(Source.tenant_id) == caller.tenant, col(Source.state) != "deleting", col(Source.name) > after)
            .order_by(col(Source.name))
            .limit(limit + 1)
        ).all()
        shown = [sources.shown(session, row) for row in rows[:limit]]
    more = encode_cursor(rows[limit - 1].name) if len(rows) > limit else None
    return SourcePage.model_validate({"sources": shown, "next_cursor": more})


@router.get("/sources/{source_id}", responses=problems(Forbidden, NotFound))
def get_source(source_id: Id, caller: SourcesCaller, services: ServicesDep) -> SourceOut:
    """One source, by id or by name."""
    with services.catalog.reading(caller.tenant) as session:
        source = sources.find_source(session, caller.tenant, source_id)
        return SourceOut.model_validate(sources.shown(session, source))


@router.patch("/sources/{source_id}", responses=problems(Forbidden, NotFound, BadConfig, InvalidInput))
def change_source(source_id: Id, body: SourcePatch, caller: SourcesCaller, services: ServicesDep) -> SourceOut:
    """Change what is given; pause or resume with `state`."""
    with services.catalog.transaction(caller.tenant) as session:
        source = sources.find_source(session, caller.tenant, source_id, lock=True)
        before, data_class = source.issuer, source.data_class
        sources.change(session, source, body, actor=caller.actor, settings=services.settings)
        if "config" in body.model_fields_set and (before, source.issuer) != (None, None):
            require_scope(caller, "directory")
        session.flush()
        shown = SourceOut.model_validate(sources.shown(session, source))
        told: Json = {"fields": sorted(body.model_fields_set)}
        if data_class != source.data_class:  # what may be sent to whom: the log tells from what to what
            told |= {"data_class": source.data_class, "before": data_class}
        record(session, caller, "source.change", f"source:{source.id}", told)
    return shown


@router.delete("/sources/{source_id}", status_code=204, responses=problems(Forbidden, NotFound))
def delete_source(source_id: Id, caller: SourcesCaller, services: ServicesDep) -> None:
    """Delete a source with its documents, chunks, vectors and blobs. Nothing of it is found from now on."""
    with services.catalog.transaction(caller.tenant) as session:
        source = sources.find_source(session, caller.tenant, source_id, lock=True)
        name = source.name  # deleting frees it
        sources.delete(session, source, actor=caller.actor)
        record(session, caller, "source.delete", f"source:{source.id}", {"name": name})
    services.ring_projector()


@router.post(
    "/sources/{source_id}/syncs", status_code=202, responses=problems(Forbidden, NotFound, InvalidInput, Conflict)
)
def sync(source_id: Id, body: SyncIn, caller: SourcesCaller, services: ServicesDep) -> JobRef:
    """Start a sync; one that is under way already is answered with its job."""
    with services.catalog.transaction(caller.tenant) as session:
        source = sources.find_source(session, caller.tenant, source_id)
        job_id, stage_id = jobs.start_sync(session, source, body.kind, confirm_deletions=body.confirm_deletions)
        told = {"job": job_id, "kind": body.kind, "confirm_deletions": body.confirm_deletions}
        record(session, caller, "sync.start", f"source:{source.id}", told)
    services.ring("scan", [stage_id] if stage_id else [])
    return JobRef(job_id=job_id)
