"""`vouch index`: the index against the catalog, on the running platform's own parts; and its generations, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vouch.cli import generations, output
from vouch.cli.output import AsJson
from vouch.core.settings import Settings

if TYPE_CHECKING:
    from vouch.index.projector import Projector
    from vouch.index.verify import Difference

group = typer.Typer(
    help="The index: against the catalog, written anew, or in another generation.", no_args_is_help=True
)
Which = Annotated[str | None, typer.Option(help="A generation by its id; unset: the one that is asked.")]
SETTLE_S = 15.0
"""Seconds that writes in flight are given before a difference counts."""


@group.command()
def rebuild(generation: Which = None, json: AsJson = False) -> None:
    """Write every live document to the index again and remove what does not belong there. Embeds nothing."""
    with _projector() as projector:
        written = projector.rebuild(generation)
    if json:
        output.as_json({"chunks": written})
    else:
        output.line(f"{written} chunks written.")


@group.command("verify")
def verify_(generation: Which = None, json: AsJson = False) -> None:
    """Compare every point of the index with the catalog. Exit status 1 when they differ."""
    with _projector() as projector:
        found = _settled(projector, generation)
    if json:
        output.as_json(found.report())
    else:
        _print(found)
    if not found.clean:
        raise typer.Exit(1)


def _print(found: Difference) -> None:
    behind = f", {found.behind} operations behind" if found.behind else ""
    output.line(
        f"catalog {found.catalog} points, index {found.index}{behind}: {'clean' if found.clean else 'different'}"
    )
    for kind in ("missing", "stray", "content", "access"):
        ids: list[str] = getattr(found, kind)
        if ids:
            output.line(f"  {kind}: {len(ids)}, among them {', '.join(ids[:5])}", "yellow")


def _settled(projector: Projector, generation: str | None) -> Difference:
    """The difference once nothing is on its way from the catalog to the index."""
    from acl.compile import compile_payload
    from vouch.catalog.database import ACROSS_TENANTS
    from vouch.catalog.generations import find
    from vouch.catalog.outbox import active_generation
    from vouch.index.verify import verify

    deadline = time.monotonic() + SETTLE_S
    while True:
        with projector.catalog.reading(ACROSS_TENANTS) as session:
            row = find(session, generation) if generation else active_generation(session)
            found = verify(session, projector.index(row.id), compile_payload, row)
        if found.clean or found.behind == 0 or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


@contextmanager
def _projector() -> Iterator[Projector]:
    from ingestion.services import Services

    services = Services.open(Settings())
    try:
        yield services.projector
    finally:
        services.catalog.close()


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    generations.add_to(group)
    app.add_typer(group, name="index")
