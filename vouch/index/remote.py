"""The client of the index host: :class:`vouch.index.protocol.Index` over a Unix socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from vouch.core.errors import AlreadyRunning, IndexUnavailable, InvalidInput, VouchError
from vouch.core.types import AccessFilter, IndexHits, IndexQuery, SearchFilter
from vouch.index import wire
from vouch.index.batches import batches
from vouch.index.protocol import IndexOp, IndexState, StoredPoint, generation_name

BATCH = 256
"""Points, or documents, that one frame carries."""
IDLE_CONNECTIONS = 8
ANSWER_WITHIN_S = 30.0
MAINTAIN_WITHIN_S = 3600.0

_ERRORS: dict[str, type[VouchError]] = {error.code: error for error in (InvalidInput, AlreadyRunning)}

R = TypeVar("R", bound=wire.AnyReply)


class RemoteIndex:
    """One generation in the index host. Threads may share it; so may a process and its forked children."""

    def __init__(self, path: Path, generation: str) -> None:
        """``path`` is the host's socket; nothing is connected before the first call."""
        self._path = path
        self._generation = generation_name(generation)
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # --- the protocol ---------------------------------------------------------------------------

    def state(self) -> IndexState:
        return self._ask(wire.State(self._generation), wire.Is).state

    def apply(self, ops: Sequence[IndexOp], *, upto: int) -> None:
        part: list[wire.Op] = []
        size = 0
        for op in batches(ops, BATCH):
            part.append(wire.Op.of(op))
            size += _size(op)
            if size >= BATCH:
                self._ask(wire.Apply(self._generation, tuple(part), upto, last=False), wire.Done)
                part, size = [], 0
        self._ask(wire.Apply(self._generation, tuple(part), upto, last=True), wire.Done)

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        return self._ask(wire.Search(self._generation, query, access), wire.Found).hits

    def count(self, access: AccessFilter, where: SearchFilter) -> int:
        return self._ask(wire.Count(self._generation, access, where), wire.Counted).points

    def scan(self, *, batch: int = 1000) -> Iterator[list[StoredPoint]]:
        after: str | None = None
        while page := self._ask(wire.Scan(self._generation, after, batch), wire.Page).points:
            yield page
            after = page[-1].id

    def maintain(self) -> bool:
        return self._ask(wire.Maintain(self._generation), wire.Done, within_s=MAINTAIN_WITHIN_S).changed

    def drop(self) -> bool:
        """Remove the generation and its files; False when there was none."""
        return self._ask(wire.Drop(self._generation), wire.Done).changed

    # --- connections ----------------------------------------------------------------------------

    def _ask(self, request: wire.AnyRequest, expected: type[R], *, within_s: float = ANSWER_WITHIN_S) -> R:
        message = wire.frame(request)
        reply = self._exchange(message, within_s)
        if isinstance(reply, wire.Failed):
            raise _ERRORS.get(reply.code, IndexUnavailable)(reply.detail, field=reply.field)
        if not isinstance(reply, expected):
            raise IndexUnavailable(f"the index host answered with {type(reply).__name__}")
        return reply

    def _exchange(self, message: bytes, within_s: float) -> wire.AnyReply:
        kept = self._kept()
        if kept is not None:
            try:
                return self._over(kept, message, within_s)
            except ConnectionError:
                self.close()  # the host was restarted; every request may be asked twice, so a new connection asks again
            except (OSError, wire.Malformed) as error:
                raise IndexUnavailable(f"the index host does not answer: {error}") from error
        try:
            return self._over(self._connect(), message, within_s)
        except (OSError, wire.Malformed) as error:
            raise IndexUnavailable(f"the index host does not answer: {error}") from error

    def _over(self, connection: socket.socket, message: bytes, within_s: float) -> wire.AnyReply:
        try:
            connection.settimeout(within_s)
            connection.sendall(message)
            length = wire.body_length(_receive(connection, wire.HEADER.size))
            reply = wire.reply_of(_receive(connection, length))
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return reply

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(ANSWER_WITHIN_S)
            connection.connect(str(self._path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _kept(self) -> socket.socket | None:
        with self._lock:
            if self._owner != os.getpid():  # forked: these connections are the parent's to speak on
                self._idle, self._owner = [], os.getpid()
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()


def _size(op: IndexOp) -> int:
    return len(getattr(op, "points", None) or getattr(op, "document_ids", None) or (op,))


def _receive(connection: socket.socket, size: int) -> bytearray:
    """Exactly ``size`` bytes. Raises :class:`ConnectionError` when the host hangs up first."""
    received = bytearray(size)
    view = memoryview(received)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise ConnectionResetError("the index host hung up")
        view = view[got:]
    return received
