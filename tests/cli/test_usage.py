"""Commands where nothing runs: wrong use, what is said, and what is never sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import typer

from tests.cli.conftest import Vouch
from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.main import app
from vouch.core.errors import Unauthenticated


def _commands(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [path]
    return [found for name, child in children.items() for found in _commands(child, (*path, name))]


def test_every_command_has_json() -> None:
    root = typer.main.get_command(app)
    paths = _commands(root)
    assert ("source", "sync") in paths
    for path in paths:
        command = root
        for name in path:
            command = command.commands[name]  # type: ignore[attr-defined]
        assert any("--json" in param.opts for param in command.params), path


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("ask",),
        ("ask", "Why?", "--no-such-option"),
        ("search", "x", "--limit", "0"),
        ("search", "x", "--mode", "telepathy"),
        ("source", "add", "filesystem", "x", "--config", "[1]"),
        ("directory", "import", "no-such-file.yaml"),
        ("directory", "user", "alice"),
        ("directory", "members", "staff"),
        ("eval", "run", "no-such-run"),
    ],
)
def test_wrong_use_exits_2(alone: Vouch, arguments: tuple[str, ...]) -> None:
    done = alone(*arguments, VOUCH_API_KEY="vouch_x", VOUCH_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr
    assert done.stdout == ""


def test_a_bad_setting_is_named_without_its_value(alone: Vouch) -> None:
    done = alone("settings", VOUCH_SECRET_KEY="too-short-to-be-a-key")
    assert done.returncode == 2
    assert "VOUCH_SECRET_KEY" in done.stderr
    assert "too-short" not in done.stderr


def test_without_a_platform_there_is_no_key_and_that_is_said(alone: Vouch) -> None:
    done = alone("source", "list")
    assert done.returncode == 1
    assert "VOUCH_API_KEY" in done.stderr
    away = alone("source", "list", "--json", VOUCH_API_KEY="vouch_x", VOUCH_URL="http://127.0.0.1:9")
    assert away.returncode == 1
    assert json.loads(away.stderr)["code"] == "unavailable"


def test_the_local_key_is_sent_to_no_other_machine(alone: Vouch, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.data_dir.mkdir()
    (alone.data_dir / "admin.key").write_text("vouch_local")
    monkeypatch.setenv("VOUCH_DATA_DIR", str(alone.data_dir))
    for url in ("https://vouch.example.org", "http://127.0.0.1.example.org", "http://10.0.0.7:8080"):
        monkeypatch.setenv("VOUCH_URL", url)
        with pytest.raises(Unauthenticated, match="set VOUCH_API_KEY"):
            connect()
    monkeypatch.setenv("VOUCH_URL", "http://127.0.0.1:8080")
    connect().close()


class _Hostile(BaseHTTPRequestHandler):
    """A platform whose documents try to steer the reader's terminal."""

    def do_GET(self) -> None:
        body = json.dumps(
            {"connectors": [{"kind": "\x1b]0;owned\x07k", "description": "\u202egnp.exe[bold]", "config_schema": {}}]}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_what_a_document_says_cannot_steer_the_terminal(alone: Vouch) -> None:
    with HTTPServer(("127.0.0.1", 0), _Hostile) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = alone("connectors", VOUCH_API_KEY="x", VOUCH_URL=f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert done.stdout == "\ufffd]0;owned\ufffdk\n  \ufffdgnp.exe[bold]\n"


@pytest.mark.parametrize("text", ["plain", "Ελλάδα", "tab\tand\nline", "👩‍🔬", "क्‍ष"])
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert output.visible(text) == text
