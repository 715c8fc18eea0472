"""`vouch eval`: quality on public data, held against gates. The runs themselves are `python -m evals`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vouch.cli.output import AsJson
from vouch.cli.platform import become

group = typer.Typer(help="Measure quality.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """A callback keeps `run` a command of its own."""


@group.command()
def run(
    kind: Annotated[Literal["search", "answers"] | None, typer.Argument(help="Only these runs.")] = None,
    set_: Annotated[str | None, typer.Option("--set", help="Only this set.")] = None,
    data: Annotated[Path | None, typer.Option(help="The evaluation folder; unset: VOUCH_EVAL_DATA.")] = None,
    json: AsJson = False,
) -> None:
    """Run evaluations and print a table of figures. Exit status 1 when a gate fails."""
    given = {"--set": set_, "--data": data}
    options = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    become("evals", *([kind] if kind else []), *options, *(["--json"] if json else []))


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="eval")
