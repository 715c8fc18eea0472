"""``python -m evals.peers.child NAME``: one peer in a process and an environment of its own.

It hears commands on standard input and answers on standard output, a line of JSON each. What libraries print goes to
standard error. With vectors that we give, it asks for them in the middle of a command and hears them as the next line.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from evals.peers.kinds import build
from evals.peers.own_vectors import OwnVectors
from evals.peers.wire import Message, Peer, Setup, Vectors, hear, read_documents, say, unpacked


class AskedVectors:
    """:class:`evals.peers.wire.Vectors` from the one who started us, less those that ``setup`` says are our own."""

    def __init__(self, into: IO[str], out: IO[str], setup: Setup) -> None:
        self._in, self._out = into, out
        self._setup = setup
        self._own: Vectors | None = None
        self.searching = False

    def of(self, texts: Sequence[str]) -> list[list[float]]:
        if self.searching and self._setup.embeds == "queries":
            self._own = self._own or OwnVectors(self._setup.model, self._setup.threads)
            return self._own.of(texts)
        say(self._out, {"embed": list(texts)})
        answer = hear(self._in)
        if answer is None:
            raise SystemExit("nobody answers")
        return unpacked(answer["vectors"])


def main() -> int:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    peer: Peer | None = None
    while (message := hear(sys.stdin)) is not None:
        if "build" in message:
            setup = Setup(**message["build"])
            asked = AskedVectors(sys.stdin, out, setup)
            peer = build(sys.argv[1], setup, None if setup.embeds == "everything" else asked)
            say(out, {"ready": sys.argv[1]})
            continue
        assert peer is not None, "nothing was built"
        asked.searching = "search" in message
        say(out, answer(peer, message))
    return 0


def answer(peer: Peer, message: Message) -> Message:
    """Seconds are of the peer alone: neither reading the file nor the pipe counts."""
    if "ingest" in message:
        documents = list(read_documents(Path(message["ingest"])))
        began = time.perf_counter()
        passages = peer.ingest(documents)
        return {"passages": passages, "seconds": time.perf_counter() - began}
    began = time.perf_counter()
    found = peer.search(message["search"], message["limit"], message["groups"])
    return {"found": found, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    sys.exit(main())
