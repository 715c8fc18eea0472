"""What one shard costs: bytes, CPU of a search, CPU of building it.

A hybrid search spends its time on access rather than on likeness. The words' arm weighs by what the asker may see, so
it checks every visible chunk, whatever the question; the exact dense arm does so too, and compares:

    check  = visible · (check + groups · check_group)
    words  = fixed + check + chunks · posting
    exact  = fixed + check + visible · dimensions · dot
    graph  = fixed + ef · (graph + groups · graph_group)
    acorn  = fixed + ef · (graph + groups · graph_group) · acorn
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vouch.index.plan import DensePlan
from vouch.plan.demand import Quantisation
from vouch.plan.measured import Build, Bytes, Cpu

_OF_DENSE = {"none": 0.0, "scalar": 1 / 4, "binary": 1 / 32}
"""What quantised vectors take of whole ones, beside which they are kept."""
MICRO_IN_MS = 1_000


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of a shard. ``hot``: what every search touches, so what must fit into memory; ``resident``: what lies there
    where there is room, every mapped file and all."""

    disk: float
    hot: float
    resident: float


def weight(each: Bytes, chunks: int, dimensions: int, quantisation: Quantisation) -> Weight:
    """Quantised vectors are searched, whole ones read for the few that are scored again; without, the whole ones."""
    dense = each.dense * dimensions
    quantised = dense * _OF_DENSE[quantisation]
    disk = dense + quantised + each.graph + each.words + each.words_written + each.payload + each.fields + each.ids
    hot = (quantised or dense) + each.graph + each.words + each.ids + each.anonymous
    return Weight(chunks * disk + each.log, chunks * hot, chunks * (disk + each.anonymous) + each.log)


@dataclass(frozen=True, slots=True)
class Asked:
    """One shard, as one search meets it."""

    chunks: float
    visible: float
    dimensions: int
    groups: int
    way: DensePlan


def search_ms(cpu: Cpu, asked: Asked) -> float:
    """CPU of a hybrid search of one shard, median."""
    check = asked.visible * (cpu.check + asked.groups * cpu.check_group)
    words = check + asked.chunks * cpu.posting
    if asked.way.hnsw_ef is None:
        dense = check + asked.visible * asked.dimensions * cpu.dot
    else:
        walk = asked.way.hnsw_ef * (cpu.graph + asked.groups * cpu.graph_group)
        dense = walk * (cpu.acorn if asked.way.mode == "acorn" else 1)
    return 2 * cpu.fixed_ms + (words + dense) / MICRO_IN_MS


def build_s(build: Build, chunks: int) -> float:
    """CPU of writing a shard and of its graph, which grows with the logarithm of what is there already."""
    return chunks * (build.write + build.link * math.log2(max(2, chunks)))
