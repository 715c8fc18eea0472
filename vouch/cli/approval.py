"""`vouch approval`: answers that a person approves before their asker reads them."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vouch.cli import output
from vouch.cli.ask import print_citations
from vouch.cli.connection import AsUser, connect
from vouch.cli.output import AsJson, line
from vouch.client import Approval
from vouch.core.errors import InvalidInput

group = typer.Typer(help="Review answers before they are read (scope `review`).", no_args_is_help=True)

State = Literal["awaiting_review", "released", "rejected"]
AnswerId = Annotated[str, typer.Argument(metavar="ANSWER_ID", help="The answer's id.")]
Version = Annotated[int, typer.Option(help="What you have read, as `show` says.")]


@group.command("list")
def list_(
    state: Annotated[State, typer.Option(help="Those that wait, or what became of others.")] = "awaiting_review",
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """List answers that others asked for, oldest first: of documents all of which you may read."""
    with connect(as_user) as vouch:
        found = list(vouch.approvals.list(state))
    if json:
        output.as_json(found)
        return
    output.table(
        ("ID", "ASKED", "BY", "WHY", "VERSION", "CLAIMED BY", "QUESTION"),
        [(one.answer_id, one.created_at, one.asked_by, one.why, one.version, one.claimed_by, one.question)
         for one in found],
    )  # fmt: skip


@group.command()
def show(answer: AnswerId, as_user: AsUser = None, json: AsJson = False) -> None:
    """Print the question, the answer with its quotes, and its version."""
    with connect(as_user) as vouch:
        _print(vouch.approvals.get(answer), json)


@group.command()
def claim(answer: AnswerId, as_user: AsUser = None, json: AsJson = False) -> None:
    """Claim an answer: nobody else decides about it for a while."""
    with connect(as_user) as vouch:
        _print(vouch.approvals.claim(answer), json)


@group.command()
def edit(
    answer: AnswerId,
    claims: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="JSON: a list of claims, each `text`, `citations`, `quotes`."),
    ],
    version: Version,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Put other claims in their place, which are checked as a model's are. Releases nothing."""
    with connect(as_user) as vouch:
        _print(vouch.approvals.edit(answer, version, _claims(claims)), json)


@group.command()
def release(answer: AnswerId, version: Version, as_user: AsUser = None, json: AsJson = False) -> None:
    """Let its asker read it."""
    with connect(as_user) as vouch:
        found = vouch.approvals.release(answer, version)
    _decided(found, json)


@group.command()
def reject(
    answer: AnswerId,
    version: Version,
    reason: Annotated[str, typer.Option(help="Told to who asked; up to 1,000 characters.")],
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Keep it from its asker."""
    with connect(as_user) as vouch:
        found = vouch.approvals.reject(answer, version, reason)
    _decided(found, json)


def _claims(path: Path) -> list[dict[str, Any]]:
    try:
        found = json_module.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}", field="claims") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"{path} is not a list of claims.", field="claims")
    return found


def _print(found: Approval, json: bool) -> None:
    if json:
        output.as_json(found)
        return
    line(f"{found.asked_by} asked: {found.question}", "cyan")
    line(
        f"{found.status}, version {found.version}, by {found.writer}; a person approves it for its {found.why}.", "dim"
    )
    if found.claimed_by is not None:
        line(f"claimed by {found.claimed_by} until {output.visible(found.claimed_until)}", "dim")
    line()
    for one in found.claims:
        line(
            f"{one.text} {''.join(f'[{n}]' for n in one.citations)}", "bold" if one.verdict == "supported" else "yellow"
        )
    print_citations(found.citations, found.notices)


def _decided(found: Approval, json: bool) -> None:
    if json:
        output.as_json(found)
    else:
        line(f"{found.answer_id} is {found.status}.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="approval")
