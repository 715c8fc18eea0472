"""`vouch release`: which profile makes the answers, what is tried beside it, and how to go back."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client.releases import Compared, Release, Share
from vouch.core import clock
from vouch.core.errors import InvalidInput

group = typer.Typer(help="Which profile makes the answers (scope `admin`).", no_args_is_help=True)
Workflow = Annotated[str, typer.Option(help="Of a workflow alone; unset: of the whole tenant.")]


@group.command("list")
def list_(
    history: Annotated[bool, typer.Option("--history", help="What held before, too, newest first.")] = False,
    json: AsJson = False,
) -> None:
    """List what is released, and the profiles that there are."""
    with connect() as vouch:
        found = vouch.releases.list()
        rows = vouch.releases.history() if history else found.releases
    if json:
        output.as_json(rows if history else found)
        return
    output.table(
        ("WORKFLOW", "STABLE", "CANARY", "SHADOW", "SOUND", "SINCE", "BY"),
        [
            (
                one.workflow or "(every)",
                one.stable or "-",
                _told(one.canary),
                _told(one.shadow),
                "yes" if one.sound else "no",
                clock.rfc3339(one.at),
                one.by,
            )
            for one in rows
        ],
    )
    line(f"profiles: {', '.join(one.name for one in found.profiles)}")


@group.command("set")
def set_(
    stable: Annotated[str, typer.Argument(help="The profile that serves.")],
    canary: Annotated[str | None, typer.Option(help="One that serves some in its place: `careful:10`.")] = None,
    shadow: Annotated[str | None, typer.Option(help="One that runs beside it and is never shown: `new:5`.")] = None,
    workflow: Workflow = "",
    json: AsJson = False,
) -> None:
    """Release a profile, in the place of what holds; it serves the next question."""
    tried = _share(canary, "--canary"), _share(shadow, "--shadow")
    with connect() as vouch:
        _say(vouch.releases.set(stable, workflow=workflow, canary=tried[0], shadow=tried[1]), json=json)


@group.command()
def rollback(workflow: Workflow = "", json: AsJson = False) -> None:
    """Drop the canary; where there is none, let the stable profile of before serve again."""
    with connect() as vouch:
        _say(vouch.releases.rollback(workflow), json=json)


@group.command()
def drop(workflow: Workflow = "", json: AsJson = False) -> None:
    """Release nothing: what holds for the tenant does, or the routes of models."""
    with connect() as vouch:
        _say(vouch.releases.set(None, workflow=workflow), json=json)


@group.command()
def compare(
    workflow: Workflow = "",
    last: Annotated[str, typer.Option(help="How far back: `30d`, `12h`.")] = "30d",
    json: AsJson = False,
) -> None:
    """Hold the last canary against its stable profile, and the last shadow against what was shown."""
    since = clock.now() - clock.duration(last, field="--last")
    with connect() as vouch:
        found = vouch.releases.compare(workflow, since=since)
    if json:
        output.as_json(found)
        return
    for one in found.comparisons:
        _draw(one)
    if not found.comparisons:
        line("nothing was tried")


def _draw(one: Compared) -> None:
    of = f"{one.answers[0]} and {one.answers[1]} answers" if one.kind == "canary" else f"{one.answers[0]} answers"
    failed = f", {one.failed} failed" if one.failed else ""
    line(f"{one.kind}: {one.candidate} beside {one.former}, {of}{failed}")
    output.table(
        ("MEASURE", one.former.upper(), one.candidate.upper(), "DIFFERENCE", "95 % INTERVAL", "P"),
        [
            (
                row.measure,
                f"{row.former:.3f}",
                f"{row.candidate:.3f}",
                f"{row.difference:+.3f}",
                f"{row.low:+.3f} to {row.high:+.3f}",
                f"{row.p:.4f}",
            )
            for row in one.measures
        ],
    )
    if one.overlap is not None:
        line(f"of what either cites, both do: {one.overlap.mean:.2f} ({one.overlap.low:.2f} to {one.overlap.high:.2f})")
    if not one.enough:
        line("too few to decide anything by")


def _say(one: Release, *, json: bool) -> None:
    if json:
        output.as_json(one)
        return
    tried = [f"{role} {_told(share)}" for role, share in (("canary", one.canary), ("shadow", one.shadow)) if share]
    line(", ".join([f"{one.workflow or 'every workflow'}: {one.stable or 'nothing is released'}", *tried]))


def _told(one: Share | None) -> str:
    return "-" if one is None else f"{one.profile} {one.percent} %"


def _share(text: str | None, option: str) -> tuple[str, int] | None:
    if text is None:
        return None
    name, _, percent = text.rpartition(":")
    if not name or not percent.isdecimal():
        raise InvalidInput(f"{text!r} is no profile with its percentage, as in careful:10.", field=option)
    return name, int(percent)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="release")
