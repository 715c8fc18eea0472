"""A system's HTTP API, asked with manners: through the one door, in pace, again after a pause, bounded in size.

A page, a token or a body that is missing makes a listing look shorter than it is, and what is not listed is deleted. So
nothing here hands back half an answer: whatever is not whole and well-formed raises.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from connectors.pace import MOST_WAIT_S, PACE, Pace, retry_after
from vouch.core.errors import (
    BadConfig,
    DocumentRejected,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    SourceRefuses,
    Unavailable,
)
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.door import Answer, Bounds, Outbound
from vouch.outbound.url import Url, parse_url

TRIES = 4
BACKOFF_S = 1.0
"""Pause after a first failure for which the host names none; twice as long after each further one."""
_MAX_JSON = 32 << 20
_RENEW_BEFORE_S = 60.0
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<>]*\brel="?next"?')

T = TypeVar("T")
Pause = Callable[[Answer], float | None]
"""Seconds that an answer asks to be left alone for; None when it is an answer like any other."""


class Credential(Protocol):
    """Who asks: headers to send, or None when there are no others to be had (``renewed``: the present were refused)."""

    def headers(self, *, renewed: bool = False) -> Mapping[str, str] | None: ...


class Token:
    """A credential that holds until somebody changes it: the value of ``Authorization``, or no header at all."""

    def __init__(self, authorization: str | None) -> None:
        """Raises :class:`BadConfig` for what cannot stand in a header, without repeating it."""
        if authorization is not None and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", authorization):
            raise BadConfig("config.token: not the value of a header", field="config.token")
        self._headers = {} if authorization is None else {"authorization": authorization}

    def headers(self, *, renewed: bool = False) -> Mapping[str, str] | None:
        """What to send; None when there is no other to be had."""
        return None if renewed else self._headers


class ShortToken:
    """A credential that is exchanged for tokens that last a while. ``exchange`` gives a token and its seconds."""

    def __init__(self, exchange: Callable[[], tuple[str, float]], pace: Pace = PACE) -> None:
        self._exchange, self._pace = exchange, pace
        self._lock = threading.Lock()
        self._held: tuple[str, float] | None = None

    def headers(self, *, renewed: bool = False) -> Mapping[str, str] | None:
        """``renewed``: the present one was refused. Raises what the exchange raises."""
        with self._lock:
            if renewed or self._held is None or self._held[1] - _RENEW_BEFORE_S <= self._pace.moment():
                token, seconds = self._exchange()
                self._held = token, self._pace.moment() + seconds
            return {"authorization": f"Bearer {self._held[0]}"}


@dataclass(frozen=True, slots=True)
class Reply:
    """``data``: the JSON of the body; None where there is no body. ``next``: the address of the next page, from the
    ``Link`` header (RFC 8288)."""

    status: int
    headers: Mapping[str, str]
    data: Any
    next: str | None = None


class Rest:
    """The API at ``base``. The credential goes to its origin and no other."""

    def __init__(
        self,
        outbound: Outbound,
        base: str,
        credential: Credential,
        *,
        headers: Mapping[str, str] | None = None,
        pause: Pause = retry_after,
        delay_s: float = 0.0,
        pace: Pace = PACE,
    ) -> None:
        """``pause``: which answers of 4xx ask for patience; 429, 5xx and what is cut off always do. Raises
        :class:`OutboundRefused` for a base that is no address."""
        self._outbound, self._credential = outbound, credential
        self.base = parse_url(base.rstrip("/"))
        self._headers = {"accept": "application/json", **(headers or {})}
        self._pause, self._delay_s, self._pace = pause, delay_s, pace

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, accept: tuple[int, ...] = ()) -> Reply:
        """The JSON at ``path`` below the base, or at an absolute address of its origin (a link to the next page).

        A status in ``accept`` is handed back as it is. Raises :class:`NotFound` for 404 and 410,
        :class:`SourceRefuses` for any other 4xx and for redirects out of the origin, and :class:`Unavailable` when
        patience did not help (``retry_after_s``, where the host says).
        """
        return self.ask("GET", path, params, accept=accept)

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        content: Any = None,
        accept: tuple[int, ...] = (),
    ) -> Reply:
        """As :meth:`get`, by any method that changes nothing over there, so that it may be repeated.

        ``content`` is sent as JSON.
        """
        url = self.url(path, params)
        body = b"" if content is None else json.dumps(content).encode()
        headers = {**self._headers, **({"content-type": "application/json"} if body else {})}
        wanted = (method, url, headers, body)
        answer, data = self._patiently(wanted, Bounds(_MAX_JSON, redirects=0), accept, _json)
        link = _NEXT.search(answer.headers.get("link", ""))
        return Reply(answer.status, answer.headers, data, link[1] if link else None)

    def pages(self, path: str, params: Mapping[str, Any] | None = None, *, most: int = 10_000) -> Iterator[Reply]:
        """Every page that ``Link: rel="next"`` leads to. Raises :class:`Unavailable` when they go in a circle."""
        reply = self.get(path, params)
        seen: set[str] = set()
        yield reply
        while reply.next is not None:
            if reply.next in seen or len(seen) >= most:
                raise Unavailable(f"The pages of {self.base.host} do not end.")
            seen.add(reply.next)
            reply = self.get(reply.next)
            yield reply

    def download(
        self,
        address: str,
        max_bytes: int,
        *,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """The bytes at ``address``, redirects followed. Outside of the base's origin nothing is said of who asks.

        ``accept`` and what is raised as for :meth:`get`, and :class:`DocumentRejected` (``too_large``).
        """
        url = self.url(address, None) if not address.startswith(("https://", "http://")) else parse_url(address)
        wanted = ("GET", url, {**self._headers, "accept": "*/*", **(headers or {})}, b"")
        try:
            answer, _ = self._patiently(wanted, Bounds(max_bytes, seconds=300.0), accept, lambda answer: None)
        except PayloadTooLarge as error:
            raise DocumentRejected(error.detail, reason="too_large") from error
        return answer

    def exchange(
        self,
        method: str,
        path: str,
        bounds: Bounds,
        read: Callable[[Answer], T],
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> T:
        """What ``read`` makes of the bytes of an answer. Raises as :meth:`ask`, and :class:`PayloadTooLarge`."""
        wanted = (method, self.url(path, None), {**self._headers, "accept": "*/*", **(headers or {})}, content)
        return self._patiently(wanted, bounds, (), read)[1]

    def url(self, path: str, params: Mapping[str, Any] | None) -> Url:
        """``path`` below the base, or itself where it is an address of the base's origin.

        Raises :class:`SourceRefuses` for one of another origin.
        """
        if path.startswith(("https://", "http://")):
            url = parse_url(path)
            if url.origin != self.base.origin:
                raise SourceRefuses(f"{self.base.host} leads to another host.")
        else:
            url = parse_url(f"{self.base.origin}{self.base.target.rstrip('/')}/{path.lstrip('/')}")
        if not params:
            return url
        asked = urlencode({name: value for name, value in params.items() if value is not None}, doseq=True)
        return parse_url(f"{url}{'&' if '?' in url.target else '?'}{asked}")

    # -- asking again --

    def _patiently(
        self,
        wanted: tuple[str, Url, Mapping[str, str], bytes],
        bounds: Bounds,
        accept: tuple[int, ...],
        read: Callable[[Answer], T],
    ) -> tuple[Answer, T]:
        """The answer and what ``read`` makes of it, once there is a whole one."""
        host, renewed = wanted[1].authority, False
        for attempt in range(1, TRIES + 1):
            pause: float | None = None
            try:
                answer = self._once(wanted, bounds, renewed=renewed)
                pause, failed = self._wish(answer, accept), f"{host} answered with status {answer.status}."
                if pause is None:
                    if answer.status == 401 and not renewed and self._ours(wanted[1]):
                        renewed = True
                        continue
                    self._require(answer, accept)
                    return answer, read(answer)
            except Unavailable as error:
                failed, pause = error.detail, error.extra.get("retry_after_s")
            wait = pause or BACKOFF_S * 2 ** (attempt - 1)
            if attempt == TRIES or wait > MOST_WAIT_S:
                break
            self._pace.hold(host, wait)
        if pause:
            self._pace.rest(host, pause)
        raise Unavailable(failed, retry_after_s=pause or 0.0)

    def _once(self, wanted: tuple[str, Url, Mapping[str, str], bytes], bounds: Bounds, *, renewed: bool) -> Answer:
        method, url, headers, body = wanted
        self._pace.require_awake(url.authority)
        credential: Mapping[str, str] = {}
        if self._ours(url):
            held = self._credential.headers(renewed=renewed)
            if held is None:
                raise SourceRefuses(f"{url.host} does not accept the credential.", said=401)
            credential = held
        self._pace.wait(url.authority, self._delay_s)
        return self._outbound.request(method, url, headers={**headers, **credential}, content=body, bounds=bounds)

    def _ours(self, url: Url) -> bool:
        return url.origin == self.base.origin

    def _wish(self, answer: Answer, accept: tuple[int, ...]) -> float | None:
        """Seconds to leave the host alone; None where the answer is one. 0: it failed and names no pause."""
        if answer.status in accept or answer.status < 400:
            return None
        if answer.status >= 500 or answer.status in (408, 429):
            return self._pause(answer) or retry_after(answer) or 0.0
        return self._pause(answer)

    def _require(self, answer: Answer, accept: tuple[int, ...]) -> None:
        status = answer.status
        if 200 <= status < 300 or status in accept:
            return
        if status in (404, 410):
            raise NotFound()
        if status == 401:
            raise SourceRefuses(f"{answer.url.host} does not accept the credential.", said=401)
        if 300 <= status < 400:
            to = answer.leads_to
            if to is not None and to.origin == answer.url.origin:
                raise SourceRefuses(
                    f"{answer.url.host} has moved what was asked for to {to.target[:200]}.", said=status
                )
            raise SourceRefuses(f"{answer.url.host} leads to another host.", said=status)
        raise SourceRefuses(f"{answer.url.host} answered with status {status}.", said=status)


def address_of(text: str, field: str, outbound: Outbound) -> str:
    """The base of an API as a configuration names it, without a slash at its end.

    Raises :class:`BadConfig` for what is no address, and for one that may not be reached as it is written; a name is
    resolved when it is asked.
    """
    try:
        url = parse_url(text)
        if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
            outbound.ways.open_to(url.host, url.port)
        if "?" in url.target:
            raise InvalidInput("The address has a query.")
    except InvalidInput as error:
        raise BadConfig(f"config.{field}: {error.detail}", field=f"config.{field}") from error
    return str(url).rstrip("/")


def _json(answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{answer.url.host} answered with something else than JSON.") from error
