"""The index host: one process, one thread, all the embedded generations, a Unix socket.

Every question is answered between two small steps of whatever long work is under way: batches are written in steps of
a few milliseconds, and compaction runs in a child process. One write at a time per generation, in order of arrival.

    python -m vouch.index.host --folder DATA/index --socket DATA/run/index.sock

prints ``ready`` and the socket once it answers. SIGTERM and SIGINT: stop listening, flush, close, exit 0.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from vouch.core.errors import IndexUnavailable, InvalidInput, StartFailed, VouchError
from vouch.index import wire
from vouch.index.compact import Compaction
from vouch.index.edge import EdgeIndex
from vouch.index.protocol import generation_name
from vouch.index.shard_folder import hold_lock

log = logging.getLogger(__name__)

MAX_PAGE = 10_000
MAX_SOCKET_PATH = 107
"""Bytes that a Unix socket's address holds."""
READ_BUFFER = 1 << 20
ROUNDS = 3
"""Turns of the event loop in which a request goes from its socket to its answer."""


class Host:
    """Owns a folder and the generations in it, each opened when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        """Raises :class:`AlreadyRunning` when another host owns ``folder``."""
        self._folder = folder
        self._lock = hold_lock(folder / "host.lock")
        self._indexes: dict[str, EdgeIndex] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._compactions: dict[str, Compaction] = {}

    def close(self) -> None:
        for compaction in self._compactions.values():
            compaction.abandon()
        for index in self._indexes.values():
            index.close()
        self._lock.close()

    async def answer(self, request: wire.AnyRequest) -> wire.AnyReply:
        generation = generation_name(request.generation)
        if isinstance(request, wire.Drop):
            async with self._turns[generation]:
                return wire.Done(self._drop(generation))
        index = self._open(generation)
        match request:
            case wire.Search():
                return wire.Found(index.search(request.query, request.access))
            case wire.Count():
                return wire.Counted(index.count(request.access, request.where))
            case wire.Scan():
                if not 0 < request.limit <= MAX_PAGE:
                    raise InvalidInput(f"a page of {request.limit} points", field="limit")
                return wire.Page(index.scan_page(request.after, request.limit))
            case wire.State():
                return wire.Is(index.state())
            case wire.Maintain():
                return wire.Done(await self._maintain(generation))
        ops = [op.op() for op in request.ops]
        async with self._turns[generation]:
            await _in_steps(self._open(generation).apply_in_steps(ops, upto=request.upto, last=request.last))
        return wire.Done()

    async def _maintain(self, generation: str) -> bool:
        turn = self._turns[generation]
        async with turn:  # nothing is written while the child copies
            index = self._open(generation)
            compaction = index.begin_compaction()
            if compaction is None:
                return False
            self._compactions[generation] = compaction
            try:
                await asyncio.to_thread(compaction.wait_copied)
            except BaseException:
                self._end(generation, index, compaction)
                raise
        try:
            await asyncio.to_thread(compaction.wait)
            async with turn:
                if self._indexes.get(generation) is not index:
                    raise IndexUnavailable(f"index {generation} was dropped while it was compacted")
                await _in_steps(index.adopt(compaction))
        finally:
            self._end(generation, index, compaction)
        log.info("compacted index %s", generation)
        return True

    def _end(self, generation: str, index: EdgeIndex, compaction: Compaction) -> None:
        self._compactions.pop(generation, None)
        index.end_compaction(compaction)

    def _open(self, generation: str) -> EdgeIndex:
        if generation not in self._indexes:
            self._indexes[generation] = EdgeIndex(self._folder / generation, generation)
        return self._indexes[generation]

    def _drop(self, generation: str) -> bool:
        compaction = self._compactions.pop(generation, None)
        if compaction is not None:
            compaction.abandon()
        index = self._indexes.pop(generation, None)
        if index is not None:
            index.close()
        if not (self._folder / generation).exists():
            return False
        shutil.rmtree(self._folder / generation)
        return True


async def _in_steps(steps: Iterator[None]) -> None:
    for _ in steps:
        for _ in range(ROUNDS):
            await asyncio.sleep(0)


async def _answered(host: Host, body: bytes) -> wire.AnyReply:
    try:
        return await host.answer(wire.request_of(body))
    except VouchError as error:
        return wire.Failed(error.code, error.detail, error.field)
    except wire.Malformed as error:
        return wire.Failed(InvalidInput.code, str(error))
    except Exception:
        log.exception("a request failed in a way that nobody foresaw")
        return wire.Failed(IndexUnavailable.code, "the index host failed; its log says why")


async def _serve(host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client: its requests are answered one after another until it leaves or stops making sense."""
    try:
        while True:
            try:
                length = wire.body_length(await reader.readexactly(wire.HEADER.size))
            except wire.Malformed as error:
                writer.write(wire.frame(wire.Failed(InvalidInput.code, str(error))))
                return
            writer.write(wire.frame(await _answered(host, await reader.readexactly(length))))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def _run(folder: Path, socket: Path) -> None:
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
        raise StartFailed(f"the path {socket} is too long for a Unix socket: choose a shorter data folder")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host = Host(folder)
    clients: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(_serve(host, reader, writer))
        clients.add(client)
        client.add_done_callback(clients.discard)

    try:
        socket.parent.mkdir(parents=True, exist_ok=True)
        mask = os.umask(0o177)  # the socket is the owner's alone from its first moment
        try:
            server = await asyncio.start_unix_server(connected, socket, limit=READ_BUFFER)
        finally:
            os.umask(mask)
        print(f"ready {socket}", flush=True)
        await stop.wait()
        server.close()
        socket.unlink(missing_ok=True)
    finally:
        for client in clients:
            client.cancel()
        host.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit status 1 when the host cannot start, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="vouch.index.host", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder of the generations")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to answer on")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(_run(given.folder, given.socket))
    except VouchError as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
