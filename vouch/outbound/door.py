"""Requests to what a user named: bounded in size, time, hops and decompression; no proxy, no cookies, no reuse.

Each request has a connection of its own, so that what was judged for one host serves that request alone.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import httpcore

from vouch.core.errors import OutboundRefused, PayloadTooLarge, Unavailable
from vouch.core.settings import Settings
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import PUBLIC_ONLY, GuardedBackend, Ways
from vouch.outbound.url import Url, join, parse_url

USER_AGENT = "Vouch/0.1"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OURS = frozenset({"host", "connection", "user-agent", "accept-encoding", "content-length", "transfer-encoding"})
_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """``redirects`` 0 hands a redirect to the caller as the answer that it is."""

    max_bytes: int = 10 << 20
    """Of the body, unpacked."""
    seconds: float = 30.0
    """From the first name resolved to the last byte, redirects included."""
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers``: names in small letters, the first of each. ``leads_to``: where a redirect that was not followed
    points."""

    url: Url
    status: int
    headers: Mapping[str, str]
    body: bytes
    leads_to: Url | None = None


@dataclass(frozen=True)
class Outbound:
    """The door. Without ways of its own it leads to public addresses alone."""

    ways: Ways = PUBLIC_ONLY
    agent: str = USER_AGENT
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: Settings) -> Outbound:
        """As the settings allow. Raises :class:`BadConfig`."""
        return cls(Ways(Allowed.parse(settings.outbound_allow)))

    @property
    def trust(self) -> ssl.SSLContext:
        """Whose certificates are believed; names are verified."""
        return self.tls or _usual_tls()

    def get(self, url: str | Url, headers: Mapping[str, str] | None = None, bounds: Bounds | None = None) -> Answer:
        """As :meth:`request`, by GET."""
        return self.request("GET", url, headers=headers, bounds=bounds)

    def request(
        self,
        method: str,
        url: str | Url,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        bounds: Bounds | None = None,
    ) -> Answer:
        """The answer, whatever its status; redirects of a GET are followed within ``bounds``.

        ``Authorization`` is sent to the origin of ``url`` and to no other. Raises :class:`OutboundRefused` for what
        may not be reached, at any hop, :class:`PayloadTooLarge` for a body past its bound and :class:`Unavailable`
        when the host does not answer, or not to the end.
        """
        bounds = bounds or Bounds()
        deadline = time.monotonic() + bounds.seconds
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if _OURS & sent.keys():
            raise ValueError("headers of the connection are not the caller's to set")
        at = parse_url(url) if isinstance(url, str) else url
        for hop in range(bounds.redirects + 1):
            answer = self._once(method, at, sent, content, (bounds.max_bytes, deadline))
            if answer.status not in _REDIRECTS or bounds.redirects == 0 or method != "GET":
                return answer
            if answer.leads_to is None:
                raise OutboundRefused("A redirect leads to something that is not a URL.")
            if hop < bounds.redirects:
                at, sent = _next(at, answer.leads_to, sent)
        raise OutboundRefused(f"There are more than {bounds.redirects} redirects.")

    def _once(
        self, method: str, url: Url, headers: Mapping[str, str], content: bytes, limits: tuple[int, float]
    ) -> Answer:
        max_bytes, deadline = limits
        request = httpcore.Request(
            method,
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers=[*self._fixed(url, content), *headers.items()],
            content=content,
        )
        pool = httpcore.ConnectionPool(
            ssl_context=self.trust,
            network_backend=GuardedBackend(self.ways, deadline),
            keepalive_expiry=0,
        )
        try:
            with pool:
                response = pool.handle_request(request)
                try:
                    assert isinstance(response.stream, Iterable)
                    found = _headers(response.headers)
                    body = _unpacked(response.stream, found.get("content-encoding", "identity"), max_bytes)
                finally:
                    response.close()
        except httpcore.TimeoutException as error:
            raise Unavailable(f"{url.host} did not answer in time.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Unavailable(f"{url.host} cannot be reached, or ended its answer too early.") from error
        # One that names no place is handed on where none is followed: S3 says so that a bucket lies elsewhere.
        leads_to = join(url, found["location"]) if response.status in _REDIRECTS and "location" in found else None
        return Answer(url, response.status, found, body, leads_to)

    def _fixed(self, url: Url, content: bytes) -> list[tuple[str, str]]:
        found = [
            ("Host", url.authority),
            ("User-Agent", self.agent),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close"),
        ]
        return [*found, ("Content-Length", str(len(content)))] if content else found


NOWHERE_PRIVATE = Outbound()
"""The door with nothing allowed besides public addresses."""


@cache
def _usual_tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


def _next(at: Url, to: Url, headers: dict[str, str]) -> tuple[Url, dict[str, str]]:
    if at.scheme == "https" and to.scheme != "https":
        raise OutboundRefused("A redirect leads from https to http.")
    if to.origin != at.origin:
        headers = {name: value for name, value in headers.items() if name not in ("authorization", "cookie")}
    return to, headers


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        found.setdefault(name.decode("ascii", "replace").lower(), value.decode("latin-1").strip())
    return found


def _unpacked(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The body, unpacked a step at a time: what unpacks to a flood ends at ``limit``."""
    if encoding.lower() not in ("identity", "gzip", "x-gzip", ""):
        raise Unavailable("The host packs its answer in a way that was not asked for.")
    body = bytearray()
    if "gzip" not in encoding.lower():
        for chunk in chunks:
            _add(body, chunk, limit)
        return bytes(body)
    unpack, began = zlib.decompressobj(wbits=31), False
    try:
        for chunk in chunks:
            began, left = True, chunk
            while left:
                _add(body, unpack.decompress(left, _STEP), limit)
                left = unpack.unconsumed_tail
        _add(body, unpack.flush(), limit)
    except zlib.error as error:
        raise Unavailable("The host's answer cannot be unpacked.") from error
    if began and not unpack.eof:  # a 304 says how its body would be packed, and has none
        raise Unavailable("The host ended its answer too early.")
    return bytes(body)


def _add(body: bytearray, more: bytes, limit: int) -> None:
    body += more
    if len(body) > limit:
        raise PayloadTooLarge(f"The answer is larger than {limit:,} bytes.")
