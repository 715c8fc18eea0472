"""`vouch access`: who may read what, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect, user_name
from vouch.cli.output import AsJson, line
from vouch.client import Explanation

group = typer.Typer(help="Who may read what, and why (scope `admin`).", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """A callback keeps `explain` a command of its own."""


@group.command()
def explain(
    user: Annotated[str, typer.Option(help="`alice` or `user:alice`.")],
    document: Annotated[str, typer.Option(help="The document's id, as search and citations give it.")],
    json: AsJson = False,
) -> None:
    """Say whether a user may read a document, with every clause and path behind it. Exit status 1 when not."""
    with connect() as vouch:
        found = vouch.explain(user_name(user), document)
    if json:
        output.as_json(found)
    else:
        _print(found)
    if found.decision == "denied":
        raise typer.Exit(1)


def _print(found: Explanation) -> None:
    line(f"{found.user}: {found.decision}", "green" if found.decision == "allowed" else "yellow")
    for reason in found.reasons:
        line(f"  {reason}")
    for clause in found.clauses:
        line(f"  clause {clause.clause}: {'permits' if clause.permits else 'does not permit'}")
        for what, names, matched in (
            ("allow", clause.allow, clause.allowed_by),
            ("deny", clause.deny, clause.denied_by),
        ):
            line(f"    {what}: {', '.join(names) or 'nobody'}")
            for name, path in matched.items():
                line(f"      {name}: {' in '.join(path)}")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="access")
