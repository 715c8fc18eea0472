"""Applications that one test after the other serves from: to build the routes of one takes a fifth of a second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from starlette.datastructures import State

import ingestion.api
from vouch.serving.problems import install_problems

_spare: defaultdict[str, list[FastAPI]] = defaultdict(list)


@contextmanager
def lent(kind: str, make: Callable[[], FastAPI]) -> Iterator[FastAPI]:
    """What ``make`` makes, for as long as the block lasts; one that was lent before, where there is one of its
    ``kind``. What is particular to it stands in its state, and nowhere else."""
    app = _spare[kind].pop() if _spare[kind] else make()
    try:
        yield app
    finally:
        app.state = State()
        _spare[kind].append(app)


@contextmanager
def ingestion_routes() -> Iterator[FastAPI]:
    """The routes of ingestion, and the pages that mail leads to, on no services yet."""
    with lent("ingestion", _ingestion) as app:
        yield app


def _ingestion() -> FastAPI:
    app = FastAPI()
    install_problems(app)
    app.include_router(ingestion.api.router)
    app.include_router(ingestion.api.from_mail)
    return app
