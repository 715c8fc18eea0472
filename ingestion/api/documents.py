"""`/v1/sources/{id}/documents`: how each came through; pushing documents, their access, and deleting them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ingestion import push as pushing
from ingestion.api.requests import Cursor, Id, Limit, ServicesDep, SourcesCaller, decode_cursor, encode_cursor
from ingestion.schemas import AccessIn, AuthzToken, BulkAccess, DocumentIn, DocumentOut, DocumentPage, PushedJob, acl_of
from ingestion.sources import find_source
from vouch.catalog.epoch import token
from vouch.catalog.tables import Document
from vouch.core import types
from vouch.core.errors import (
    Conflict,
    DocumentRejected,
    Forbidden,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    UnknownField,
)
from vouch.core.types import principal_name
from vouch.serving.problems import WHOLE_BODY, invalid
from vouch.serving.responses import problems

router = APIRouter(prefix="/sources/{source_id}/documents", tags=["documents of a source"])
folders = APIRouter(tags=["documents of a source"])
_ERRORS = problems(Forbidden, NotFound, Conflict, InvalidInput)
State = Literal["pending", "live", "quarantined"]
_FORM_TEXTS = ("title", "mime", "uri", "owner", "modified_at")
_DOCUMENT = DocumentIn.model_json_schema(ref_template="#/components/schemas/{model}")
del _DOCUMENT["$defs"]  # ClauseIn stands among the components already: the access route takes it too


@router.get("", responses=_ERRORS)
def list_documents(
    source_id: Id,
    caller: SourcesCaller,
    services: ServicesDep,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DocumentPage:
    """The source's documents by external id: their state, and why one could not be read. No titles, no content."""
    after = decode_cursor(cursor)
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id)
        query = (
            select(Document)
            .where(
                col(Document.tenant_id) == caller.tenant,
                col(Document.source_id) == source.id,
                col(Document.external_id) > after,
                _in_state(state),
            )
            .order_by(col(Document.external_id))
            .limit(limit + 1)
        )
        rows = session.exec(query).all()
        shown = [DocumentOut.of(row) for row in rows[:limit]]
    more = encode_cursor(shown[-1].external_id) if len(rows) > limit else None
    return DocumentPage(documents=shown, next_cursor=more)


@router.put(
    "/{external_id:path}/access",
    responses=_ERRORS,
)
def put_access(
    source_id: Id, external_id: Id, body: AccessIn, caller: SourcesCaller, services: ServicesDep
) -> AuthzToken:
    """Replace the document's clauses. Holds for the next request; embeds nothing."""
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id)
    epoch = pushing.set_access(services, source, external_id, acl_of(body), actor=caller.actor)
    return AuthzToken(authz_token=token(services.catalog.audit_key, caller.tenant, epoch))


@folders.put("/sources/{source_id}/access", responses=_ERRORS)
def put_access_under(
    source_id: Id,
    prefix: Annotated[
        str, Query(max_length=1000, description="How the external ids begin, such as `handbook/`; empty for all.")
    ],
    body: AccessIn,
    caller: SourcesCaller,
    services: ServicesDep,
) -> BulkAccess:
    """Replace the clauses of every document below a prefix, all at once. Holds for the next request; embeds nothing.

    A document that is sent later has the access that it is sent with."""
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id)
    epoch, documents = pushing.set_access_under(services, source, prefix, acl_of(body), actor=caller.actor)
    return BulkAccess(authz_token=token(services.catalog.audit_key, caller.tenant, epoch), documents=documents)


@router.put(
    "/{external_id:path}",
    status_code=202,
    responses={**_ERRORS, **problems(PayloadTooLarge, DocumentRejected)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _DOCUMENT},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {"type": "string", "format": "binary"},
                            "access": {"type": "string", "description": "clauses, as JSON"},
                            **{name: {"type": "string"} for name in _FORM_TEXTS},
                        },
                    },
                    "example": {
                        "file": "(the bytes of leave.pdf)",
                        "title": "Leave policy",
                        "access": '[{"allow": ["group:hr"]}]',
                    },
                },
            },
        }
    },
)
async def put_document(
    source_id: Id, external_id: str, request: Request, caller: SourcesCaller, services: ServicesDep
) -> PushedJob:
    """Send one document as JSON or as multipart (`file`, `access` as JSON, and the other fields).

    The document replaces the one with the same id; the earlier version is shown until this one is searchable.
    """
    document, data = await _read(request)
    return await run_in_threadpool(push_one, source_id, external_id, (document, data), caller, services)


@router.delete("/{external_id:path}", responses=_ERRORS)
def delete_document(source_id: Id, external_id: Id, caller: SourcesCaller, services: ServicesDep) -> AuthzToken:
    """Delete the document, its chunks, its vectors, and quotes of it. Gone for the next request."""
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id)
    epoch = pushing.remove(services, source, external_id, actor=caller.actor)
    return AuthzToken(authz_token=token(services.catalog.audit_key, caller.tenant, epoch))


def _in_state(state: State | None) -> sa.ColumnElement[bool]:
    """Quarantined is also what has content that could be shown, and access that cannot be followed."""
    row_state, faulty = col(Document.state), col(Document.access_problem).is_not(None)
    if state is None:
        return row_state != "deleted"
    if state == "quarantined":
        return (row_state == state) | faulty & (row_state != "deleted")
    return (row_state == state) & ~faulty


def push_one(
    source_id: str,
    external_id: str,
    sent: tuple[DocumentIn, bytes],
    caller: SourcesCaller,
    services: ServicesDep,
) -> PushedJob:
    """Take in what was sent as ``external_id``. Raises as :func:`ingestion.push.push`."""
    document, data = sent
    with services.catalog.reading(caller.tenant) as session:
        source = find_source(session, caller.tenant, source_id)
    pushed = pushing.Pushed(
        external_id=external_id,
        body=types.Body(data, document.mime or ("text/markdown" if document.text is not None else None)),
        title=document.title,
        uri=document.uri,
        owner=principal_name(document.owner, field="owner") if document.owner else None,
        modified_at=document.modified_at,
        acl=acl_of(document.access),
        supersedes=tuple(document.supersedes),
    )
    job_id, epoch = pushing.push(services, source, pushed, actor=caller.actor)
    return PushedJob(
        job_id=job_id,
        authz_token=token(services.catalog.audit_key, caller.tenant, epoch) if epoch is not None else None,
    )


async def _read(request: Request) -> tuple[DocumentIn, bytes]:
    """The document and its bytes, from either kind of body."""
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            document = DocumentIn.model_validate_json(await request.body())
            return document, document.content()
        async with request.form(max_files=1, max_fields=20) as form:
            parts = dict(form)
            if len(parts) < len(form.multi_items()):
                raise InvalidInput("each part is sent once", field=WHOLE_BODY)
            file = parts.pop("file", None)
            if not isinstance(file, UploadFile):
                raise InvalidInput("a multipart push carries the document in the part `file`", field="file")
            access = _clauses(parts.pop("access", None))
            for name in parts:
                if name not in _FORM_TEXTS:
                    raise UnknownField(f"{name} is not a part here", field=name)
            document = DocumentIn.model_validate(
                {"mime": file.content_type, **parts, "content_base64": "", "access": access}
            )
            return document, await file.read()
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _clauses(sent: UploadFile | str | None) -> Any:
    """The JSON of the part ``access``: None when it was not sent. Its shape is checked with the rest."""
    try:
        return json.loads(sent) if isinstance(sent, str) else sent
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}", field="access") from error
