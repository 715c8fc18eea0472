"""The HTTP interface of questions. Routes are thin: read the request, call one function, shape the response.

They run in the server's thread pool, because everything below is plain blocking code.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from acl.caller import Asker, Caller, asking, calling, scope
from acl.explain import explain
from retrieval import examples, pipeline
from retrieval.answers import give_feedback, read_answer, read_conversation
from retrieval.documents import read_document, read_text
from retrieval.generate import choose_profile
from retrieval.guard import clean, guard_input
from retrieval.schemas import (
    AnswerResponse,
    AskedBefore,
    AskRequest,
    Citation,
    CitationsResponse,
    ConversationResponse,
    DocumentResponse,
    ExplainResponse,
    FeedbackRequest,
    KeptAnswerResponse,
    SearchHit,
    SearchRequest,
    SearchResponse,
    TextResponse,
    TraceResponse,
)
from retrieval.services import Services
from retrieval.stream import answer_events
from retrieval.trace import read_trace
from vouch.core.errors import (
    AccessIncomplete,
    ActsForNobody,
    EmptyQuestion,
    Forbidden,
    IndexUnavailable,
    InvalidInput,
    ModelUnavailable,
    NotFound,
    QuestionTooLong,
    StateNotReached,
    Unavailable,
    UnknownField,
)
from vouch.core.types import principal_name
from vouch.serving.problems import install_problems
from vouch.serving.responses import document_problems, problems

LONGEST_ID = 128


def _services(request: Request) -> Services:
    services: Services = request.app.state.retrieval
    return services


def _no_store(response: Response) -> None:
    """What one person may read today is not for caches."""
    response.headers["Cache-Control"] = "no-store"


def _possible(value: str) -> str:
    """An id that cannot be one is as missing as any other."""
    if len(value) > LONGEST_ID or value != clean(value):
        raise NotFound()
    return value


With = Annotated[Services, Depends(_services)]
Who = Annotated[Asker, Depends(asking)]
Id = Annotated[str, Path(), AfterValidator(_possible)]

router = APIRouter(prefix="/v1", dependencies=[Depends(_no_store)])

_ALWAYS = (ActsForNobody, Forbidden, StateNotReached, AccessIncomplete, Unavailable)
_ASKED = (*_ALWAYS, EmptyQuestion, QuestionTooLong, UnknownField, InvalidInput, IndexUnavailable)


@router.post(
    "/search", tags=["ask"], responses={**problems(*_ASKED), **examples.of(examples.SEARCH)}, summary="Find passages"
)
def search(asker: Who, services: With, body: SearchRequest) -> SearchResponse:
    """The passages that you may read and that fit the query best."""
    hits, trace_id = pipeline.search(services, asker, body.question())
    return SearchResponse(hits=[SearchHit.of(hit) for hit in hits], trace_id=trace_id)


@router.post(
    "/ask",
    tags=["ask"],
    response_model=AnswerResponse,
    responses={**problems(*_ASKED, ModelUnavailable), **examples.of(examples.ANSWER, examples.STREAM)},
    summary="Ask a question",
)
def ask(asker: Who, services: With, body: AskRequest) -> AnswerResponse | StreamingResponse:
    """An answer whose every claim cites a passage that you may read, or an abstention that says what was missing.

    With `stream`, server-sent events: `step` as each stage begins, `token` with a verified sentence, `citation`
    with what it cites, `answer` with the whole, or `error`.
    """
    question = guard_input(body.as_question(), field="question")
    choose_profile(services, body.profile)
    if body.stream:
        events = answer_events(services, asker, question, body.profile)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)
    released, trace_id = pipeline.ask(services, asker, question, body.profile)
    return AnswerResponse.of(released, trace_id, question.conversation_id)


@router.get(
    "/answers/{answer_id}",
    tags=["answers"],
    responses={**problems(*_ALWAYS, NotFound), **examples.of(examples.KEPT_ANSWER)},
    summary="Read an answer of yours again",
)
def get_answer(asker: Who, services: With, answer_id: Id) -> KeptAnswerResponse:
    """Decided by today's access: it is there only while you may read everything it was made from."""
    kept = read_answer(services.catalog, asker, answer_id)
    again = AnswerResponse.of(kept.released, kept.row.trace_id, kept.row.conversation_id)
    return KeptAnswerResponse(**dict(again), question=kept.row.question, created_at=kept.row.created_at)


@router.get(
    "/answers/{answer_id}/citations",
    tags=["answers"],
    responses={**problems(*_ALWAYS, NotFound), **examples.of(examples.CITATIONS)},
    summary="Read an answer's citations",
)
def get_citations(asker: Who, services: With, answer_id: Id) -> CitationsResponse:
    """As for the answer, by today's access."""
    kept = read_answer(services.catalog, asker, answer_id)
    return CitationsResponse(citations=[Citation.of(citation) for citation in kept.released.citations])


@router.post(
    "/answers/{answer_id}/feedback",
    tags=["answers"],
    status_code=204,
    responses=problems(*_ALWAYS, NotFound, InvalidInput, UnknownField),
    summary="Say whether an answer helped",
)
def post_feedback(asker: Who, services: With, answer_id: Id, body: FeedbackRequest) -> None:
    """A second verdict replaces the first."""
    give_feedback(services.catalog, asker, answer_id, body.helpful, body.comment)


@router.get(
    "/conversations/{conversation_id}",
    tags=["answers"],
    responses={**problems(*_ALWAYS, NotFound), **examples.of(examples.CONVERSATION)},
    summary="Your questions in a conversation",
)
def get_conversation(asker: Who, services: With, conversation_id: Id) -> ConversationResponse:
    """The newest 200, in order. Conversations are named within a user: nobody sees another's."""
    rows = read_conversation(services.catalog, asker, conversation_id)
    return ConversationResponse(conversation_id=conversation_id, questions=[AskedBefore.of(row) for row in rows])


@router.get(
    "/documents/{document_id}",
    tags=["documents"],
    responses={**problems(*_ALWAYS, NotFound), **examples.of(examples.DOCUMENT)},
    summary="A document",
)
def get_document(asker: Who, services: With, document_id: Id) -> DocumentResponse:
    """Decided now. One that you may not read is as missing as one that is not there."""
    return DocumentResponse.of(read_document(services, asker, document_id))


@router.get(
    "/documents/{document_id}/text",
    tags=["documents"],
    responses={**problems(*_ALWAYS, NotFound, InvalidInput), **examples.of(examples.TEXT)},
    summary="A document's text",
)
def get_text(
    asker: Who,
    services: With,
    document_id: Id,
    start: Annotated[int, Query(ge=0)] = 0,
    end: Annotated[int | None, Query(ge=0)] = None,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> TextResponse:
    """Code points `start` to `end` (end exclusive) of the normalised text; what lies beyond the text is cut off,
    and one response holds at most a million characters."""
    return TextResponse.of(read_text(services, asker, document_id, (start, end), version))


@router.get(
    "/traces/{trace_id}",
    tags=["answers"],
    responses={**problems(*_ALWAYS, NotFound), **examples.of(examples.TRACE)},
    summary="How a question went",
)
def get_trace(caller: Annotated[Caller, Depends(calling)], services: With, trace_id: Id) -> TraceResponse:
    """For who asked, under today's access. Administrators see what gate 2 refused, and no content."""
    return TraceResponse(**read_trace(services.catalog, caller, trace_id))


@router.get(
    "/access/explain",
    tags=["access"],
    responses={**problems(*_ALWAYS, NotFound, InvalidInput), **examples.of(examples.EXPLAIN)},
    summary="Why a user may or may not read a document",
)
def get_explanation(
    caller: Annotated[Caller, Depends(scope("admin"))],
    services: With,
    user: Annotated[str, Query(examples=["user:alice"])],
    document: Annotated[str, Query(), AfterValidator(_possible)],
) -> ExplainResponse:
    """The decision, with every clause and the membership path behind each match. Needs the scope `admin`."""
    name = principal_name(user, kind="user", field="user")
    with services.catalog.reading(caller.tenant) as session:
        return ExplainResponse(**explain(session, caller.tenant, name, document))


def create_app(services: Services) -> FastAPI:
    """The retrieval service alone."""
    app = FastAPI(title="Vouch retrieval", summary="Permitted and cited answers from your own documents.")
    app.state.retrieval = services
    app.state.catalog = services.catalog
    app.state.secret_key = services.secret_key
    install_problems(app)
    document_problems(app)
    app.include_router(router)
    return app
