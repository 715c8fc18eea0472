"""The door for what is not HTTP: a connected socket, judged like any other, for a library that is handed one.

A library that speaks a protocol of its own is never let near a name or an address. It gets the socket, and has nothing
to resolve, to connect to or to be redirected to.
"""

from __future__ import annotations

import socket
import time

import httpcore

from vouch.core.errors import OutboundRefused, Unavailable
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.connect import Ways
from vouch.outbound.url import Url, parse_url


def parse_host(host: str, port: int) -> Url:
    """A host as it is allowed to be written, by the rules of :func:`parse_url`. Raises :class:`OutboundRefused`."""
    shown = f"[{host}]" if ":" in host else host
    url = parse_url(f"https://{shown}:{port}/")
    if url.target != "/" or url.port != port or "#" in host:
        raise OutboundRefused("The host is not a name and not an address.")
    return url


def refuse_blocked_address(ways: Ways, url: Url, ports: frozenset[int]) -> None:
    """Say at once that an address may not be reached; a name is judged when it is resolved, each time.

    Raises :class:`OutboundRefused`.
    """
    if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
        ways.open_to(url.host, url.port, ports)


def connected(ways: Ways, url: Url, ports: frozenset[int], seconds: float) -> socket.socket:
    """A socket that is connected to an address of ``url``'s host which was judged; the caller closes it.

    ``ports``: those of the protocol, open on public hosts. Raises :class:`OutboundRefused` for what may not be reached,
    before anything is connected to, and :class:`Unavailable` when nobody answers.
    """
    try:
        stream = ways.connected(url.host, url.port, time.monotonic() + seconds, ports)
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise Unavailable(f"{url.host} cannot be reached.") from error
    found = stream.get_extra_info("socket")
    assert isinstance(found, socket.socket)
    return found
