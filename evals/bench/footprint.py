"""What an index costs besides the time of its searches: to build, on disk, in memory.

What building cost is kept beside the index, so that a later run over the same index can say it too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from evals.bench.askers import Population
from evals.bench.corpus import PER_DOCUMENT, Corpus
from evals.bench.recall import GENERATION, write
from evals.bench.sampled import sampled
from evals.bench.words import Words
from vouch.index.edge import EdgeIndex
from vouch.index.remote import RemoteIndex

BUILT = "built.json"
BLOCK = 512
"""Bytes of what `stat` calls a block."""
KIB = 1024


@dataclass(frozen=True, slots=True)
class Ground:
    """What is indexed, and for whom."""

    corpus: Corpus
    population: Population
    words: Words


@dataclass(frozen=True, slots=True)
class Built:
    """``write_s``: points into the shard; ``graph_s``: the rewriting that makes the graph, in a child process, which
    took ``graph_cpu_s`` of all cores together and held ``graph_bytes`` at most, pages of mapped files not counted."""

    points: int
    write_s: float
    graph_s: float
    graph_cpu_s: float
    graph_bytes: int


def built(folder: Path, ground: Ground, *, graph: bool = True) -> Built:
    """The index in ``folder / GENERATION``, made unless it is there whole. Without a ``graph`` it can be searched
    exactly, and by words, at a size where a graph would take too long to build."""
    known = folder / BUILT
    points = len(ground.corpus.subject) * PER_DOCUMENT
    if known.exists():
        with closing(EdgeIndex(folder / GENERATION, GENERATION)) as index:  # one of an earlier version is empty now
            there = index.state().points
        if there != points:
            raise SystemExit(f"{folder} has an index of {there:,} points, not of {points:,}")
        return Built(**json.loads(known.read_text()))
    with closing(EdgeIndex(folder / GENERATION, GENERATION)) as index:
        began = time.monotonic()
        write(index, ground.corpus, ground.population, ground.words)
        written = time.monotonic()
        print(f"  {points:,} points written in {written - began:.0f} s", file=sys.stderr, flush=True)
        spent = _children_cpu_s()
        with sampled(_anonymous_bytes, every_s=1) as held:
            if graph:
                index.maintain()
        graph_s = time.monotonic() - written
    made = Built(points, written - began, graph_s, _children_cpu_s() - spent, int(max(held, default=0)))
    known.write_text(json.dumps(asdict(made)))
    return made


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _anonymous_bytes() -> float:
    """Of this process's children together."""
    return sum(_held(child) for child in psutil.Process().children(recursive=True))


def _held(process: psutil.Process) -> int:
    try:
        return memory(process).anonymous
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended


def disk_bytes(folder: Path) -> dict[str, int]:
    """Bytes by part of a segment: blocks taken, for the engine's files have holes."""
    taken: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            inside = path.relative_to(folder).parts
            part = next(
                (inside[n + 2] for n, name in enumerate(inside[:-2]) if name == "segments"),
                inside[-2] if inside[1:] else inside[0],
            )
            taken[part] = taken.get(part, 0) + path.stat().st_blocks * BLOCK
    return taken


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the index host. ``anonymous`` cannot be given back to the system; the rest is pages of mapped files."""

    resident: int
    anonymous: int


@dataclass(frozen=True, slots=True)
class Hosted:
    """An index as the services reach it, and the process that holds it and listens on ``socket``."""

    index: RemoteIndex
    process: psutil.Process
    socket: Path


@contextmanager
def host(folder: Path) -> Iterator[Hosted]:
    """The index of ``folder``, while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="vouch-bench-") as place:
        socket = Path(place) / "index.sock"
        command = [sys.executable, "-m", "vouch.index.host", "--folder", str(folder), "--socket", str(socket)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if child.stdout is None or not child.stdout.readline().startswith("ready"):
                raise SystemExit("the index host did not start")
            with closing(RemoteIndex(socket, GENERATION)) as index:
                yield Hosted(index, psutil.Process(child.pid), socket)
        finally:
            child.terminate()
            child.communicate()


def memory(process: psutil.Process) -> Memory:
    """Linux alone says how much of it is anonymous."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    sizes = {name: int(rest.split()[0]) * KIB for name, _, rest in (line.partition(":") for line in lines[1:])}
    return Memory(sizes["Rss"], sizes["Anonymous"])
