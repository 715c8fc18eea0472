"""Who may read what, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field, TypeAdapter

from acl.audit import record_reading
from acl.changes import Between, changes, documents_moved, readers_moved
from acl.explain import explain
from acl.readers import Page, readable, readers
from acl.replay import replay
from retrieval import examples
from retrieval.api.requests import (
    ALWAYS,
    AdminCaller,
    Cursor,
    Id,
    Limit,
    Position,
    ServicesDep,
    decode_cursor,
    encode_cursor,
    possible,
)
from retrieval.schemas import ChangesResponse, ExplainResponse, Moved, ReadableResponse, ReadersResponse, ReplayResponse
from vouch.catalog import epoch as epochs
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.types import Json, principal_name
from vouch.serving.responses import problems

router = APIRouter(tags=["access"])

User = Annotated[str, Query(examples=["user:alice"])]
DocumentId = Annotated[str, Query(), AfterValidator(possible)]
Epoch = Annotated[int, Field(ge=1, le=2**62)]
_ID = TypeAdapter(Position)
_Change = tuple[Annotated[int, Field(ge=0, le=2**62)], Position, Position, Position]
_CHANGES: TypeAdapter[tuple[_Change | None, Position | None]] = TypeAdapter(tuple[_Change | None, Position | None])
_ERRORS = problems(*ALWAYS, NotFound, InvalidInput)
_END: Json = {"next": None}


def _perhaps(value: str | None) -> str | None:
    return None if value is None else possible(value)


@router.get(
    "/access/explain",
    responses={**_ERRORS, **examples.of(examples.EXPLAIN)},
    summary="Why a user may or may not read a document",
)
def get_explanation(
    caller: AdminCaller,
    services: ServicesDep,
    user: User,
    document: DocumentId,
) -> ExplainResponse:
    """The decision, with every clause and the membership path behind each match. Needs the scope `admin`."""
    name = principal_name(user, kind="user", field="user")
    with services.catalog.reading(caller.tenant) as session:
        found = explain(session, caller.tenant, name, document)
    told = {"user": name, "decision": found["decision"], "epoch": found["epoch"]}
    record_reading(services.catalog, caller, "access.explain", f"document:{document}", told)
    return ExplainResponse(**found)


@router.get(
    "/access/readers", responses={**_ERRORS, **examples.of(examples.READERS)}, summary="Who may read a document"
)
def get_readers(
    caller: AdminCaller, services: ServicesDep, document: DocumentId, limit: Limit = 100, cursor: Cursor = None
) -> ReadersResponse:
    """The users who may read it now, by order of id, each with the principals that let them in.

    A page is of one state of access, whose `epoch` it names; pages of different epochs are of different states.
    """
    page = Page(decode_cursor(cursor, _ID, ""), limit)
    with services.catalog.reading(caller.tenant) as session:
        found = readers(session, caller.tenant, document, page)
    told = {"epoch": found["epoch"], "users": len(found["readers"])}
    record_reading(services.catalog, caller, "access.readers", f"document:{document}", told)
    return ReadersResponse(next_cursor=encode_cursor(found.pop("next")), **found)


@router.get("/access/readable", responses={**_ERRORS, **examples.of(examples.READABLE)}, summary="What a user may read")
def get_readable(
    caller: AdminCaller, services: ServicesDep, user: User, limit: Limit = 100, cursor: Cursor = None
) -> ReadableResponse:
    """The documents that the user may read now, by order of id: ids alone. Pages as for readers."""
    name = principal_name(user, kind="user", field="user")
    page = Page(decode_cursor(cursor, _ID, ""), limit)
    with services.catalog.reading(caller.tenant) as session:
        found = readable(session, caller.tenant, name, page)
    told = {"epoch": found["epoch"], "count": len(found["documents"])}
    record_reading(services.catalog, caller, "access.readable", name, told)
    return ReadableResponse(next_cursor=encode_cursor(found.pop("next")), **found)


@router.get(
    "/access/changes",
    responses={**_ERRORS, **examples.of(examples.CHANGES)},
    summary="What changed between two states of access",
)
def get_changes(
    caller: AdminCaller,
    services: ServicesDep,
    first: Annotated[Epoch, Query(alias="from", description="An epoch, as `explain` names it.")],
    last: Annotated[Epoch | None, Query(alias="to", description="A later epoch; the newest unless given.")] = None,
    user: Annotated[str | None, Query(description="List the documents that this user gained and lost.")] = None,
    document: Annotated[
        str | None, Query(description="List the readers that this document gained and lost."), AfterValidator(_perhaps)
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ChangesResponse:
    """Everything that changed after the state `from`, up to the state `to`: by whom, and which users, memberships and
    documents. What was gained and lost goes by the access rules alone: not by their age, nor by what was published.
    """
    if user is not None and document is not None:
        raise InvalidInput("ask about a user or about a document", field="document")
    name = None if user is None else principal_name(user, kind="user", field="user")
    after, moved_after = decode_cursor(cursor, _CHANGES, ((0, "", "", ""), ""))
    with services.catalog.reading(caller.tenant) as session:
        between = Between(first, last or epochs.current(session, caller.tenant), limit)
        page = changes(session, caller.tenant, between, after) if after else _END
        moved = _END
        if name is not None and moved_after is not None:
            moved = documents_moved(session, caller.tenant, name, between, moved_after)
        elif document is not None and moved_after is not None:
            moved = readers_moved(session, caller.tenant, document, between, moved_after)
    told = {"from": between.first, "to": between.last}
    subject = name or (f"document:{document}" if document else "access")
    record_reading(services.catalog, caller, "access.changes", subject, told)
    following = (page["next"], moved["next"])
    return ChangesResponse(
        from_epoch=between.first,
        to_epoch=between.last,
        changes=page.get("changes", []),
        moved=[Moved.of(row, user=name, document_id=document) for row in moved.get("moved", [])],
        next_cursor=encode_cursor(following if any(following) else None),
    )


@router.get(
    "/answers/{answer_id}/replay",
    responses={**_ERRORS, **examples.of(examples.REPLAY)},
    summary="Why an answer was allowed",
)
def get_replay(caller: AdminCaller, services: ServicesDep, answer_id: Id) -> ReplayResponse:
    """For each version that the answer was made from: why its asker was allowed to read it then, recomputed from the
    history of access, and whether they are now. Neither the question nor any text.

    `then` is `unprovable` where the kept proof, the history and the audit log do not agree.
    """
    with services.catalog.reading(caller.tenant) as session:
        found = replay(session, caller.tenant, answer_id)
    told = {"then": found["then"], "now": found["now"], "user": found["user"]}
    record_reading(services.catalog, caller, "answer.replay", f"answer:{answer_id}", told)
    return ReplayResponse(**found)
