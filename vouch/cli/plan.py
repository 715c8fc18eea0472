"""`vouch plan`: what an index of a size takes on a Qdrant cluster, by the model of `vouch/plan`. Asks no platform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vouch.cli import output
from vouch.cli.output import AsJson
from vouch.plan.demand import GIB, Demand, Machine, Quantisation
from vouch.plan.measured import measured

if TYPE_CHECKING:
    from vouch.plan.cluster import Cluster


def plan_(
    chunks: Annotated[int, typer.Option(help="Chunks to be searched, of all tenants.")],
    qps: Annotated[float, typer.Option(help="Searches a second.")],
    visibility: Annotated[
        float, typer.Option(help="Share of their tenant's chunks that askers see, above 0, up to 1.")
    ],
    dimensions: Annotated[int, typer.Option(help="Of the vectors.")] = 384,
    groups: Annotated[int, typer.Option(help="Of an asker, among which what they see is divided.")] = 20,
    tenants: Annotated[int, typer.Option(help="That divide the chunks evenly.")] = 1,
    routed: Annotated[bool, typer.Option("--routed", help="A search asks its tenant's shards alone.")] = False,
    replicas: Annotated[int, typer.Option(help="Of each shard.")] = 2,
    quantisation: Annotated[Quantisation, typer.Option(help="Of the vectors that are kept in memory.")] = "none",
    shards: Annotated[int | None, typer.Option(help="Unset: none larger than was measured.")] = None,
    cores: Annotated[int, typer.Option(help="Of a machine.")] = 16,
    memory: Annotated[float, typer.Option(help="GiB of a machine.")] = 64.0,
    price: Annotated[float | None, typer.Option(help="Of a machine's hour; unset: money is not spoken of.")] = None,
    json: AsJson = False,
) -> None:
    """Say what an index of a size takes: shards, machines, memory, disk, time. Measured up to a size, then
    extrapolated, and it says so."""
    from vouch.plan.cluster import plan

    machine = Machine(cores, memory, price)
    demand = Demand(
        chunks, qps, visibility, dimensions, groups, tenants, routed, replicas, quantisation, shards, machine
    )
    found = plan(demand, measured())
    if json:
        output.as_json({**asdict(found), "way": found.way.json()})
        return
    output.table(("FIGURE", "PLAN"), _lines(found))
    output.note(_caution(found))


def _lines(found: Cluster) -> Iterator[tuple[str, str]]:
    yield "shards", f"{found.shards:,} of {found.chunks_per_shard:,} chunks, {found.demand.replicas} of each"
    yield "machines", f"{found.machines:,}, for {found.bound_by}"
    yield "memory that every search touches", _size(found.hot_bytes)
    yield "memory, all files mapped", _size(found.resident_bytes)
    yield "disk, with room to rewrite", _size(found.disk_bytes)
    yield "a search asks", f"{found.asked:,} shards, {' '.join(map(str, found.way.json().values()))}"
    yield "CPU of a search", f"{found.cpu_ms:,.0f} ms on all of them"
    yield "cores busy", f"{found.busy:.0%}"
    low, likely, high = (f"{ms:,.0f}" for ms in (found.p95.low, found.p95.likely, found.p95.high))
    yield "p95", f"{likely} ms ({low} to {high})"
    yield "build", f"{found.build_hours * 60:,.0f} minutes on all cores, from vectors"
    yield "ingestion, from texts", f"{found.ingest_core_hours:,.0f} core-hours"
    if found.month is not None:
        yield "money a month", f"{found.month:,.0f}"


def _size(of: float) -> str:
    return f"{of / GIB:,.1f} GiB"


def _caution(found: Cluster) -> str:
    known = measured()
    if not found.extrapolated:
        return f"Computed from what was measured, which the model meets within a factor of {1 + known.error:g}."
    return (
        f"Extrapolated: what was measured is one index of up to {known.largest:,} chunks, which the model meets "
        f"within a factor of {1 + known.error:g}. No cluster was."
    )


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("plan")(plan_)
