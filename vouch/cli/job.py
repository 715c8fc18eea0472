"""`vouch job`: what syncs and pushes are doing."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson
from vouch.cli.progress import print_job, watch
from vouch.client import Job

group = typer.Typer(help="Follow jobs, cancel them, try them again.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@group.command("watch")
def watch_(job_id: JobId, json: AsJson = False) -> None:
    """Follow a job to its end. Exit status 1 when it does not succeed."""
    with connect() as vouch:
        job = watch(vouch.jobs.events(job_id))
    _print(job, json)
    if job.state != "succeeded":
        raise typer.Exit(1)


@group.command()
def show(job_id: JobId, json: AsJson = False) -> None:
    """Show a job: state, counts, progress, and every document that failed with its reason."""
    with connect() as vouch:
        job = vouch.jobs.get(job_id)
    _print(job, json)
    if not json:
        output.table(
            ("STAGE", "DONE", "FAILED", "CANCELLED", "OPEN", "TOTAL"),
            [(s.name, s.done, s.failed, s.cancelled, s.open, s.total) for s in job.stages],
        )


@group.command()
def cancel(job_id: JobId, json: AsJson = False) -> None:
    """End a job. What was published stays."""
    with connect() as vouch:
        job = vouch.jobs.cancel(job_id)
    _print(job, json)


@group.command()
def retry(job_id: JobId, json: AsJson = False) -> None:
    """Try again what failed or was cancelled."""
    with connect() as vouch:
        vouch.jobs.retry(job_id)
        job = vouch.jobs.get(job_id)
    _print(job, json)


@group.command("list")
def list_(
    source: Annotated[str | None, typer.Option(help="Only this source's, by name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect() as vouch:
        names = {found.id: found.name for found in vouch.sources}
        jobs = list(islice(vouch.jobs.list(None if source is None else vouch.sources.get(source).id), limit))
    if json:
        output.as_json(jobs)
        return
    output.table(
        ("JOB", "SOURCE", "KIND", "STATE", "PUBLISHED", "QUARANTINED", "STARTED", "FINISHED"),
        [
            (
                job.job_id,
                names.get(job.source_id, job.source_id),
                job.kind,
                job.state,
                job.counts.get("published"),
                job.counts.get("quarantined"),
                job.started_at,
                job.finished_at,
            )
            for job in jobs
        ],
    )


def _print(job: Job, json: bool) -> None:
    if json:
        output.as_json(job)
    else:
        print_job(job)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="job")
