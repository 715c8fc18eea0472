"""A vendor's API on loopback: routes that answer JSON, and faults that are put in their way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from tests.outbound.serving import Asked, Reply, Server, serving
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound

LOOPBACK = Outbound(Ways(Allowed.parse("127.0.0.1")))
"""The door as an operator opens it to a server of their own."""

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """``match``: what the route's pattern found in the path, which is as it was sent, not decoded."""

    match: re.Match[str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Request], Any]
"""What a route gives: a :class:`Reply`, or anything that is sent as JSON."""


@dataclass
class Fault:
    """The next ``times`` requests whose path and query matches get ``reply`` instead."""

    path: str
    reply: Reply
    times: int = 1


@dataclass
class Api:
    """``authorization``: what every request must bear; any other is 401. ``url`` is set while it serves."""

    authorization: str | None = None
    routes: list[tuple[str, re.Pattern[str], Answer]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def route(self, method: str, pattern: str) -> Callable[[Answer], Answer]:
        """Answer requests whose whole path ``pattern`` matches."""

        def add(answer: Answer) -> Answer:
            self.routes.append((method, re.compile(pattern), answer))
            return answer

        return add

    def fail(self, path: str, reply: Reply, times: int = 1) -> None:
        """Put a fault in the way; ``path`` is a pattern that is searched for in path and query."""
        self.faults.append(Fault(path, reply, times))

    def asked_for(self, pattern: str) -> list[Asked]:
        """The requests whose path and query ``pattern`` is found in."""
        return [one for one in self.asked if re.search(pattern, one.path)]

    def expected(self, asked: Asked) -> str | None:
        """What this request must bear."""
        return self.authorization

    def script(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.path, asked.path):
                fault.times -= 1
                return fault.reply
        expected = self.expected(asked)
        if expected is not None and asked.headers.get("authorization") != expected:
            return as_json({"message": "Bad credentials"}, 401)
        parts = urlsplit(asked.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        for method, pattern, answer in self.routes:
            match = pattern.fullmatch(parts.path)
            if match is not None and method == asked.method:
                found = answer(Request(match, query, asked.headers, asked.body))
                return found if isinstance(found, Reply) else as_json(found)
        return as_json({"message": "Not Found"}, 404)


def paged(found: Sequence[T], at: str | int, size: int) -> tuple[Sequence[T], str | None]:
    """A page of ``found``, and what says where the next one begins; None after the last."""
    end = int(at) + size
    return found[int(at) : end], str(end) if end < len(found) else None


def as_json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


def truncated(data: Any) -> Reply:
    """A body that ends before its length says."""
    body = json.dumps(data).encode()
    return Reply(200, body[: len(body) // 2], {"Content-Type": "application/json"}, declared=len(body))


@contextmanager
def answering(api: Api) -> Iterator[Server]:
    """Serve ``api`` while the block lasts."""
    with serving(api.script) as server:
        api.url = server.url
        yield server
