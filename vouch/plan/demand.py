"""What is asked of a cluster, refused where it makes no sense."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from vouch.core.errors import InvalidInput

GIB = 2**30

Quantisation = Literal["none", "scalar", "binary"]
MOST_CHUNKS = 10**12


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the cluster's. ``price``: of an hour, in whatever money; None where nobody said."""

    cores: int = 16
    memory_gib: float = 64.0
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """``visibility``: share of its tenant's chunks that an asker sees; ``groups``: how many of an asker's groups that
    is divided among; ``shards``: None for as many as keep each within the size that was measured. With ``routed`` a
    search goes to its tenant's shards alone."""

    chunks: int
    qps: float
    visibility: float
    dimensions: int = 384
    groups: int = 20
    tenants: int = 1
    routed: bool = False
    replicas: int = 2
    quantisation: Quantisation = "none"
    shards: int | None = None
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        """Raises :class:`InvalidInput` naming the field."""
        _whole("chunks", self.chunks, MOST_CHUNKS)
        _positive("qps", self.qps)
        if not 0 < self.visibility <= 1:
            raise InvalidInput(f"{self.visibility} is no share above 0 and up to 1", field="visibility")
        _whole("dimensions", self.dimensions, 65_536)
        _whole("groups", self.groups, 100_000)
        _whole("tenants", self.tenants, self.chunks)
        _whole("replicas", self.replicas, 100)
        if self.quantisation not in get_args(Quantisation):
            raise InvalidInput(f"{self.quantisation!r} is none of {get_args(Quantisation)}", field="quantisation")
        if self.shards is not None:
            _whole("shards", self.shards, self.chunks)
        _whole("cores", self.machine.cores, 10_000)
        _positive("memory", self.machine.memory_gib)
        if self.machine.price is not None:
            _positive("price", self.machine.price)


def _whole(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InvalidInput(f"{value} is not from 1 to {most}", field=field)


def _positive(field: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidInput(f"{value} is not above 0", field=field)
