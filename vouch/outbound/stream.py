"""A connection for protocols other than HTTP, to a host that a user named: judged as every other, encrypted, bounded.

Whoever speaks over it allows each exchange so many bytes and seconds; what the host does not say within them is lost.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore

from vouch.core.errors import PayloadTooLarge, Unavailable
from vouch.outbound.door import Outbound

_STEP = 64 * 1024
_CONNECT_S = 30.0
_PATIENCE_S = 30.0
"""Longest that is waited for the next byte."""


class Stream:
    """One connection. Every failure of it is :class:`Unavailable`, and ends it."""

    def __init__(self, outbound: Outbound, host: str, port: int, ports: frozenset[int]) -> None:
        """Connects. Raises :class:`OutboundRefused` for what may not be reached, :class:`Unavailable`."""
        self._outbound, self.host = outbound, host
        self._buffer = bytearray()
        self._left = 0
        self._until = time.monotonic() + _CONNECT_S
        with self._told():
            self._stream = outbound.ways.connected(host, port, self._until, ports)

    def allow(self, max_bytes: int, seconds: float) -> None:
        """What the next exchange may take, from now on."""
        self._left, self._until = max_bytes, time.monotonic() + seconds

    def start_tls(self) -> None:
        """From here on nobody in between can read, and the host has proved its name. Raises :class:`Unavailable` where
        something was said before that has not been read: whoever is in between could have said it."""
        if self._buffer:
            raise Unavailable(f"{self.host} says more than it was asked before the connection is encrypted.")
        with self._told():
            self._stream = self._stream.start_tls(self._outbound.trust, self.host, self._patience())

    def send(self, data: bytes) -> None:
        with self._told():
            self._stream.write(data, self._patience())

    def read(self, size: int) -> bytes:
        """``size`` bytes. Raises :class:`PayloadTooLarge` when that is more than was allowed."""
        self._take(size)
        return self._until_there(lambda: size if len(self._buffer) >= size else 0) if size else b""

    def read_line(self, longest: int) -> bytes:
        """Up to a line feed, which is part of it. Raises as :meth:`read`."""
        searched = 0

        def end() -> int:
            nonlocal searched
            found = self._buffer.find(b"\n", searched) + 1
            searched = len(self._buffer)
            if (found or searched) > min(longest, self._left):
                raise PayloadTooLarge(f"{self.host} says more than it was asked.")
            return found

        line = self._until_there(end)
        self._take(len(line))
        return line

    def close(self) -> None:
        self._stream.close()

    def _take(self, size: int) -> None:
        if size > self._left:
            raise PayloadTooLarge(f"{self.host} says more than it was asked.")
        self._left -= size

    def _until_there(self, end: Callable[[], int]) -> bytes:
        while not (size := end()):
            with self._told():
                more = self._stream.read(_STEP, self._patience())
            if not more:
                raise Unavailable(f"{self.host} ended the connection.")
            self._buffer += more
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _patience(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the exchange took too long")
        return min(left, _PATIENCE_S)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpcore.TimeoutException as error:
            raise Unavailable(f"{self.host} did not answer in time.") from error
        except httpcore.NetworkError as error:
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
                raise Unavailable(f"{self.host} does not prove by its certificate that it is that host.") from error
            raise Unavailable(f"{self.host} cannot be reached, or ended the connection.") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
