"""Watching a job: a bar per stage on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vouch.cli import output
from vouch.client import Job
from vouch.core.errors import Unavailable

EVERY_S = 2.0
_SHOWN_ERRORS = 20
_SHOWN_WAITING = 2
_COUNTED = {
    "seen": "seen",
    "new": "new",
    "changed": "changed",
    "unchanged": "unchanged",
    "access_changed": "with new access",
    "members_changed": "memberships changed",
    "deleted": "deleted",
    "published": "published",
    "quarantined": "quarantined",
    "refused": "refused",
    "unreadable": "readable by nobody",
}


def watch(events: Iterable[Job], say: Callable[[str], None] = output.note) -> Job:
    """Follow a job to its end: bars on a terminal, else lines through ``say``. Returns it as it ended."""
    return _bars(events) if output.on_terminal() else _lines(events, say)


def _bars(events: Iterable[Job]) -> Job:
    last: Job | None = None
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[pace]}"), console=output.console()) as progress:
        tasks: dict[str, TaskID] = {}
        for last in events:
            said = ", ".join([*pace(last), *held(last)])
            for n, stage in enumerate(last.stages):
                if stage.name not in tasks:
                    tasks[stage.name] = progress.add_task(stage.name, total=None, pace="")
                # The total grows while the scan goes on, so a bar is full only when the scan is done too.
                done = stage.total - stage.open
                progress.update(tasks[stage.name], total=stage.total or None, completed=done, pace="" if n else said)
    return _ended(last)


def _lines(events: Iterable[Job], say: Callable[[str], None]) -> Job:
    last: Job | None = None
    said, text = 0.0, ""
    for last in events:
        now = ", ".join([*(f"{s.name} {s.total - s.open}/{s.total}" for s in last.stages), *pace(last), *held(last)])
        if now != text and (last.ended or time.monotonic() - said >= EVERY_S):
            say(f"  {now}")
            said, text = time.monotonic(), now
    return _ended(last)


def pace(job: Job) -> list[str]:
    """Rate and time left, as far as they are known."""
    if job.progress is None or job.ended or not job.progress.per_second:
        return []
    said = [f"{job.progress.per_second:.1f} documents/s"]
    if job.progress.seconds_left is not None:
        minutes, seconds = divmod(job.progress.seconds_left, 60)
        said.append(f"about {minutes} min {seconds} s left" if minutes else f"about {seconds} s left")
    return said


def held(job: Job) -> list[str]:
    """What goes wrong just now, and is tried again without anybody's doing."""
    return [
        f"{one['stage']} is tried again ({one['reason']}: {one['detail']})" + of
        for one in job.waiting[:_SHOWN_WAITING]
        for of in [f", {one['documents']} documents" if one.get("documents", 0) > 1 else ""]
    ]


def _ended(last: Job | None) -> Job:
    if last is None or not last.ended:
        raise Unavailable("The job's events ended before the job did.")
    return last


def print_job(job: Job, *, indent: str = "") -> None:
    """How it ended, what it counted, and each document that failed, with its reason."""
    output.line(f"{indent}{job.kind} {job.job_id}: {job.state}", {"succeeded": "green"}.get(job.state, "yellow"))
    counts = [f"{job.counts[name]} {words}" for name, words in _COUNTED.items() if job.counts.get(name)]
    if counts:
        output.line(f"{indent}  {', '.join(counts)}")
    for said in held(job):
        output.line(f"{indent}  {said}", "yellow")
    for error in job.errors[:_SHOWN_ERRORS]:
        what = error.get("external_id") or error.get("stage") or "scan"
        tried = f" ({error['stage']}, attempt {error['attempts']})" if error.get("attempts") else ""
        output.line(f"{indent}  {what}: {error.get('reason')}: {error.get('detail')}{tried}", "yellow")
    for retry in sorted({str(error["retry"]) for error in job.errors if error.get("retry")}):
        output.line(f"{indent}  `{retry}` tries again")
    if len(job.errors) > _SHOWN_ERRORS:
        output.line(f"{indent}  and {len(job.errors) - _SHOWN_ERRORS} more (--json shows all)")
