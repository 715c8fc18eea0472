"""`/v1/sources/{id}/documents`: pushing documents, their access, and deleting them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ingestion import push as pushing
from ingestion.api.requests import ServicesDep, SourcesCaller
from ingestion.schemas import AccessIn, AuthzToken, ClauseIn, DocumentIn, PushedJob, acl_of
from ingestion.sources import find_source
from vouch.catalog.epoch import token
from vouch.core import types
from vouch.core.errors import Conflict, DocumentRejected, Forbidden, InvalidInput, NotFound, PayloadTooLarge
from vouch.core.types import principal_name
from vouch.serving.problems import invalid
from vouch.serving.responses import problems

router = APIRouter(prefix="/sources/{source_id}/documents", tags=["documents pushed"])
_ERRORS = problems(Forbidden, NotFound, Conflict, InvalidInput)
_CLAUSES: TypeAdapter[list[ClauseIn]] = TypeAdapter(list[ClauseIn])
_FORM_TEXTS = ("title", "mime", "uri", "owner", "modified_at")


@router.put(
    "/{external_id:path}/access",
    responses=_ERRORS,
)
def put_access(
    source_id: str, external_id: str, body: AccessIn, caller: SourcesCaller, services: ServicesDep
) -> AuthzToken:
    """Replace the document's clauses. Holds for the next request; embeds nothing."""
    with services.catalog.reading() as session:
        source = find_source(session, caller.tenant, source_id)
    epoch = pushing.set_access(services, source, external_id, acl_of(body), actor=caller.actor)
    return AuthzToken(authz_token=token(caller.tenant, epoch))


@router.put(
    "/{external_id:path}",
    status_code=202,
    responses={**_ERRORS, **problems(PayloadTooLarge, DocumentRejected)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": DocumentIn.model_json_schema()},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {"type": "string", "format": "binary"},
                            "access": {"type": "string", "description": "clauses, as JSON"},
                            **{name: {"type": "string"} for name in _FORM_TEXTS},
                        },
                    }
                },
            },
        }
    },
)
async def put_document(
    source_id: str, external_id: str, request: Request, caller: SourcesCaller, services: ServicesDep
) -> PushedJob:
    """Send one document as JSON or as multipart (`file`, `access` as JSON, and the other fields).

    The document replaces the one with the same id; the earlier version is shown until this one is searchable.
    """
    document, data = await _read(request)
    return await run_in_threadpool(_push, source_id, external_id, (document, data), caller, services)


@router.delete("/{external_id:path}", responses=_ERRORS)
def delete_document(source_id: str, external_id: str, caller: SourcesCaller, services: ServicesDep) -> AuthzToken:
    """Delete the document, its chunks, its vectors, and quotes of it. Gone for the next request."""
    with services.catalog.reading() as session:
        source = find_source(session, caller.tenant, source_id)
    epoch = pushing.remove(services, source, external_id, actor=caller.actor)
    return AuthzToken(authz_token=token(caller.tenant, epoch))


def _push(
    source_id: str,
    external_id: str,
    sent: tuple[DocumentIn, bytes],
    caller: SourcesCaller,
    services: ServicesDep,
) -> PushedJob:
    document, data = sent
    with services.catalog.reading() as session:
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
    return PushedJob(job_id=job_id, authz_token=token(caller.tenant, epoch) if epoch is not None else None)


async def _read(request: Request) -> tuple[DocumentIn, bytes]:
    """The document and its bytes, from either kind of body."""
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            document = DocumentIn.model_validate_json(await request.body())
            return document, document.content()
        async with request.form(max_files=1, max_fields=20) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidInput("a multipart push carries the document in the part `file`", field="file")
            fields = {name: form[name] for name in _FORM_TEXTS if name in form}
            access = form.get("access")
            clauses = _CLAUSES.validate_json(access) if isinstance(access, str) else None
            document = DocumentIn.model_validate(
                {"mime": file.content_type, **fields, "content_base64": "", "access": clauses}
            )
            return document, await file.read()
    except ValidationError as error:
        raise invalid(error.errors()) from error
