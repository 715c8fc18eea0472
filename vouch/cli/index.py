"""`vouch index`: the index against the catalog. Works on the running platform's own parts, not over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from vouch.cli import output
from vouch.cli.output import AsJson
from vouch.core.settings import Settings

if TYPE_CHECKING:
    from vouch.index.projector import Projector
    from vouch.index.verify import Difference

group = typer.Typer(help="Compare the index with the catalog, or write it anew.", no_args_is_help=True)
SETTLE_S = 15.0
"""Seconds that writes in flight are given before a difference counts."""


@group.command()
def rebuild(json: AsJson = False) -> None:
    """Write every live document to the index again and remove what does not belong there. Embeds nothing."""
    with _projector() as projector:
        written = projector.rebuild()
    if json:
        output.as_json({"chunks": written})
    else:
        output.line(f"{written} chunks written.")


@group.command("verify")
def verify_(json: AsJson = False) -> None:
    """Compare every point of the index with the catalog. Exit status 1 when they differ."""
    with _projector() as projector:
        found = _settled(projector)
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


def _settled(projector: Projector) -> Difference:
    """The difference once nothing is on its way from the catalog to the index."""
    from acl.compile import compile_payload
    from vouch.catalog.database import ACROSS_TENANTS
    from vouch.index.verify import verify

    deadline = time.monotonic() + SETTLE_S
    while True:
        with projector.catalog.reading(ACROSS_TENANTS) as session:
            found = verify(session, projector.index, compile_payload)
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
    app.add_typer(group, name="index")
