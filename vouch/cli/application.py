"""The HTTP application: either service, or both on one origin, with health, metrics and documentation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis import RedisError

import ingestion.api
import retrieval.api
from acl.routes import require_classified
from acl.watch import Watch
from ingestion.mail.letters import Desk
from ingestion.metrics import Readings
from ingestion.services import Services as IngestionServices
from retrieval.abandoned import Settler
from retrieval.measuring.runner import Runner
from retrieval.services import Services as RetrievalServices
from vouch import __version__
from vouch.catalog.database import Catalog
from vouch.catalog.epoch import current
from vouch.core.errors import BadConfig, VouchError
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url
from vouch.serving.bounds import BoundedBodies, CredentialFirst
from vouch.serving.problems import install_problems
from vouch.serving.process import serving
from vouch.serving.responses import document_problems

Which = Literal["all", "retrieval", "ingestion"]
METRICS_EXAMPLE = "# TYPE vouch_question_seconds histogram\n…"


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """``parts``: `ok`, or the code of what is wrong."""

    ready: bool
    parts: dict[str, str]


def create_application(settings: Settings, which: Which = "all") -> FastAPI:
    """Compose the application. Connections are opened when it starts and closed when it stops.

    Raises :class:`BadConfig`, and :class:`StartFailed` for a route that :mod:`acl.routes` does not classify.
    """
    if settings.secret_key is None:
        raise BadConfig("VOUCH_SECRET_KEY is not set.", field="secret_key")
    if which != "retrieval":
        Desk.of(settings)  # a mistake in how mail is sent shows at the start, and not on the day that it is due

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
        app.state.watch = Watch(Catalog(database_url(settings), pool=1))
        if which != "retrieval":
            app.state.ingestion = IngestionServices.open(settings)
            app.state.deliveries = Readings(app.state.catalog)
        if which != "ingestion":
            app.state.retrieval = RetrievalServices.open(settings)
            app.state.evals = Runner(app.state.retrieval, settings.sweep_every_s)
            app.state.evals.start()
            app.state.abandoned = Settler(app.state.retrieval, 5 * settings.sweep_every_s)
            app.state.abandoned.start()
        with serving():
            yield
        if which != "ingestion":
            app.state.abandoned.close()
            app.state.evals.close()
        app.state.watch.close()
        app.state.catalog.close()
        if which != "ingestion":
            app.state.retrieval.close()

    app = FastAPI(
        title="Vouch",
        version=__version__,
        summary="Answers from an organisation's own documents, every sentence cited and verified.",
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.secret_key = settings.secret_key.get_secret_value()
    install_problems(app)
    document_problems(app)
    app.add_middleware(BoundedBodies, limit=int(settings.max_document_mb * 1024 * 1024 * 1.4) + 1024 * 1024)
    app.add_middleware(CredentialFirst, prefixes=("/v1/", "/scim/"))
    if which != "retrieval":
        app.include_router(ingestion.api.router)
        app.include_router(ingestion.api.provisioning)
        app.include_router(ingestion.api.from_mail)
    if which != "ingestion":
        app.include_router(retrieval.api.router)
    _add_health(app, settings)
    require_classified(app.routes)
    return app


def _add_health(app: FastAPI, settings: Settings) -> None:
    @app.get("/healthz", tags=["health"])
    def healthz() -> Health:
        """The process answers."""
        return Health()

    unready: dict[int | str, dict[str, Any]] = {
        503: {"model": Readiness, "description": "A part is not ready; the body names it."}
    }

    @app.get("/readyz", tags=["health"], responses=unready)
    def readyz(response: Response) -> Readiness:
        """Everything that this service needs answers."""
        parts = {name: _state(check) for name, check in _checks(app, settings).items()}
        ready = all(state == "ok" for state in parts.values())
        response.status_code = 200 if ready else 503
        return Readiness(ready=ready, parts=parts)

    text: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": METRICS_EXAMPLE}}}
    }

    @app.get("/metrics", tags=["health"], response_class=Response, responses=text)
    def metrics() -> Response:
        """Prometheus text format; no label is made of anything a user wrote."""
        if hasattr(app.state, "deliveries"):
            app.state.deliveries.refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _checks(app: FastAPI, settings: Settings) -> dict[str, Callable[[], object]]:
    def catalog() -> None:
        with app.state.catalog.reading(settings.tenant) as session:
            current(session, settings.tenant)

    def index() -> None:
        retrieval: RetrievalServices = app.state.retrieval
        with app.state.catalog.reading(settings.tenant) as session:
            asked = retrieval.pinned(session)
        asked.index.state()

    checks: dict[str, Callable[[], object]] = {"catalog": catalog}
    if hasattr(app.state, "retrieval"):
        checks["index"] = index
    if hasattr(app.state, "ingestion"):
        checks["doorbell"] = app.state.ingestion.redis.ping
    return checks


def _state(check: Callable[[], object]) -> str:
    try:
        check()
    except VouchError as error:
        return error.code
    except RedisError:
        return "unavailable"
    return "ok"
