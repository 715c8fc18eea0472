"""Wikis as a git server on loopback serves them: dulwich's own, over real repositories."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dulwich.server import DictBackend
from dulwich.web import HTTPGitApplication

from tests.connectors.api import Request
from tests.connectors.git.repository import Repository
from tests.outbound.serving import Reply

logging.getLogger("dulwich").setLevel(logging.CRITICAL)  # what a server does not like it also says to us


def served(wikis: Mapping[str, Repository], method: str, request: Request) -> Reply:
    """What git answers of the wikis, by the path of each."""
    told: list[tuple[int, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        told.append((int(status.split()[0]), dict(headers)))
        return written.write

    written = io.BytesIO()
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": request.match[0], "wsgi.input": io.BytesIO(request.body),
        "QUERY_STRING": "&".join(f"{name}={value}" for name, value in request.query.items()),
        "CONTENT_LENGTH": str(len(request.body)), "CONTENT_TYPE": request.headers.get("content-type", ""),
    }  # fmt: skip
    backend: Any = DictBackend({path: wiki.repo for path, wiki in wikis.items()})
    for piece in HTTPGitApplication(backend)(environ, start):  # type: ignore[arg-type]
        written.write(piece)
    status, headers = told[0]
    return Reply(HTTPStatus(status), written.getvalue(), {k: v for k, v in headers.items() if k != "Content-Length"})
