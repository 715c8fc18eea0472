"""`/v1/approvals`: answers that a person approves before their asker reads them (scope review, acting for a user)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, TypeAdapter

from acl.caller import Asker, Caller, scope
from retrieval import examples
from retrieval.api.requests import ALWAYS, Cursor, Id, Limit, Position, ServicesDep, decode_cursor, encode_cursor
from retrieval.approvals import decide, opened, queue
from retrieval.approvals.edit import edit
from retrieval.schemas.approvals import (
    QUEUE,
    REVIEW,
    EditRequest,
    Queue,
    RejectRequest,
    ReleaseRequest,
    Review,
    Waiting,
)
from retrieval.types import Status
from vouch.core.errors import (
    ActsForNobody,
    AlreadyClaimed,
    AlreadyDecided,
    Conflict,
    EditRefused,
    InvalidInput,
    NotClaimed,
    NotFound,
    UnknownField,
)
from vouch.serving.responses import problems

router = APIRouter(prefix="/approvals", tags=["approvals"])
_AT: TypeAdapter[tuple[AwareDatetime, Position] | None] = TypeAdapter(tuple[AwareDatetime, Position] | None)
_TAKEN = (AlreadyClaimed, AlreadyDecided)
_DECIDED = (*ALWAYS, NotFound, InvalidInput, UnknownField, Conflict, NotClaimed, *_TAKEN)


async def reviewing(caller: Annotated[Caller, Depends(scope("review"))]) -> Asker:
    """Dependency: the caller acts for a user and may review answers."""
    if caller.user is None:
        raise ActsForNobody("A review is somebody's: send X-Vouch-As, or use a key that is bound to a user.")
    return Asker(caller.tenant, caller.user, caller.key_id, caller.expires_at)


Reviewer = Annotated[Asker, Depends(reviewing)]


@router.get("", responses={**problems(*ALWAYS, InvalidInput), **examples.of(QUEUE)}, summary="The queue, oldest first")
def list_approvals(
    reviewer: Reviewer,
    services: ServicesDep,
    state: Annotated[Status, Query(description="Those that wait, or what became of others.")] = "awaiting_review",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Queue:
    """Answers that others asked for, and only those made from documents all of which you may read now."""
    after = decode_cursor(cursor, _AT, None)
    page = queue.listed(services.catalog, reviewer, state, limit=limit, after=after)
    end = None if page.next is None else [page.next[0].isoformat(), page.next[1]]
    return Queue(approvals=[Waiting.of(row) for row in page.rows], next_cursor=encode_cursor(end))


@router.get(
    "/{approval_id}",
    responses={**problems(*ALWAYS, NotFound), **examples.of(REVIEW)},
    summary="An answer to decide about",
)
def get_approval(reviewer: Reviewer, services: ServicesDep, approval_id: Id) -> Review:
    """By the answer's id: what was asked and by whom, the text with its claims and quotes, and what it said before."""
    return Review.about(opened.read(services.catalog, reviewer, approval_id))


@router.post(
    "/{approval_id}/claim",
    responses={**problems(*ALWAYS, NotFound, *_TAKEN), **examples.of(REVIEW)},
    summary="Claim an answer",
)
def post_claim(reviewer: Reviewer, services: ServicesDep, approval_id: Id) -> Review:
    """Nobody else decides about it for a while. Claimed again, the while begins anew; once it is over, others may."""
    return Review.about(queue.claim(services, reviewer, approval_id))


@router.post(
    "/{approval_id}/edit",
    responses={**problems(*_DECIDED, EditRefused), **examples.of(REVIEW)},
    summary="Put other claims in their place",
)
def post_edit(reviewer: Reviewer, services: ServicesDep, approval_id: Id, body: EditRequest) -> Review:
    """All claims of the answer, each with citations that it has or new quotes of documents that it cites. They are
    checked as a model's are, and refused with the field and the reason. Releases nothing; what it said first is kept.
    """
    return Review.about(edit(services, reviewer, approval_id, body.version, body.edited()))


@router.post(
    "/{approval_id}/release",
    responses={**problems(*_DECIDED), **examples.of(REVIEW)},
    summary="Let its asker read it",
)
def post_release(reviewer: Reviewer, services: ServicesDep, approval_id: Id, body: ReleaseRequest) -> Review:
    """Of an answer that you have claimed, in the version that you have read. Its asker reads it while they may read all
    that it was made from."""
    return Review.about(decide.release(services, reviewer, approval_id, body.version))


@router.post(
    "/{approval_id}/reject",
    responses={**problems(*_DECIDED), **examples.of(REVIEW)},
    summary="Keep it from its asker",
)
def post_reject(reviewer: Reviewer, services: ServicesDep, approval_id: Id, body: RejectRequest) -> Review:
    """For good, and with a reason, which they are told."""
    return Review.about(decide.reject(services, reviewer, approval_id, body.version, body.reason))
