"""`vouch audit`: who did what, and whether the log of it is whole."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client import AuditHead, AuditVerified
from vouch.core import clock
from vouch.core.errors import BadConfig

group = typer.Typer(help="Who did what, and whether the log of it is whole (scope `admin`).", no_args_is_help=True)


@group.command("list")
def list_(
    subject: Annotated[str | None, typer.Option(help="What it was done to: `document:…`, `user:alice`.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it: `user:alice`, or `key:…`.")] = None,
    action: Annotated[str | None, typer.Option(help="What was done: `search`, `access.members`.")] = None,
    document: Annotated[str | None, typer.Option(help="About this document, or showing it.")] = None,
    last: Annotated[str | None, typer.Option(help="Not older than this: `24h`.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    json: AsJson = False,
) -> None:
    """List entries, newest first."""
    since = None if last is None else clock.now() - clock.duration(last, field="--last")
    with connect() as vouch:
        wanted = {"subject": subject, "actor": actor, "action": action, "document": document}
        found = list(islice(vouch.audit.entries(wanted, since=since), limit))
    if json:
        output.as_json(found)
        return
    output.table(
        ("AT", "ACTOR", "ACTION", "SUBJECT", "CHAIN", "SEQ"),
        [(e.at, e.actor, e.action, e.subject, e.chain, e.seq) for e in found],
    )


@group.command()
def head(json: AsJson = False) -> None:
    """Print the heads of the log, a line of JSON each: keep them elsewhere, `vouch audit head >> heads.jsonl`."""
    with connect() as vouch:
        found = vouch.audit.heads()
    if json:
        output.as_json(found)
        return
    for one in found:
        print(one.model_dump_json())


@group.command()
def verify(
    head: Annotated[
        Path | None, typer.Option(help="Heads that you kept, as `vouch audit head` printed them.", dir_okay=False)
    ] = None,
    json: AsJson = False,
) -> None:
    """Check every entry, every seal and every head that was written down. Exit status 1 when one does not fit."""
    kept = [] if head is None else _kept(head)
    with connect() as vouch:
        found = vouch.audit.verify(kept)
    if json:
        output.as_json(found)
    else:
        _print(found)
    if not found.whole:
        raise typer.Exit(1)


def _kept(path: Path) -> list[AuditHead]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}", field="--head") from error
    found = []
    for number, text in enumerate(lines, 1):
        try:
            found.append(AuditHead.model_validate_json(text))
        except ValidationError as error:
            raise BadConfig(f"{path}, line {number}: not a head of the audit log", field="--head") from error
    if not found:
        raise BadConfig(f"{path} holds no head", field="--head")
    return found


def _print(found: AuditVerified) -> None:
    for chain in found.chains:
        line(f"{chain.chain}: {chain.entries} entries")
    line(f"heads met: {found.heads}")
    for broken in found.broken:
        line(f"{broken.chain} {broken.seq}: {broken.what}: {broken.detail}", "bold red")
    if found.whole:
        line("The log is whole.", "green")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="audit")
