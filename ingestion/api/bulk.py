"""Many documents in one request: newline-delimited JSON in, and for each line what became of it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from acl.caller import Caller
from ingestion.api.documents import push_one
from ingestion.api.requests import Id, ServicesDep, SourcesCaller
from ingestion.schemas import BulkDocumentIn, BulkPushed, PushedLine
from ingestion.services import Services
from ingestion.sources import find_source
from vouch.core.errors import (
    Conflict,
    DocumentRejected,
    Forbidden,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    VouchError,
)
from vouch.serving.problems import WHOLE_BODY, invalid
from vouch.serving.responses import problems

router = APIRouter(tags=["documents of a source"])
MAX_LINES = 1_000
_LINE = BulkDocumentIn.model_json_schema(ref_template="#/components/schemas/{model}")
del _LINE["$defs"]  # ClauseIn stands among the components already
_REFUSED = (InvalidInput, DocumentRejected, Conflict)


@router.post(
    "/sources/{source_id}/documents",
    status_code=207,
    responses=problems(Forbidden, NotFound, InvalidInput, PayloadTooLarge, Unavailable),
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": _LINE}}}},
)
async def push_documents(source_id: Id, request: Request, caller: SourcesCaller, services: ServicesDep) -> BulkPushed:
    """Send up to 1,000 documents, a line of JSON each: what a single push takes, and its `external_id`.

    Each line is taken in for itself, in order, and answered for itself. When the request fails in the middle, send it
    again: what was taken in already is unchanged then.
    """
    lines = [(n, line) for n, line in enumerate((await request.body()).split(b"\n"), 1) if line.strip()]
    if not lines:
        raise InvalidInput("send a line of JSON for each document", field=WHOLE_BODY)
    if len(lines) > MAX_LINES:
        raise PayloadTooLarge(f"At most {MAX_LINES} documents are accepted at once.")
    return await run_in_threadpool(_push_all, source_id, lines, caller, services)


def _push_all(source_id: str, lines: list[tuple[int, bytes]], caller: Caller, services: Services) -> BulkPushed:
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id).id
    return BulkPushed(documents=[_push_line(source, n, line, caller, services) for n, line in lines])


def _push_line(source_id: str, n: int, line: bytes, caller: Caller, services: Services) -> PushedLine:
    external_id: str | None = None
    try:
        try:
            document = BulkDocumentIn.model_validate_json(line)
        except ValidationError as error:
            raise invalid(error.errors()) from error
        external_id = document.external_id
        made = push_one(source_id, external_id, (document, document.content()), caller, services)
    except _REFUSED as error:
        return _refused(n, external_id, error)
    return PushedLine(
        line=n, status=202, external_id=external_id, job_id=made.job_id, authz_token=made.authz_token, problem=None
    )


def _refused(n: int, external_id: str | None, error: VouchError) -> PushedLine:
    return PushedLine(
        line=n, status=error.status, external_id=external_id, job_id=None, authz_token=None, problem=error.problem()
    )
