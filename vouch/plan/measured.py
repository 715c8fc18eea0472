"""What the model computes with, and the measured points that it must reproduce: `measured.toml`, as types."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("measured.toml")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bytes(_Part):
    """Of one chunk, but ``dense``: of one dimension; and ``log``: of a shard, whatever its size."""

    dense: float
    graph: float
    words: float
    words_written: float
    payload: float
    fields: float
    ids: float
    anonymous: float
    log: float


class Cpu(_Part):
    """Microseconds, but ``fixed_ms``: of a search. The rest is of one visible chunk (``check``, and for each group
    ``check_group``), of one dimension of one visible chunk (``dot``), of one chunk of the shard (``posting``), and
    of one unit of ``ef`` (``graph``, and for each group ``graph_group``)."""

    fixed_ms: float
    check: float
    check_group: float
    dot: float
    posting: float
    graph: float
    graph_group: float
    acorn: float
    """Times a walk of the same width."""
    spread: float
    """p95 as a multiple of the median, for one shard."""


class Build(_Part):
    """Seconds of CPU: to write a chunk, to link one into a graph of two, and to ingest one from its text."""

    write: float
    link: float
    ingest: float


class Searched(_Part):
    """CPU of one hybrid search of ``way``, median."""

    visibility: float
    groups: int
    way: str
    cpu_ms: float
    recall: float


class Weighed(_Part):
    """One measured index. ``resident``: of its host after it was asked; ``build_s`` None where no graph was built."""

    name: str
    command: str
    beside: str
    chunks: int
    disk_bytes: float
    resident_bytes: float
    build_cpu_s: float | None = None
    search: tuple[Searched, ...]


class Measured(_Part):
    """The model is at most ``1 + error`` times off a point, above or below; a test holds it to that."""

    error: float
    bytes: Bytes
    cpu: Cpu
    build: Build
    index: tuple[Weighed, ...]

    @property
    def largest(self) -> int:
        """Chunks of the largest index that was measured: beyond, all is extrapolated."""
        return max(weighed.chunks for weighed in self.index)


@cache
def measured() -> Measured:
    return Measured.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
