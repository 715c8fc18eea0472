"""Connections that go where they may: the name is resolved here, judged here, and what was judged is connected to.

Between the check and the connection no name is resolved again, so a name server that changes its answer changes
nothing. TLS still speaks to the name: server name and certificate are those of the host that was asked for.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpcore

from vouch.core.errors import OutboundRefused
from vouch.outbound.addresses import NOTHING, Address, Allowed

Resolve = Callable[[str, int], Sequence[str]]
"""Every address of a host."""
Connect = Callable[[str, int, float], httpcore.NetworkStream]
"""Connect to an address; the seconds it may take."""
PORTS = frozenset({80, 443, 8080, 8443})
"""Ports of what nobody named; those of a host or network that the operator allows are open to all of them."""
_TRIES = 3
_PATIENCE_S = 10.0


def resolve_name(host: str, port: int) -> Sequence[str]:
    """As the system resolves it. Raises ``httpcore.ConnectError``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name cannot be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_address(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
    return httpcore.SyncBackend().connect_tcp(address, port, timeout)


@dataclass(frozen=True, slots=True)
class Ways:
    """What may be reached, and by which means; tests give means of their own."""

    allowed: Allowed = NOTHING
    resolve: Resolve = resolve_name
    connect: Connect = connect_address

    def open_to(self, host: str, port: int, ports: frozenset[int] = PORTS) -> list[Address]:
        """The addresses of ``host``, all of which may be connected to. ``ports``: those that nobody has to name.

        Raises :class:`OutboundRefused` when one may not: a name that leads to several places is as good as the worst.
        """
        found: list[Address] = []
        for text in self.resolve(host, port):
            try:
                found.append(ip_address(text))
            except ValueError:
                raise OutboundRefused("The host has an address that cannot be read.") from None
        if not found:
            raise httpcore.ConnectError("the name has no address")
        if not all(self.allowed.permits(host, address) for address in found):
            raise OutboundRefused("The host is not a public one, and VOUCH_OUTBOUND_ALLOW does not name it.")
        if port not in ports and not all(self.allowed.names_host(host, address) for address in found):
            said = ", ".join(map(str, sorted(ports)))
            raise OutboundRefused(f"Only the ports {said} are reached, unless VOUCH_OUTBOUND_ALLOW names the host.")
        return found


PUBLIC_ONLY = Ways()


class GuardedBackend(httpcore.NetworkBackend):
    """For one request: every connection is judged, and nothing takes longer than ``deadline`` (monotonic)."""

    def __init__(self, ways: Ways, deadline: float) -> None:
        self._ways, self._deadline = ways, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("the host cannot be reached")
        for address in self._ways.open_to(host, port)[:_TRIES]:
            try:
                stream = self._ways.connect(str(address), port, _left(self._deadline, httpcore.ConnectTimeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Timed(stream, self._deadline)
        raise failed

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise OutboundRefused("Only hosts are reached.")


class _Timed(httpcore.NetworkStream):
    """A stream whose every step has what is left of the request's time: a slow trickle does not begin it anew."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise timeout("the request took too long")
    return min(left, _PATIENCE_S)
