"""The SMB library on a socket that the door connected, and stricter than it is by itself.

Left alone, the library resolves and connects to what a server is called, believes how long an answer says it is, takes
an unsigned answer to a signed question, and follows a link to wherever the server says.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from contextlib import suppress
from socket import SHUT_RDWR
from socket import socket as Socket
from typing import Any
from uuid import uuid4

from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBException
from smbprotocol.header import Commands, NtStatus

for _name in ("smbprotocol", "spnego"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # below that they write down who logs in, and what a host says
_MOST = 4 << 20
"""Of one message; what is asked for is a fraction of it."""
_UNASKED = 0xFFFFFFFFFFFFFFFF


class Wire:
    """The library's transport: messages with their length before them, over a socket that is connected already."""

    def __init__(self, socket: Socket) -> None:
        socket.settimeout(None)  # the library's thread waits for answers, and :meth:`allow` says for how long
        self._socket = socket
        self._sending, self._closing = threading.Lock(), threading.Lock()
        self._until = 0.0
        self.connected = True

    def allow(self, seconds: float) -> None:
        """What the next step may take, from now on. What is said after that is not listened to."""
        self._until = time.monotonic() + seconds

    def connect(self) -> None:
        """It is."""

    def close(self) -> None:
        """From any thread; whoever waits for an answer then gets none. Whoever connected it frees the socket."""
        with self._closing:
            if self.connected:
                self.connected = False
                with suppress(OSError):
                    self._socket.shutdown(SHUT_RDWR)

    def send(self, message: bytes) -> None:
        with self._sending:
            self._socket.sendall(len(message).to_bytes(4, "big") + message)

    def recv(self, timeout: float) -> bytes:
        """The next message; nothing when the connection is over. Raises ``TimeoutError`` when none begins in time."""
        if self.connected and not select.select([self._socket], [], [], timeout)[0]:
            raise TimeoutError("nothing was said")
        size = int.from_bytes(self._exactly(4), "big")
        if size > _MOST:
            raise ValueError("a message is longer than any that was asked for")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = self._until - time.monotonic()
            said = self.connected and left > 0 and select.select([self._socket], [], [], left)[0]
            more = self._socket.recv(min(size - len(data), 1 << 16)) if said else b""
            if not more:
                self.close()
                return b""
            data += more
        return bytes(data)


class Guarded(Connection):  # type: ignore[misc]  # the library has no types
    """A connection over ``wire``, and over nothing else."""

    def __init__(self, wire: Wire, host: str, port: int, patience_s: float) -> None:
        self._wire, self._patience_s = wire, patience_s
        super().__init__(uuid4(), host, port, require_signing=True)

    @property
    def transport(self) -> Wire:
        return self._wire

    @transport.setter
    def transport(self, made: object) -> None:
        """The library makes one of its own, which would connect when it is told to: it is let go before that."""

    def receive(
        self, request: Any, wait: bool = True, timeout: float | None = None, resolve_symlinks: bool = True
    ) -> Any:
        """As the library does it, within bounds. Raises its errors, and no others: what a host says that makes no sense
        to it makes it stumble in more ways than can be named."""
        try:
            return super().receive(request, wait, timeout or self._patience_s, resolve_symlinks=False)
        except SMBException:
            raise
        except Exception as error:
            raise SMBException("The host says what makes no sense.") from error

    def verify_signature(self, header: Any, session_id: int, force: bool = False) -> None:
        """An answer within a session is signed or it is none: the library alone would pass one without a signature."""
        interim = header["status"].get_value() == NtStatus.STATUS_PENDING
        unasked = header["message_id"].get_value() == _UNASKED
        setting_up = header["command"].get_value() in (Commands.SMB2_NEGOTIATE, Commands.SMB2_SESSION_SETUP)
        inside = session_id in self.session_table and not (interim or unasked or setting_up)
        super().verify_signature(header, session_id, force=force or inside)
