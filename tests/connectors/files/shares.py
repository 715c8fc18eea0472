"""A real SMB server on loopback (version 2, signed) that shows a folder as a share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from impacket.ntlm import compute_lmhash, compute_nthash
from impacket.smbserver import SMBSERVER, SimpleSMBServer

from tests.connectors.files.stores import Place, _folder

PASSWORD = "of the tests"


class _Server(SMBSERVER):  # type: ignore[misc]  # it has no types
    daemon_threads = True


def share(folder: Path, prefix: str = "", *, guests: bool = False) -> tuple[Place, Any]:
    """``prefix``: of the share. ``guests``: whether everybody is let in, whoever they say they are. Besides, the server
    itself, whose commands a test may answer in its place (``hookSmb2Command``)."""
    put, remove = _folder(folder / prefix)
    made = SimpleSMBServer("127.0.0.1", 0, smbserverclass=_Server)
    made.addShare("DOCS", str(folder))
    made.setSMB2Support(True)
    if not guests:
        made.addCredential("reader", 0, compute_lmhash(PASSWORD), compute_nthash(PASSWORD))
    server = made.getServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    stack = ExitStack()
    stack.callback(stop)
    store = {
        "type": "smb", "host": "127.0.0.1", "port": server.server_address[1], "share": "DOCS", "path": prefix,
        "user": "reader", "password": PASSWORD,
    }  # fmt: skip
    return Place(store, put, remove, None, folder / prefix, stack), server


def smb(folder: Path) -> Place:
    return share(folder)[0]


Rewrite = Callable[[bytearray], bytearray]


@contextmanager
def between(port: int, rewrite: Rewrite) -> Iterator[int]:
    """The port of somebody on the way to ``port``, who changes what the server says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def carry() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    for source, sink, change in ((client, server, bytearray), (server, client, rewrite)):
                        threading.Thread(target=_forward, args=(source, sink, change), daemon=True).start()

        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _forward(source: socket.socket, sink: socket.socket, change: Rewrite) -> None:
    with suppress(OSError), source, sink:
        while (head := _exactly(source, 4)) and (message := _exactly(source, int.from_bytes(head, "big"))):
            changed = change(bytearray(message))
            sink.sendall(len(changed).to_bytes(4, "big") + changed)
        sink.shutdown(socket.SHUT_RDWR)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data
