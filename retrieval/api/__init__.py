"""The HTTP interface of questions. Routes are thin: read the request, call one function, shape the response.

They run in the server's thread pool, because everything below is plain blocking code.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI, Response

from acl.watch import Watch
from retrieval.api import (
    access,
    answers,
    approvals,
    break_glass,
    documents,
    generations,
    proposals,
    questions,
    releases,
    spending,
)
from retrieval.services import Services
from vouch.serving.problems import install_problems
from vouch.serving.responses import document_problems


async def _no_store(response: Response) -> None:
    """What one person may read today is not for caches."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/v1", dependencies=[Depends(_no_store)])
for part in (questions, answers, approvals, documents, access, break_glass, generations, proposals, releases, spending):
    router.include_router(part.router)


def create_app(services: Services) -> FastAPI:
    """The retrieval service alone."""
    app = FastAPI(title="Vouch retrieval", summary="Permitted and cited answers from your own documents.")
    app.state.retrieval = services
    app.state.catalog = services.catalog
    app.state.watch = Watch(services.catalog)
    app.state.secret_key = services.secret_key
    install_problems(app)
    document_problems(app)
    app.include_router(router)
    return app
