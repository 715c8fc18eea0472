"""The retrieval service over real HTTP, with a small company behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from retrieval.api import create_app
from tests.retrieval.world import World, open_world
from vouch.catalog.database import Catalog
from vouch.client import Client
from vouch.gateway.embed import Embedder


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of ``app`` while the block lasts."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    socket = server.config.bind_socket()
    socket.listen()  # who calls before the thread has come to it waits, instead of being refused
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    for world in open_world(catalog, embedder, tmp_path):
        world.document("Travel", "Hotel costs are reimbursed up to 140 euros per night.", allow=("group:hr",))
        yield world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Of a key that may act for anyone, and acts for nobody yet."""
    key = world.headers(None, "ask", "act_as", "admin")["Authorization"].removeprefix("Bearer ")
    with served(create_app(world.services)) as url, Client(url, key) as client:
        yield client
