"""Answers read again, with what belongs to them: citations, feedback, conversations, traces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from acl.caller import Caller, asker_of, calling
from retrieval import examples
from retrieval.answers import give_feedback, read_answer, read_conversation
from retrieval.api.requests import ALWAYS, Id, ServicesDep, Who
from retrieval.schemas import (
    AskedBefore,
    Citation,
    CitationsResponse,
    ConversationResponse,
    FeedbackRequest,
    KeptAnswerResponse,
    TraceResponse,
)
from retrieval.trace import read_trace
from vouch.core.errors import Conflict, InvalidInput, NotFound, UnknownField
from vouch.serving.responses import problems

router = APIRouter(tags=["answers"])


async def following(caller: Annotated[Caller, Depends(calling)]) -> Caller:
    """Dependency: an administrator, or one who may ask and acts for a user."""
    if "admin" not in caller.scopes:
        asker_of(caller)
    return caller


@router.get(
    "/answers/{answer_id}",
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.KEPT_ANSWER)},
    summary="Read an answer of yours again",
)
def get_answer(asker: Who, services: ServicesDep, answer_id: Id) -> KeptAnswerResponse:
    """Decided by today's access: it is there only while you may read everything it was made from.

    What a person has yet to approve says `awaiting_review` and nothing else; what they did not, `rejected`, and why.
    """
    return KeptAnswerResponse.again(read_answer(services.catalog, asker, answer_id))


@router.get(
    "/answers/{answer_id}/citations",
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.CITATIONS)},
    summary="Read an answer's citations",
)
def get_citations(asker: Who, services: ServicesDep, answer_id: Id) -> CitationsResponse:
    """As for the answer, by today's access."""
    kept = read_answer(services.catalog, asker, answer_id)
    return CitationsResponse(citations=[Citation.of(citation) for citation in kept.released.citations])


@router.post(
    "/answers/{answer_id}/feedback",
    status_code=204,
    responses=problems(*ALWAYS, NotFound, InvalidInput, UnknownField, Conflict),
    summary="Say whether an answer helped",
)
def post_feedback(asker: Who, services: ServicesDep, answer_id: Id, body: FeedbackRequest) -> None:
    """A second verdict replaces the first. Only once the answer is released."""
    give_feedback(services.catalog, asker, answer_id, body.helpful, body.comment)


@router.get(
    "/conversations/{conversation_id}",
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.CONVERSATION)},
    summary="Your questions in a conversation",
)
def get_conversation(asker: Who, services: ServicesDep, conversation_id: Id) -> ConversationResponse:
    """The newest 200, in order. Conversations are named within a user: nobody sees another's."""
    rows = read_conversation(services.catalog, asker, conversation_id)
    return ConversationResponse(conversation_id=conversation_id, questions=[AskedBefore.of(row) for row in rows])


@router.get(
    "/traces/{trace_id}",
    responses={**problems(*ALWAYS, NotFound), **examples.of(examples.TRACE)},
    summary="How a question went",
)
def get_trace(caller: Annotated[Caller, Depends(following)], services: ServicesDep, trace_id: Id) -> TraceResponse:
    """For who asked, under today's access. Administrators see what gate 2 refused, and no content."""
    return TraceResponse(**read_trace(services.catalog, caller, trace_id))
