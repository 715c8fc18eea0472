"""`vouch break-glass`: reading in an emergency; `vouch inbox`: what the user should know of."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import AsUser, connect
from vouch.cli.output import AsJson, line
from vouch.client import Grant

group = typer.Typer(help="Read a document in an emergency (scope `break_glass`).", no_args_is_help=True)

GrantId = Annotated[str, typer.Argument(metavar="GRANT", help="The grant's id.")]


@group.command("open")
def open_(
    document: Annotated[str, typer.Argument(help="The document's id.")],
    reason: Annotated[str, typer.Option(help="10 to 1,000 characters: kept for good, and told to the owner.")],
    minutes: Annotated[int, typer.Option(help="1 to 60.")] = 15,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Open one document for a short time."""
    with connect(as_user) as vouch:
        made = vouch.break_glass.open(document, reason, minutes)
    if json:
        output.as_json(made)
    else:
        line(made.id)
        output.note(f"until {output.visible(made.expires_at)}; its owner is told")


@group.command("list")
def list_(as_user: AsUser = None, json: AsJson = False) -> None:
    """List grants, newest first: an administrator's key sees all."""
    with connect(as_user) as vouch:
        found = list(vouch.break_glass)
    if json:
        output.as_json(found)
        return
    output.table(("ID", "STATE", "USER", "DOCUMENT", "EXPIRES", "FIRST READ", "REASON"), map(_row, found))


def _row(one: Grant) -> tuple[object, ...]:
    return one.id, one.state, one.user, one.document_id, one.expires_at, one.first_read_at, one.reason


@group.command()
def read(grant: GrantId, as_user: AsUser = None, json: AsJson = False) -> None:
    """Print the text of the document that a grant opens."""
    with connect(as_user) as vouch:
        found = vouch.break_glass.text(grant)
    if json:
        output.as_json(found)
    else:
        line(found.text)


@group.command()
def end(grant: GrantId, as_user: AsUser = None, json: AsJson = False) -> None:
    """End a grant with the next request."""
    with connect(as_user) as vouch:
        vouch.break_glass.end(grant)
    if json:
        output.as_json({"ended": grant})
    else:
        line(f"{grant} is ended.")


def inbox(
    as_user: AsUser = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was seen.")] = False,
    seen: Annotated[str | None, typer.Option(metavar="ID", help="Mark this one as seen, and list nothing.")] = None,
    json: AsJson = False,
) -> None:
    """What the user should know of, such as who read a document of theirs in an emergency."""
    with connect(as_user) as vouch:
        if seen is not None:
            vouch.notifications.mark_seen(seen)
        found = [] if seen is not None else list(vouch.notifications.list(unseen=not everything))
    if json:
        output.as_json({"seen": seen} if seen is not None else found)
        return
    output.table(
        ("ID", "AT", "KIND", "DOCUMENT", "BY", "REASON"),
        [
            (
                n.id,
                n.created_at,
                n.kind,
                n.title or n.document_id or n.detail.get("answer"),
                n.detail.get("user"),
                n.detail.get("reason"),
            )
            for n in found
        ],
    )


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="break-glass")
    app.command()(inbox)
