"""`vouch demo`: the sample company, from files to answers.

start ─▶ copy files ─▶ people ─▶ source ─▶ sync ─▶ eight questions ─▶ how to go on
"""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from vouch.cli import output, sample
from vouch.cli.ask import print_answer
from vouch.cli.connection import connect_here, running_url
from vouch.cli.directory import import_people
from vouch.cli.output import AsJson
from vouch.cli.platform import prepare_in_child
from vouch.cli.progress import watch
from vouch.client import Client, Source
from vouch.core.errors import AlreadyRunning, NotFound, VouchError
from vouch.core.settings import Settings
from vouch.embedded.folder import ADMIN_KEY

Say = Callable[[str], None]
SOURCE = "company"
FRESHNESS = {"review_every": "365d", "stale_after": "730d"}


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the questions: 1 if one came out wrong.")] = False,
    json: AsJson = False,
) -> None:
    """Start the platform, ingest the sample company, ask eight questions, stay up until Ctrl-C."""
    sample.require_samples()
    say = output.note if json else output.line
    right, settings = False, Settings()
    with suppress(KeyboardInterrupt), _interruptible(), _platform(settings, say) as ours:
        with connect_here(settings) as vouch:
            source = _ingest(vouch, settings.data_dir, say)
            asked = [_ask(vouch, question, say, quiet=json) for question in sample.questions()]
            address = vouch.url
        right = all(result["fault"] is None for result in asked)
        say(f"\n{sum(result['fault'] is None for result in asked)} of {len(asked)} questions came out as expected.")
        if json:
            output.as_json({"address": address, "documents": source.documents, "questions": asked})
        else:
            _how_to_go_on(address, settings.data_dir.resolve() / ADMIN_KEY)
        if ours and not once:
            say("The platform runs until Ctrl-C.")
            threading.Event().wait()
    if once and not right:
        raise typer.Exit(1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _platform(settings: Settings, say: Say) -> Iterator[bool]:
    """A platform on the data folder while the block lasts; yields whether it is ours and not one that ran already.

    The parts' logs go to a file: the terminal is for the story.
    """
    from vouch.embedded.addresses import http_url
    from vouch.embedded.console import Console
    from vouch.embedded.folder import locked
    from vouch.embedded.platform import API, INDEX, SCHEDULER, SERVERS, WORKER, running_platform

    try:
        with locked(settings.data_dir):  # makes the folder, or says why it cannot be ours
            log = settings.data_dir / "demo.log"
    except AlreadyRunning:
        url = running_url(settings)
        if url is None:
            raise
        say(f"A platform runs on {settings.data_dir} already: {url}")
        yield False
        return
    say(f"Starting the platform in {settings.data_dir} (its log: {log})")
    began, parts = time.monotonic(), (*SERVERS, INDEX, WORKER, SCHEDULER, API)
    with (
        log.open("a", encoding="utf-8") as file,
        running_platform(settings, parts, prepare=prepare_in_child, console=Console(file)) as running,
    ):
        say(f"ready {http_url(running.settings)}")
        say(f"after {time.monotonic() - began:.1f} s")
        yield True


def _ingest(vouch: Client, data_dir: Path, say: Say) -> Source:
    """Copy the files, register people and source, sync; the second time everything is found as it is."""
    folder = data_dir.resolve() / "sample"
    written = sample.copy_company(folder)
    found = sample.people()
    import_people(vouch, found)
    say(f"\n{len(found.users)} people in {len(found.groups)} groups; {written} files copied to {folder}")
    _register(vouch, folder)
    began = time.monotonic()
    job = watch(vouch.jobs.events(vouch.sources.sync(SOURCE)), say)
    if job.state != "succeeded":
        raise VouchError(f"The sync {job.state}: {job.errors[:3]}")
    source = vouch.sources.get(SOURCE)
    took = time.monotonic() - began
    say(
        f"{source.documents['live']} documents searchable after {took:.1f} s"
        f" ({job.counts['new']} new, {job.counts['changed']} changed), {source.documents['quarantined']} quarantined,"
        f" {source.documents['readable_by_nobody']} readable by nobody because nothing says who may"
    )
    return source


def _register(vouch: Client, folder: Path) -> None:
    config = {"path": str(folder)}
    try:
        known = vouch.sources.get(SOURCE)
    except NotFound:
        vouch.sources.add(SOURCE, "filesystem", config, owner="user:carol", freshness=FRESHNESS)
    else:
        if known.config.get("path") != config["path"]:
            vouch.sources.change(SOURCE, config=config)


def _ask(vouch: Client, question: sample.Question, say: Say, *, quiet: bool) -> dict[str, Any]:
    answer = vouch.as_user(f"user:{question.who}").ask(question.question)
    fault = question.fault(answer)
    if not quiet:
        output.line(f"\n{question.who.capitalize()} asks: {question.question}", "bold cyan")
        print_answer(answer, indent="  ")
        output.line(f"  ({question.why.strip()})", "dim")
        if fault is not None:
            output.line(f"  NOT AS EXPECTED: {fault}", "bold red")
    return {"as": question.who, "question": question.question, "fault": fault, "answer": answer.model_dump(mode="json")}


def _how_to_go_on(address: str, key: Path) -> None:
    ask = """-H "X-Vouch-As: user:alice" -H "Content-Type: application/json" -d"""
    line = f'curl -s -H "Authorization: Bearer $(cat {shlex.quote(str(key))})"'
    output.line(f"\nThe platform is at {address} (its pages of documentation: {address}/docs)")
    output.line(f"The administrator's key is in {key}. To go on:\n")
    output.line(f"""  {line} {ask} '{{"question": "What is the hotel limit a night?"}}' {address}/v1/ask""")
    output.line(f"""  {line} {ask} '{{"query": "severance pay", "limit": 3}}' {address}/v1/search""")
    output.line(f"  {line} {address}/v1/sources\n")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)
