"""Passages per second of whole pipelines, the same texts with the same weights, Vouch and the peers in turns.

Each turn takes the next few abstracts, short enough that nobody cuts them. A peer splits, embeds with its own component
and indexes in its process; Vouch is the whole platform over HTTP, from a folder of files to searchable.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from evals import sets
from evals.bench.live import live, ok, sync
from evals.peers.documents import readable
from evals.peers.ours import HYBRID
from evals.peers.process import Ingested, PeerProcess
from evals.peers.wire import Document, Setup
from vouch.core.settings import Settings
from vouch.gateway.weights import packaged_folder

LEAST, MOST = 450, 800
"""Characters of a text: 145 word pieces on average, under 200 nearly always, and so one passage everywhere."""
TURNS = 3


class Pipeline(Protocol):
    def ingest(self, documents: Sequence[Document]) -> Ingested: ...


@dataclass(slots=True)
class Pace:
    """All turns of one pipeline."""

    passages: int = 0
    seconds: float = 0.0
    turns: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.passages / self.seconds

    def add(self, turn: Ingested) -> None:
        self.passages += turn.passages
        self.seconds += turn.seconds
        self.turns.append(round(turn.passages / turn.seconds, 1))


def measure(peers: Sequence[str], settings: Settings, *, passages: int, data: Path | None = None) -> dict[str, Pace]:
    """Each pipeline's pace over :data:`TURNS` turns, after one of four texts that warms it up and does not count."""
    texts = [one for one in readable(sets.load("scifact", data).documents) if LEAST <= len(one.text) <= MOST]
    turns = list(_turns(texts[: passages + 4], -(-passages // TURNS)))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        pipelines: dict[str, Pipeline] = {HYBRID: stack.enter_context(platform(settings, Path(folder) / HYBRID))}
        for name in peers:
            own = Path(folder) / name
            own.mkdir()
            setup = Setup(str(packaged_folder()), str(own), embeds="everything")
            pipelines[name] = stack.enter_context(PeerProcess(name)).build(setup)
        for pipeline in pipelines.values():
            pipeline.ingest(turns[0])
        paces = {name: Pace() for name in pipelines}
        for turn in turns[1:]:
            for name, pipeline in pipelines.items():
                paces[name].add(pipeline.ingest(turn))
                print(f"ingestion, {name}: {paces[name].turns[-1]} passages/s", file=sys.stderr, flush=True)
    return paces


def _turns(texts: Sequence[Document], size: int) -> Iterator[Sequence[Document]]:
    yield texts[:4]
    for start in range(4, len(texts), size):
        yield texts[start : start + size]


@dataclass(frozen=True, slots=True)
class _Platform:
    """Vouch, over HTTP. A document is a file that a folder source finds."""

    http: httpx.Client
    folder: Path
    source: str

    def ingest(self, documents: Sequence[Document]) -> Ingested:
        for document in documents:
            (self.folder / f"{document.id}.txt").write_text(document.text, encoding="utf-8")
        _, seconds = sync(self.http, self.source)
        # Not its chunks: the few texts that it cuts in two are to count once, as with everybody.
        return Ingested(len(documents), seconds)


@contextmanager
def platform(settings: Settings, folder: Path) -> Iterator[_Platform]:
    files = folder / "files"
    files.mkdir(parents=True)
    (files / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    own = settings.model_copy(update={"data_dir": folder / "data", "port": 0})
    with live(own) as http:
        made = http.post("/v1/sources", json={"name": "texts", "kind": "filesystem", "config": {"path": str(files)}})
        yield _Platform(http, files, str(ok(made)["id"]))
