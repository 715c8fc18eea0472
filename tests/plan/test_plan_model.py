"""`vouch plan`: its model against what was measured, against arithmetic by hand, and against sense."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vouch.cli.main import app
from vouch.core.errors import InvalidInput
from vouch.index.plan import EXACT, DensePlan
from vouch.plan.cluster import plan
from vouch.plan.cost import Asked, build_s, search_ms, weight
from vouch.plan.demand import GIB, Demand, Machine
from vouch.plan.measured import Build, Bytes, Cpu, Measured, Searched, Weighed, measured

KNOWN = measured()
SEARCHES = [(index, searched) for index in KNOWN.index for searched in index.search]
ROUND = Measured(
    error=0.5,
    bytes=Bytes(
        dense=4, graph=100, words=200, words_written=300, payload=400, fields=500, ids=20, anonymous=1_000, log=0
    ),
    cpu=Cpu(
        fixed_ms=1, check=1, check_group=0.1, dot=0.001, posting=0.01,
        graph=10, graph_group=1, acorn=4, spread=2,
    ),
    build=Build(write=0.001, link=0.0001, ingest=0.02),
    index=(
        Weighed(name="a", command="b", beside="c", chunks=1_000_000, disk_bytes=1, resident_bytes=1, search=()),
    ),
)  # fmt: skip


def within(model: float, point: float) -> bool:
    return abs(math.log(model / point)) <= math.log(1 + KNOWN.error)


def test_the_measured_sizes_are_those_that_the_page_speaks_of() -> None:
    assert {index.chunks for index in KNOWN.index} == {100_000, 1_000_000}
    assert all({s.visibility for s in index.search} == {0.5, 0.1, 0.01, 0.001} for index in KNOWN.index)
    assert KNOWN.error <= 0.5


@pytest.mark.parametrize("index", KNOWN.index, ids=lambda index: index.name)
def test_bytes_and_build_are_reproduced(index: Weighed) -> None:
    got = weight(KNOWN.bytes, index.chunks, 384, "none")
    assert within(got.disk, index.disk_bytes), (got.disk, index.disk_bytes)
    assert within(got.resident, index.resident_bytes), (got.resident, index.resident_bytes)
    assert got.hot < got.resident
    if index.build_cpu_s is not None:
        assert within(build_s(KNOWN.build, index.chunks), index.build_cpu_s)


@pytest.mark.parametrize(("index", "searched"), SEARCHES, ids=lambda part: getattr(part, "name", None) or repr(part))
def test_searches_are_reproduced(index: Weighed, searched: Searched) -> None:
    mode, _, width = searched.way.partition(" ")
    way = DensePlan(mode, int(width)) if width else EXACT  # type: ignore[arg-type]
    asked = Asked(index.chunks, index.chunks * searched.visibility, 384, searched.groups, way)
    assert within(search_ms(KNOWN.cpu, asked), searched.cpu_ms), (search_ms(KNOWN.cpu, asked), searched.cpu_ms)


def test_a_cluster_computed_by_hand() -> None:
    """10 million chunks of 100 dimensions: ten shards of a million. An asker sees one of a hundred, so 10,000 on each.

    hot        400 + 100 + 200 + 20 + 1000 = 1,720 bytes a chunk, of 20 million chunks with their replicas
    disk       400 + 100 + 200 + 300 + 400 + 500 + 20 = 1,920 bytes a chunk, twice
    one shard  check = 10,000 · (1 + 10 · .1) = 20 ms; words 20 + 10; exact 20 + 10,000 · 100 · .001 = 1; fixed 2 · 1
    machines   34.4 GB into 3 GiB each; 530 ms · 40 a second into half of 4 cores each: 10.6; ten shards on 4 cores: 3
    """
    machine = Machine(cores=4, memory_gib=4, price=2.0)
    found = plan(
        Demand(10_000_000, 40, 0.01, dimensions=100, groups=10, machine=machine),
        ROUND,
    )
    assert (found.shards, found.chunks_per_shard, found.asked, found.way) == (10, 1_000_000, 10, EXACT)
    assert found.hot_bytes == pytest.approx(34.4e9)
    assert found.disk_bytes == pytest.approx(76.8e9)
    assert found.cpu_ms == pytest.approx(530)
    assert (found.machines, found.bound_by) == (11, "memory")
    assert found.busy == pytest.approx(40 * 0.53 / 44)
    assert found.month == pytest.approx(11 * 2 * 730)
    assert found.build_hours == pytest.approx(20e6 * (0.001 + 0.0001 * math.log2(1e6)) / 44 / 3600)
    assert found.ingest_core_hours == pytest.approx(10e6 * 0.02 / 3600)
    # One shard alone has its p95 at twice the median; of ten the slowest is at the quantile .95 ** (1 / 10), z 2.569.
    assert found.p95.likely == pytest.approx(53 * 2 ** (2.569 / 1.645) / (1 - found.busy), rel=1e-3)
    assert found.p95.low == pytest.approx(53 * 2 / 1.5)
    assert found.p95.high == pytest.approx(found.p95.likely * 1.5)
    assert found.extrapolated


def test_quantised_vectors_are_kept_beside_whole_ones() -> None:
    none, scalar, binary = (weight(ROUND.bytes, 1, 384, by) for by in ("none", "scalar", "binary"))
    assert (none.hot, scalar.hot, binary.hot) == (2856, 1704, 1368)
    assert (scalar.disk - none.disk, binary.disk - none.disk) == (384, 48)


def test_a_search_that_is_routed_asks_its_tenants_shards_alone() -> None:
    demand = Demand(100_000_000, 10, 0.1, tenants=50)
    everywhere, routed = plan(demand, KNOWN), plan(replace(demand, routed=True), KNOWN)
    assert (everywhere.asked, routed.asked) == (100, 2)
    assert routed.cpu_ms < everywhere.cpu_ms and routed.machines <= everywhere.machines
    assert routed.shards == everywhere.shards and routed.disk_bytes == everywhere.disk_bytes


def test_ways_are_those_of_the_index_itself() -> None:
    assert plan(Demand(100_000, 1, 0.5), KNOWN).way == EXACT
    assert plan(Demand(1_000_000, 1, 0.5), KNOWN).way == DensePlan("graph", 8192)
    assert plan(Demand(100_000_000, 1, 0.01), KNOWN).way == DensePlan("acorn", 512)


sizes = st.integers(1, 10**10)
shares = st.floats(0.0001, 1)


@given(sizes, sizes, shares)
def test_more_chunks_never_take_less_room(one: int, other: int, visibility: float) -> None:
    less, more = (plan(Demand(chunks, 1, visibility), KNOWN) for chunks in sorted((one, other)))
    assert less.shards <= more.shards and less.ingest_core_hours <= more.ingest_core_hours
    # Shards are of whole chunks, so the last one may be fuller than its part.
    assert less.hot_bytes <= more.hot_bytes * 1.01 + 1e6 and less.disk_bytes <= more.disk_bytes * 1.01 + 1e6


@given(sizes, shares, st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_more_searches_never_take_fewer_machines(chunks: int, visibility: float, one: float, other: float) -> None:
    less, more = (plan(Demand(chunks, qps, visibility), KNOWN) for qps in sorted((one, other)))
    assert less.machines <= more.machines
    assert 0 < less.busy <= 0.5 + 1e-9 and 0 < more.busy <= 0.5 + 1e-9


@given(sizes, shares, st.integers(1, 9))
def test_more_replicas_take_more(chunks: int, visibility: float, replicas: int) -> None:
    fewer, more = (plan(Demand(chunks, 5, visibility, replicas=n), KNOWN) for n in (replicas, replicas + 1))
    assert fewer.machines <= more.machines and fewer.disk_bytes < more.disk_bytes and fewer.hot_bytes < more.hot_bytes


@given(sizes, shares)
def test_the_range_holds_what_is_likely(chunks: int, visibility: float) -> None:
    p95 = plan(Demand(chunks, 1, visibility), KNOWN).p95
    assert 0 < p95.low < p95.likely < p95.high


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("chunks", 0), ("chunks", 10**13), ("qps", 0), ("qps", math.inf), ("qps", math.nan), ("visibility", 0),
        ("visibility", 1.1), ("visibility", math.nan), ("dimensions", 0), ("groups", 0), ("tenants", 0),
        ("tenants", 1001), ("replicas", 0), ("quantisation", "half"), ("shards", 0), ("shards", 1001),
        ("cores", Machine(cores=0)), ("memory", Machine(memory_gib=0)), ("price", Machine(price=-1)),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_field(field: str, wrong: Any) -> None:
    given = {"machine" if isinstance(wrong, Machine) else field: wrong}
    with pytest.raises(InvalidInput) as refused:
        Demand(**{"chunks": 1000, "qps": 1.0, "visibility": 0.5, **given})
    assert (refused.value.field, refused.value.code) == (field, "invalid_input")


def test_the_command_speaks_of_money_only_where_a_price_was_given() -> None:
    asked = ["plan", "--chunks", "100000000", "--qps", "50", "--visibility", "0.1"]
    without = CliRunner().invoke(app, asked)
    assert without.exit_code == 0
    assert "money" not in without.stdout and "Extrapolated" in without.stderr
    assert "money a month\t" in CliRunner().invoke(app, [*asked, "--price", "1.5"]).stdout
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert found["month"] is None and found["shards"] == 100 and found["way"] == {"mode": "graph", "hnsw_ef": 8192}
    assert found["hot_bytes"] > 100 * GIB


def test_the_command_refuses_with_the_field() -> None:
    refused = CliRunner().invoke(app, ["plan", "--chunks", "10", "--qps", "1", "--visibility", "7"])
    assert isinstance(refused.exception, InvalidInput) and refused.exception.field == "visibility"
