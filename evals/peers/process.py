"""A peer as we hold it: a child process in the peers' environment, asked over pipes, given vectors where it wants them.

The environment is ``.venv-peers`` in the repository (`make bench-peers` makes it), or the one whose Python
``VOUCH_EVAL_PEERS`` names.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from evals.datasets import REPOSITORY
from evals.peers.wire import Document, Found, Message, Setup, hear, packed, say, write_documents
from vouch.core.errors import BadConfig
from vouch.gateway.embed import Embedder

_QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class PeerFailed(RuntimeError):
    """A peer's process ended or said what we do not understand."""


@dataclass(frozen=True, slots=True)
class Ingested:
    passages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Searched:
    found: Found
    seconds: float


def peers_python() -> Path:
    """The interpreter of the peers' environment. Raises :class:`BadConfig` where there is none."""
    python = Path(os.environ.get("VOUCH_EVAL_PEERS") or REPOSITORY / ".venv-peers" / "bin" / "python")
    if not python.is_file():
        raise BadConfig(f"the peers' environment is not there ({python}); `make bench-peers` makes it")
    return python


class PeerProcess:
    """A running peer; a context manager. ``embedder`` answers for vectors where a setup says so.

    ``threads``: how many its libraries may use.
    """

    def __init__(
        self, name: str, embedder: Embedder | None = None, *, python: Path | None = None, threads: int = 2
    ) -> None:
        self.name = name
        self._embedder = embedder
        self._complaints: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._child = subprocess.Popen(
            [str(python or peers_python()), "-m", "evals.peers.child", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=REPOSITORY,
            env={**_environment(), "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._complaints.close()

    def build(self, setup: Setup) -> Self:
        """Begin anew, with nothing ingested."""
        self._say({"build": asdict(setup)})
        self._heard("ready")
        return self

    def ingest(self, documents: Sequence[Document]) -> Ingested:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "documents.jsonl"
            write_documents(path, documents)
            self._say({"ingest": str(path)})
            answer = self._heard("passages")
        return Ingested(int(answer["passages"]), float(answer["seconds"]))

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Searched:
        self._say({"search": query, "limit": limit, "groups": None if groups is None else list(groups)})
        answer = self._heard("found")
        return Searched([(str(i), float(score)) for i, score in answer["found"]], float(answer["seconds"]))

    def _say(self, message: Message) -> None:
        assert self._child.stdin is not None
        try:
            say(self._child.stdin, message)
        except BrokenPipeError:
            raise self._failed() from None

    def _heard(self, wanted: str) -> Message:
        """The answer that has ``wanted``; questions for vectors in between are answered."""
        assert self._child.stdout is not None
        while (message := hear(self._child.stdout)) is not None:
            if wanted in message:
                return message
            if "embed" not in message or self._embedder is None:
                raise PeerFailed(f"{self.name} said {sorted(message)} where {wanted!r} was wanted")
            self._say({"vectors": packed(self._embedder.embed(message["embed"]).tolist())})
        raise self._failed()

    def _failed(self) -> PeerFailed:
        self._child.wait(30)
        self._complaints.seek(0)
        return PeerFailed(f"{self.name} ended with {self._child.returncode}:\n{self._complaints.read()[-3000:]}")


def _environment() -> dict[str, str]:
    """Ours less our settings, quiet, offline, and finding `evals` in this very repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VOUCH_", "PYTHON"))}
    return kept | _QUIET | {"PYTHONPATH": str(REPOSITORY)}
