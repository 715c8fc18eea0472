"""A real SMB server on loopback (version 2, signed) that shows a folder as a share."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from impacket.ntlm import compute_lmhash, compute_nthash
from impacket.smbserver import SMBSERVER, SimpleSMBServer

from tests.connectors.stores import Place, _folder

PASSWORD = "of the tests"


class _Server(SMBSERVER):  # type: ignore[misc]  # it has no types
    daemon_threads = True


def smb(folder: Path, prefix: str = "") -> Place:
    put, remove = _folder(folder / prefix)
    made = SimpleSMBServer("127.0.0.1", 0, smbserverclass=_Server)
    made.addShare("DOCS", str(folder))
    made.setSMB2Support(True)
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
    return Place(store, put, remove, None, folder / prefix, stack)
