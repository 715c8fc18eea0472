"""`vouch key`: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect, user_name
from vouch.cli.output import AsJson, line
from vouch.core import clock

group = typer.Typer(help="Make, list and revoke API keys (scope `admin`).", no_args_is_help=True)


@group.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="ask, sources, directory, reports, evals, admin, act_as, break_glass, review; may be repeated."
        ),
    ],
    user: Annotated[str | None, typer.Option(help="Act for this user alone.")] = None,
    expires: Annotated[str | None, typer.Option(help="Valid for so long: `90d`. Unset: until revoked.")] = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it. It is shown this once."""
    expires_at = None if expires is None else clock.now() + clock.duration(expires, field="--expires")
    with connect() as vouch:
        made = vouch.keys.create(name, scope, user=None if user is None else user_name(user), expires_at=expires_at)
    if json:
        output.as_json(made)
    else:
        line(made.key)
        output.note(f"key {made.id}; it is not shown again")


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List keys; never the keys themselves."""
    with connect() as vouch:
        keys = vouch.keys.list()
    if json:
        output.as_json(keys)
        return
    output.table(
        ("NAME", "HINT", "SCOPES", "USER", "LAST USED", "EXPIRES", "REVOKED", "ID"),
        [
            (k.name, f"…{k.hint}", " ".join(k.scopes), k.user, k.last_used_at, k.expires_at, k.revoked_at, k.id)
            for k in keys
        ],
    )


@group.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from `vouch key list`.")], json: AsJson = False
) -> None:
    """End a key with the next request."""
    with connect() as vouch:
        vouch.keys.revoke(key_id)
    if json:
        output.as_json({"revoked": key_id})
    else:
        line(f"{key_id} is revoked.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="key")
