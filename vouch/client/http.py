"""One connection to the platform: who asks, what is tried again, and how its problems become our errors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent, SSEError, connect_sse

from vouch.client.results import Result
from vouch.core.errors import Unavailable, VouchError, every_error

TIMEOUT: Final = httpx.Timeout(90.0, connect=5.0)
"""A chat model may write for a minute; event streams say something every 15 seconds."""
TRIES = 3
_LONGEST_PAUSE_S = 5.0

R = TypeVar("R", bound=Result)
Query = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Connection:
    """``headers`` say who asks; connections made of one another share ``http`` and its pool."""

    http: httpx.Client
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def saying(self, **headers: str) -> Connection:
        """The same connection with other headers, ``X_Vouch_As`` written for ``X-Vouch-As``."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def get(self, path: str, kind: type[R], query: Query | None = None) -> R:
        """Raises what the platform says; a 503 is tried again, up to three times in all."""
        return kind.model_validate(_json(self._read(path, query)))

    def text(self, path: str, query: Query | None = None) -> str:
        """As :meth:`get`, of what is no JSON."""
        response = self._read(path, query)
        if response.is_error:
            raise problem(response)
        return response.text

    def _read(self, path: str, query: Query | None) -> httpx.Response:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        for tried in range(1, TRIES + 1):
            response = self._send("GET", path, params=given)
            if response.status_code != 503 or tried == TRIES:
                break
            time.sleep(_pause(response))
        return response

    def pages(self, path: str, name: str, kind: type[R], query: Query | None = None) -> Iterator[R]:
        """Every item of a list that pages by cursor; the next page is fetched when it is needed."""
        cursor: str | None = None
        while True:
            page = self.get(path, Result, {**(query or {}), "cursor": cursor})
            found = page.model_extra or {}
            yield from (kind.model_validate(item) for item in found[name])
            cursor = found.get("next_cursor")
            if cursor is None:
                return

    def send(self, method: str, path: str, body: Any = None, *, timeout_s: float | None = None) -> dict[str, Any]:
        """A request that changes something, sent once. Returns the body, {} where there is none.

        ``timeout_s``: seconds to wait for it, instead of the client's."""
        patience = {} if timeout_s is None else {"timeout": httpx.Timeout(timeout_s, connect=TIMEOUT.connect)}
        return _json(self._send(method, path, json=body, **patience))

    def upload(self, path: str, file: tuple[str, bytes, str | None], fields: Mapping[str, str]) -> dict[str, Any]:
        """PUT a file (name, content, media type) with form fields."""
        return _json(self._send("PUT", path, files={"file": file}, data=fields))

    def send_lines(self, path: str, lines: Iterable[Any]) -> dict[str, Any]:
        """POST newline-delimited JSON."""
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        headers = {**self.headers, "Content-Type": "application/x-ndjson"}
        with _reaching(self.http.base_url):
            return _json(self.http.request("POST", path, headers=headers, content=content))

    @contextmanager
    def events(self, method: str, path: str, body: Any = None) -> Iterator[Iterator[ServerSentEvent]]:
        """Server-sent events, until the platform ends them."""
        with (
            _reaching(self.http.base_url),
            connect_sse(self.http, method, path, json=body, headers=dict(self.headers)) as source,
        ):
            if source.response.is_error:
                source.response.read()
                raise problem(source.response)
            yield source.iter_sse()

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        with _reaching(self.http.base_url):
            return self.http.request(method, path, headers=dict(self.headers), **content)


def segment(text: str, *, slashes: bool = False) -> str:
    """``text`` as a part of a path. With ``slashes`` they are kept, for ids that hold folders."""
    return quote(text, safe="/" if slashes else "")


def problem(response: httpx.Response) -> VouchError:
    """The platform's error, of the class that has its code."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        return VouchError(f"HTTP {response.status_code} without a problem document; is this Vouch's address?")
    return from_problem(body)


def from_problem(body: dict[str, Any]) -> VouchError:
    """The error of an RFC 9457 body."""
    known = ("type", "title", "status", "code", "detail", "field")
    extra = {name: value for name, value in body.items() if name not in known}
    kind = _by_code().get(str(body.get("code")), VouchError)
    return kind(str(body.get("detail", "")), field=body.get("field"), **extra)


@cache
def _by_code() -> dict[str, type[VouchError]]:
    return {kind.code: kind for kind in every_error()}


def _json(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise problem(response)
    if not response.content:
        return {}
    try:
        found: dict[str, Any] = response.json()
    except ValueError as error:
        raise VouchError("The answer is not JSON; is this Vouch's address?") from error
    return found


def _pause(response: httpx.Response) -> float:
    said = response.headers.get("Retry-After", "1")
    return min(float(said) if said.isdigit() else 1.0, _LONGEST_PAUSE_S)


@contextmanager
def _reaching(where: httpx.URL) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unavailable(f"The platform at {where} did not answer in time.") from error
    except (httpx.TransportError, SSEError) as error:
        raise Unavailable(f"The platform at {where} cannot be reached: {error}") from error
