"""`vouch source` and `vouch connectors`: what is read."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.cli.progress import print_job, watch
from vouch.client import Source

group = typer.Typer(help="Register sources, sync them, remove them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The source's name or id.")]
DataClassName = Annotated[
    str | None, typer.Option("--data-class", metavar="CLASS", help="Of its documents: `internal`. Models go by it.")
]


@group.command()
def add(
    kind: Annotated[str, typer.Argument(help="`filesystem`, `push`, … (see `vouch connectors`).")],
    name: Annotated[str, typer.Argument(help="A name of your own.")],
    path: Annotated[Path | None, typer.Argument(help="The folder of a `filesystem` source.")] = None,
    config: Annotated[str | None, typer.Option(metavar="JSON", help="More of the connector's configuration.")] = None,
    owner: Annotated[str | None, typer.Option(help="Owner of what names none: `user:carol`.")] = None,
    review_every: Annotated[str | None, typer.Option(help="When documents are due for review: `180d`.")] = None,
    stale_after: Annotated[str | None, typer.Option(help="When documents count as stale: `365d`.")] = None,
    expire_after: Annotated[str | None, typer.Option(help="When documents count as expired: `730d`.")] = None,
    in_search: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE=WHAT", help="`stale=demote`, `expired=drop`, …; may be repeated."),
    ] = None,
    schedule: Annotated[str | None, typer.Option(help="Sync by itself: `15m`, or a cron expression.")] = None,
    access_schedule: Annotated[str | None, typer.Option(help="Read access alone by itself: `5m`, or cron.")] = None,
    acl_max_age: Annotated[str | None, typer.Option(help="Deny access on rules read longer ago: `24h`.")] = None,
    deletion_guard: Annotated[float, typer.Option(min=0, max=1, help="Share that one sync deletes unasked.")] = 0.5,
    priority: Annotated[str, typer.Option(help="`low`, `normal` or `high`: how often it gets its turn.")] = "normal",
    data_class: DataClassName = None,
    json: AsJson = False,
) -> None:
    """Register a source."""
    whole = _config(config)
    if path is not None:
        whole["path"] = str(path.absolute())  # the platform runs in another folder
    with connect() as vouch:
        source = vouch.sources.add(
            name,
            kind,
            whole,
            owner=owner,
            schedule=schedule,
            freshness={
                "review_every": review_every,
                "stale_after": stale_after,
                "expire_after": expire_after,
                "in_search": _in_search(in_search or []),
            },
            access_schedule=access_schedule,
            acl_max_age=acl_max_age,
            deletion_guard=deletion_guard,
            priority=priority,
            data_class=data_class,
        )
    if json:
        output.as_json(source)
    else:
        line(f"{source.name} added ({source.id}); `vouch source sync {source.name}` reads it.")


def _config(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json_text.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--config") from error
    if not isinstance(found, dict):
        raise typer.BadParameter("not a JSON object", param_hint="--config")
    return found


def _in_search(told: list[str]) -> dict[str, str]:
    found = dict(one.partition("=")[::2] for one in told)
    if not all(found.values()):
        raise typer.BadParameter("not STATE=WHAT, as in expired=drop", param_hint="--in-search")
    return found


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List sources."""
    with connect() as vouch:
        sources = list(vouch.sources)
    if json:
        output.as_json(sources)
        return
    output.table(
        ("NAME", "KIND", "STATE", "LIVE", "QUARANTINED", "NOBODY", "LAST JOB", "FAILING", "NEXT SYNC", "ID"),
        [
            (
                source.name,
                source.kind,
                source.state,
                source.documents["live"],
                source.documents["quarantined"],
                source.documents["readable_by_nobody"],
                _last(source),
                _failing(source),
                source.next_sync_at,
                source.id,
            )
            for source in sources
        ],
    )


def _last(source: Source) -> str | None:
    if source.last_job is None:
        return None
    problem = source.last_job.get("problem")
    return f"{source.last_job['state']}: {problem['reason']}" if problem else str(source.last_job["state"])


def _failing(source: Source) -> str | None:
    if source.failing is None:
        return None
    times = source.failing["failures"]
    since = f"{'once' if times == 1 else f'{times} times'} since {source.failing['since']}"
    return f"{since}, next try {source.failing['next_try']}" if source.failing["next_try"] else since


@group.command("set")
def set_(
    source: Name,
    data_class: DataClassName = None,
    unclassified: Annotated[bool, typer.Option("--unclassified", help="Take its class from it.")] = False,
    json: AsJson = False,
) -> None:
    """Say of which class of data a source's documents are. Holds from the next question on."""
    if (data_class is not None) == unclassified:
        raise typer.BadParameter("give either --data-class or --unclassified")
    with connect() as vouch:
        found = vouch.sources.change(source, data_class=data_class)
    if json:
        output.as_json(found)
    else:
        line(f"{found.name} is {found.data_class or 'unclassified'}.")


@group.command()
def pause(source: Name, json: AsJson = False) -> None:
    """Start no more syncs of a source, by schedule or by hand. What is there can be found."""
    _change_state(source, "paused", json)


@group.command()
def resume(source: Name, json: AsJson = False) -> None:
    """Sync a paused source again."""
    _change_state(source, "active", json)


def _change_state(source: str, state: str, json: bool) -> None:
    with connect() as vouch:
        found = vouch.sources.change(source, state=state)
    if json:
        output.as_json(found)
    else:
        line(f"{found.name} is {found.state}.")


@group.command()
def show(source: Name, json: AsJson = False) -> None:
    """Show one source."""
    with connect() as vouch:
        found = vouch.sources.get(source)
    if json:
        output.as_json(found)
    else:
        _print_source(found)


def _print_source(source: Source) -> None:
    rows = source.model_dump(mode="json")
    rows["freshness"] |= rows["freshness"].pop("in_search", {})
    for name in ("config", "freshness", "documents", "last_job", "failing"):
        rows[name] = ", ".join(f"{key}={value}" for key, value in (rows[name] or {}).items() if value is not None)
    output.table(("FIELD", "VALUE"), rows.items())


@group.command()
def sync(
    source: Name,
    full: Annotated[bool, typer.Option("--full", help="Try again what failed before, too.")] = False,
    access: Annotated[bool, typer.Option("--access", help="Read access rules and groups alone.")] = False,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Delete what is gone, however much; implies --full.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    json: AsJson = False,
) -> None:
    """Read what changed in a source. Exit status 1 when the job fails."""
    if access and (full or confirm_deletions):
        raise typer.BadParameter("--access excludes --full and --confirm-deletions")
    kind: Literal["incremental", "full", "access"] = (
        "full" if full or confirm_deletions else "access" if access else "incremental"
    )
    with connect() as vouch:
        job_id = vouch.sources.sync(source, kind, confirm_deletions=confirm_deletions)
        job = watch(vouch.jobs.events(job_id)) if wait else vouch.jobs.get(job_id)
    if json:
        output.as_json(job)
    elif wait:
        print_job(job)
    else:
        line(f"{job_id} {job.state}; `vouch job watch {job_id}` follows it.")
    if wait and job.state != "succeeded":
        raise typer.Exit(1)


@group.command()
def rm(
    source: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Remove a source with its documents, chunks, vectors and blobs."""
    with connect() as vouch:
        found = vouch.sources.get(source)
        if not yes and output.on_terminal() and sys.stdin.isatty():
            typer.confirm(f"Remove {found.name} with its {found.documents['live']} documents?", abort=True)
        vouch.sources.remove(found.id)
    if json:
        output.as_json({"removed": found.id})
    else:
        line(f"{found.name} is removed.")


def connectors(json: AsJson = False) -> None:
    """List the kinds of source, with what each is configured by."""
    with connect() as vouch:
        found = vouch.sources.connectors()
    if json:
        output.as_json(found)
        return
    for connector in found:
        line(connector.kind, "bold")
        line(f"  {connector.description}")
        for name, field in connector.config_schema.get("properties", {}).items():
            line(f"  {name}: {field.get('description', field.get('title', ''))}")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="source")
    app.command()(connectors)
