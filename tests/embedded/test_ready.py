"""What counts as ready."""

from __future__ import annotations

import http.server
import socket
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.heartbeat import beat
from vouch.core.errors import Unavailable
from vouch.core.settings import Settings
from vouch.embedded import ready


@pytest.mark.parametrize("written", ["worker", "worker:laptop"])
def test_a_part_is_ready_once_it_beat_after_its_start(catalog: Catalog, written: str) -> None:
    heartbeat = ready.Heartbeat("worker", catalog.url)
    with catalog.transaction(ACROSS_TENANTS) as session:
        beat(session, written)
    heartbeat.note_start()
    assert not heartbeat.fresh()  # the beat of an earlier run
    with catalog.transaction(ACROSS_TENANTS) as session:
        beat(session, "workers")
        beat(session, "scheduler")
    assert not heartbeat.fresh()
    with catalog.transaction(ACROSS_TENANTS) as session:
        beat(session, written)
    assert heartbeat.fresh()


def test_without_a_catalog_nothing_is_ready_and_nothing_is_started(empty_database_url: str) -> None:
    nowhere = ready.Heartbeat("worker", "postgresql://postgres@/vouch?host=/nowhere")
    assert not nowhere.fresh()
    with pytest.raises(Unavailable):
        nowhere.note_start()
    engine = sa.create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    assert not sa.inspect(engine).has_table("heartbeat")
    unmigrated = ready.Heartbeat("worker", empty_database_url)
    unmigrated.note_start()
    assert not unmigrated.fresh()
    engine.dispose()


def test_an_api_is_ready_when_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # it is asked directly
    statuses = [503, 200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0) if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        settings = Settings(host="0.0.0.0", port=server.server_port)
        assert [ready.answers(settings), ready.answers(settings)] == [False, True]
        server.shutdown()
    assert not ready.answers(settings)


def test_a_socket_is_ready_when_someone_listens(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert not ready.accepts(str(path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not ready.accepts(str(path))
        server.listen()
        assert ready.accepts(str(path))
    assert not ready.accepts(str(path))
