"""Searching and asking."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, Depends, Request

from acl.watch import Watched
from retrieval import examples, pipeline
from retrieval.api.requests import ALWAYS, ServicesDep, Who
from retrieval.export import PARENT
from retrieval.guard import guard_input
from retrieval.profiles.shadow import WORKFLOW
from retrieval.query import understand_question
from retrieval.schemas import AnswerResponse, AskRequest, SearchRequest, SearchResponse
from retrieval.stream import answer_stream
from retrieval.walks import limiter
from vouch.core.errors import (
    EmptyQuestion,
    IndexUnavailable,
    InvalidInput,
    ModelUnavailable,
    ModelWithheld,
    NotFound,
    QuestionTooLong,
    ReleaseBroken,
    UnknownField,
)
from vouch.serving.responses import problems


async def _continuing(request: Request) -> None:  # async, so that what it sets is there for the route itself
    """Dependency: spans of the question go below the caller's, where it says that it has one."""
    PARENT.set(request.headers.get("traceparent"))


router = APIRouter(tags=["ask"], dependencies=[Depends(_continuing)])

_ASKED = (*ALWAYS, EmptyQuestion, QuestionTooLong, UnknownField, InvalidInput, IndexUnavailable)


@router.post(
    "/search", responses={**problems(*_ASKED, NotFound), **examples.of(examples.SEARCH)}, summary="Find passages"
)
def search(asker: Who, services: ServicesDep, body: SearchRequest) -> SearchResponse:
    """The passages that you may read and that fit the query best; with filters alone, the newest documents.

    A query takes `"phrases"`, `-words` to leave out, and `source:`, `type:`, `owner:`, `language:`, `before:` and
    `after:`. With `like`, what is like a document. With `facets`, how many documents fit.
    """
    return SearchResponse.of(pipeline.search(services, asker, body.question()))


@router.post(
    "/ask",
    response_model=AnswerResponse,
    responses={
        **problems(*_ASKED, ModelUnavailable, ModelWithheld, ReleaseBroken),
        **examples.of(examples.ANSWER, examples.STREAM),
    },
    summary="Ask a question",
)
async def ask(asker: Who, services: ServicesDep, body: AskRequest, request: Request) -> AnswerResponse | Watched:
    """An answer whose every claim cites a passage that you may read, or an abstention that says what was missing.

    With `stream`, server-sent events: `step` as each stage begins, `token` with a verified sentence, `citation`
    with what it cites, `answer` with the whole, or `error`. Filters and phrases narrow the evidence as in a search.

    Where a person approves answers first, the `status` is `awaiting_review`, and nothing of the answer is told: it is
    read later, at `GET /v1/answers/{answer_id}`.
    """
    question = guard_input(body.as_question(), field="question")
    understand_question(question, field="question")
    if body.profile is not None:
        services.profiles.require(body.profile, services.gateway, field="profile")
    if body.workflow == WORKFLOW:
        raise InvalidInput(f"{WORKFLOW} is what shadows are accounted for under.", field="workflow")
    if body.stream:
        return answer_stream(request.app.state.watch, services, asker, question, body.profile)
    released, trace_id = await anyio.to_thread.run_sync(
        pipeline.ask, services, asker, question, body.profile, limiter=limiter()
    )
    return AnswerResponse.of(released, trace_id, question.conversation_id)
