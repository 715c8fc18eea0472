"""Reading in an emergency, and what the owners of documents are told of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from acl import break_glass
from acl.caller import Asker, Caller, calling, scope
from acl.notify import mark_seen
from acl.resolve import resolve
from retrieval import examples
from retrieval.api.requests import ALWAYS, Id, ServicesDep, Who
from retrieval.break_glass import inbox, read_document, read_text
from retrieval.schemas.break_glass import BreakGlassRequest, Grant, GrantPage, Told, ToldPage
from retrieval.schemas.responses import DocumentResponse, TextResponse
from vouch.core.errors import ActsForNobody, Forbidden, InvalidInput, NotFound, UnknownField
from vouch.serving.responses import problems

router = APIRouter()

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{1,64}$")]


async def breaking(caller: Annotated[Caller, Depends(scope(break_glass.SCOPE))]) -> Asker:
    """Dependency: the caller acts for a user and may read in an emergency."""
    if caller.user is None:
        raise ActsForNobody("Break-glass needs a user who answers for it: send X-Vouch-As.")
    return Asker(caller.tenant, caller.user, caller.key_id, caller.expires_at)


async def concerned(caller: Annotated[Caller, Depends(calling)]) -> Caller:
    """Dependency: an administrator, or a user who may read in an emergency."""
    if "admin" in caller.scopes or (break_glass.SCOPE in caller.scopes and caller.user is not None):
        return caller
    raise Forbidden("The key lacks the scope break_glass, or acts for no user.")


Breaker = Annotated[Asker, Depends(breaking)]
Concerned = Annotated[Caller, Depends(concerned)]


@router.post(
    "/break-glass",
    tags=["break-glass"],
    status_code=201,
    responses={
        **problems(*ALWAYS, NotFound, InvalidInput, UnknownField),
        **examples.of(examples.GRANT, status=201),
    },
    summary="Open a document in an emergency",
)
def post_break_glass(asker: Breaker, services: ServicesDep, body: BreakGlassRequest) -> Grant:
    """One document, for the user of the request, for so many minutes. On the audit log, and told to its owner."""
    row = break_glass.grant(services.catalog, asker, body.document_id, reason=body.reason, minutes=body.minutes)
    return Grant.of(row)


@router.get(
    "/break-glass",
    tags=["break-glass"],
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.GRANTS)},
    summary="Grants, newest first",
)
def list_break_glass(caller: Concerned, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> GrantPage:
    """An administrator sees all, others their own."""
    with services.catalog.reading(caller.tenant) as session:
        rows = break_glass.grants(session, caller, limit=limit + 1, before=cursor)
        shown = [Grant.of(row) for row in rows[:limit]]
    return GrantPage(grants=shown, next_cursor=shown[-1].id if len(rows) > limit else None)


@router.delete(
    "/break-glass/{grant_id}",
    tags=["break-glass"],
    status_code=204,
    responses=problems(*ALWAYS, NotFound),
    summary="End a grant",
)
def end_break_glass(caller: Concerned, services: ServicesDep, grant_id: Id) -> None:
    """With the next request. One's own, or any as an administrator."""
    with services.catalog.transaction(caller.tenant) as session:
        break_glass.end(session, caller, grant_id)


@router.get(
    "/break-glass/{grant_id}/document",
    tags=["break-glass"],
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.DOCUMENT)},
    summary="The document of a grant",
)
def get_opened_document(asker: Breaker, services: ServicesDep, grant_id: Id) -> DocumentResponse:
    """Logged before it is handed out. A grant that is over, or another's, is as missing as one that never was."""
    return DocumentResponse.of(read_document(services, asker, grant_id))


@router.get(
    "/break-glass/{grant_id}/text",
    tags=["break-glass"],
    responses={**problems(*ALWAYS, NotFound, InvalidInput), **examples.of(examples.TEXT)},
    summary="The text of a grant's document",
)
def get_opened_text(
    asker: Breaker,
    services: ServicesDep,
    grant_id: Id,
    start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    end: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> TextResponse:
    """Code points `start` to `end` of the current version, at most a million; logged before they are handed out."""
    return TextResponse.of(read_text(services, asker, grant_id, (start, end)))


@router.get(
    "/notifications",
    tags=["notifications"],
    responses={**problems(*ALWAYS, InvalidInput), **examples.of(examples.NOTIFICATIONS)},
    summary="What you should know of",
)
def list_notifications(
    asker: Who,
    services: ServicesDep,
    unseen: Annotated[bool, Query(description="Only those not marked as seen.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ToldPage:
    """Newest first. What they say of a document is decided now: its title only while you may read it."""
    found = inbox(services.catalog, asker, unseen=unseen, limit=limit + 1, before=cursor)
    shown = [Told.of(notice) for notice in found[:limit]]
    return ToldPage(notifications=shown, next_cursor=shown[-1].id if len(found) > limit else None)


@router.post(
    "/notifications/{notification_id}/seen",
    tags=["notifications"],
    status_code=204,
    responses=problems(*ALWAYS, NotFound),
    summary="Mark a notification as seen",
)
def post_seen(asker: Who, services: ServicesDep, notification_id: Id) -> None:
    """One of your own; another's is as missing as one that never was."""
    with services.catalog.transaction(asker.tenant) as session:
        resolve(session, asker.tenant, asker.user)
        mark_seen(session, asker, notification_id)
