"""From a demand to a cluster that meets it.

    shards     as many as keep each within the largest index that was measured
    machines   the most of: hot bytes into memory, CPU of all searches into cores, one core for each shard of a search,
               a machine for each replica of a shard
    p95        of one shard, times what the slowest of several adds, times what waiting for a core adds

Beyond the measured sizes, and for whatever a network adds, it is an extrapolation; the range of p95 says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from vouch.index.plan import DensePlan, choose_by_fields
from vouch.plan.cost import Asked, build_s, search_ms, weight
from vouch.plan.demand import GIB, Demand
from vouch.plan.measured import Measured

MEMORY_USED = 0.75
"""Of a machine's memory: the rest is for building graphs, and for the system."""
CORES_USED = 0.5
"""Of all cores, by searches: above, waiting grows faster than it is worth."""
DISK_FACTOR = 2.0
"""While a shard is rewritten there are two of it."""
QUORUM = 3
"""Machines from which a cluster outlives the loss of one."""
HOURS_A_MONTH = 730

Bound = Literal["memory", "searches", "one search", "replicas"]


@dataclass(frozen=True, slots=True)
class P95:
    """Milliseconds. ``low``: nobody waits and no shard is slower than the others; ``high``: the model errs as far as it
    does anywhere, and twice as far where a shard is larger than any that was measured."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """``asked``: shards that one search asks. Bytes are of all replicas together."""

    demand: Demand
    shards: int
    chunks_per_shard: int
    asked: int
    way: DensePlan
    hot_bytes: float
    resident_bytes: float
    disk_bytes: float
    machines: int
    bound_by: Bound
    cpu_ms: float
    busy: float
    p95: P95
    build_hours: float
    ingest_core_hours: float
    extrapolated: bool
    month: float | None


def plan(demand: Demand, known: Measured) -> Cluster:
    """The cheapest cluster, by the model, that meets ``demand``."""
    shards = demand.shards or math.ceil(demand.chunks / known.largest)
    per_shard = math.ceil(demand.chunks / shards)
    asked = math.ceil(shards / demand.tenants) if demand.routed else shards
    one = _shard(demand, per_shard, asked)
    shard_ms = search_ms(known.cpu, one)
    each = weight(known.bytes, per_shard, demand.dimensions, demand.quantisation)
    copies = shards * demand.replicas
    cpu_ms = shard_ms * asked
    machines, bound_by = _machines(demand, each.hot * copies, cpu_ms, asked)
    cores = machines * demand.machine.cores
    busy = demand.qps * cpu_ms / 1_000 / cores
    hour = demand.machine.price
    return Cluster(
        demand=demand,
        shards=shards,
        chunks_per_shard=per_shard,
        asked=asked,
        way=one.way,
        hot_bytes=each.hot * copies,
        resident_bytes=each.resident * copies,
        disk_bytes=each.disk * copies * DISK_FACTOR,
        machines=machines,
        bound_by=bound_by,
        cpu_ms=cpu_ms,
        busy=busy,
        p95=_p95(known, shard_ms, asked, busy, per_shard),
        build_hours=build_s(known.build, per_shard) * copies / cores / 3_600,
        ingest_core_hours=demand.chunks * known.build.ingest / 3_600,
        extrapolated=per_shard > known.largest or asked > 1,
        month=None if hour is None else machines * hour * HOURS_A_MONTH,
    )


def _shard(demand: Demand, per_shard: int, asked: int) -> Asked:
    """A tenant's chunks lie evenly on the shards that its searches ask. How these are searched is planned as the index
    plans it: by all the chunks there are, and all that the asker sees."""
    visible = demand.visibility * demand.chunks / demand.tenants
    way = choose_by_fields(demand.chunks, lambda: round(visible))
    return Asked(per_shard, min(per_shard, visible / asked), demand.dimensions, demand.groups, way)


def _machines(demand: Demand, hot: float, cpu_ms: float, asked: int) -> tuple[int, Bound]:
    machine = demand.machine
    least: dict[Bound, int] = {
        "replicas": demand.replicas if demand.replicas == 1 else max(QUORUM, demand.replicas),
        "memory": math.ceil(hot / (machine.memory_gib * GIB * MEMORY_USED)),
        "searches": math.ceil(demand.qps * cpu_ms / 1_000 / (machine.cores * CORES_USED)),
        "one search": math.ceil(asked / machine.cores),
    }
    bound = max(least, key=lambda by: least[by])
    return least[bound], bound


def _p95(known: Measured, shard_ms: float, asked: int, busy: float, per_shard: int) -> P95:
    normal = NormalDist()
    sigma = math.log(known.cpu.spread) / normal.inv_cdf(0.95)
    slowest = math.exp(sigma * normal.inv_cdf(0.95 ** (1 / asked)))
    likely = shard_ms * slowest / (1 - busy)
    error = known.error * (2 if per_shard > known.largest else 1)
    return P95(shard_ms * known.cpu.spread / (1 + error), likely, likely * (1 + error))
