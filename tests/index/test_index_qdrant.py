"""Connecting to a server, told apart by what it says of itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.index.world import ALICE
from vouch.core.errors import IndexUnavailable
from vouch.core.settings import Settings
from vouch.core.types import SearchFilter
from vouch.index.open import drop_index, open_index
from vouch.index.qdrant import QdrantIndex, connect
from vouch.index.remote import RemoteIndex


@contextmanager
def server(version: str, seen: list[str | None]) -> Iterator[str]:
    """Speaks just enough of Qdrant's HTTP to be asked its version; everything else it refuses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("api-key"))
            body = json.dumps({"title": "qdrant", "version": version}).encode()
            self.send_response(200 if self.path == "/" else 503)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def test_a_server_that_cannot_scope_statistics_is_refused() -> None:
    with server("1.18.2", []) as url, pytest.raises(IndexUnavailable, match=r"1\.18\.2 is too old"):
        connect(url, None)


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning")
def test_the_settings_decide_and_the_key_is_sent() -> None:
    seen: list[str | None] = []
    with server("1.19.0", seen) as url:
        index = open_index(Settings(qdrant_url=url, qdrant_api_key="long-enough-to-be-real"), "g1")
        assert isinstance(index, QdrantIndex)
        assert seen == ["long-enough-to-be-real"]
        with pytest.raises(IndexUnavailable):
            index.state()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(IndexUnavailable):
        open_index(Settings(qdrant_url="http://127.0.0.1:9"), "g1")


def test_without_a_url_the_host_is_asked(tmp_path: str) -> None:
    settings = Settings(data_dir=tmp_path)
    index = open_index(settings, "g1")
    assert isinstance(index, RemoteIndex)
    with pytest.raises(IndexUnavailable):
        index.count(ALICE, SearchFilter())
    with pytest.raises(IndexUnavailable):
        drop_index(settings, "g1")
