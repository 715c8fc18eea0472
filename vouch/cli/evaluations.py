"""`vouch eval schedule`, `sets`, `start`, `results`, `baseline`, `drop`: sets that the platform runs itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client import Client, EvalRun, EvalSet
from vouch.core.errors import NotFound

Set = Annotated[str, typer.Argument(metavar="SET", help="The set's name or id, from `vouch eval sets`.")]
DECIDES = "ndcg_10"


def schedule(
    folder: Annotated[Path, typer.Argument(help="A set that `vouch eval mine` made.")],
    every: Annotated[str | None, typer.Option(help="`7d`, or a cron expression in UTC; unset: when told to.")] = None,
    name: Annotated[str | None, typer.Option(help="What it is called here; unset: as its folder.")] = None,
    mode: Annotated[str, typer.Option(help="`hybrid`, `dense` or `lexical`.")] = "hybrid",
    rerank: Annotated[bool, typer.Option(help="With the reranker, where the platform has one.")] = True,
    json: AsJson = False,
) -> None:
    """Give a set to the platform, to be run by a schedule; one of that name is replaced (scopes `admin`, `act_as`)."""
    from evals.own.folder import as_given, asker, load

    given: dict[str, Any] = {
        "user": asker(folder), "questions": as_given(load(folder)), "schedule": every, "mode": mode, "rerank": rerank,
    }  # fmt: skip
    called = name or folder.resolve().name
    with connect() as vouch:
        there = next((one for one in vouch.evals.sets() if one.name == called), None)
        made = vouch.evals.create(called, **given) if there is None else vouch.evals.change(there.id, **given)
    if json:
        output.as_json(made)
    else:
        when = f"next at {made.next_at:%Y-%m-%d %H:%M} UTC" if made.next_at else f"`vouch eval start {called}` runs it"
        line(f"{called}: {made.questions} questions, asked as {made.user}; {when}.")


def sets(json: AsJson = False) -> None:
    """List the sets that the platform runs, with what came of each the last time."""
    with connect() as vouch:
        found = vouch.evals.sets()
    if json:
        output.as_json({"sets": [one.model_dump(mode="json") for one in found]})
        return
    columns = ("NAME", "USER", "QUESTIONS", "SCHEDULE", "NEXT", "LAST", "NDCG@10", "DRIFT", "ID")
    output.table(columns, map(_set, found))


def start(set_: Set, json: AsJson = False) -> None:
    """Have a set run now (scopes `admin`, `act_as`)."""
    with connect() as vouch:
        run = vouch.evals.start(_found(vouch, set_).id)
    if json:
        output.as_json(run)
    else:
        line(f"Run {run.id} is {run.state}; `vouch eval results {set_}` says what becomes of it.")


def results(
    set_: Set,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 20,
    json: AsJson = False,
) -> None:
    """List the runs of a set, newest first. Exit status 1 when the last one is worse than before or the baseline."""
    with connect() as vouch:
        runs = vouch.evals.runs(_found(vouch, set_).id)
        found = [one for one, _ in zip(runs, range(limit), strict=False)]
    if json:
        output.as_json({"runs": [one.model_dump(mode="json") for one in found]})
    else:
        columns = ("AT", "STATE", "NDCG@10", "QUESTIONS", "MISSING", "GENERATION", "DRIFT", "PROBLEM", "ID")
        output.table(columns, map(_run, found))
    done = next((one for one in found if one.state == "succeeded"), None)
    if done is not None and done.worse:
        raise typer.Exit(1)


def baseline(
    set_: Set,
    run_id: Annotated[str | None, typer.Argument(help="The run, from `vouch eval results`; unset: the last.")] = None,
    json: AsJson = False,
) -> None:
    """Hold later runs of a set against this one too, besides the one before each (scopes `admin`, `act_as`)."""
    with connect() as vouch:
        own = _found(vouch, set_)
        chosen = run_id or next((one.id for one in vouch.evals.runs(own.id) if one.state == "succeeded"), None)
        if chosen is None:
            raise NotFound("No run of it has succeeded yet.")
        changed = vouch.evals.change(own.id, baseline=chosen)
    if json:
        output.as_json(changed)
    else:
        line(f"Runs of {changed.name} are held against {changed.baseline}.")


def drop(set_: Set, json: AsJson = False) -> None:
    """Take a set from the platform, with all its runs."""
    with connect() as vouch:
        own = _found(vouch, set_)
        vouch.evals.delete(own.id)
    if json:
        output.as_json({"deleted": own.id})
    else:
        line(f"{own.name} is deleted.")


def _found(vouch: Client, named: str) -> EvalSet:
    """Raises :class:`NotFound`."""
    found = next((one for one in vouch.evals.sets() if named in (one.name, one.id)), None)
    if found is None:
        raise NotFound(f"The platform has no evaluation set {named!r}.")
    return found


def _set(one: EvalSet) -> tuple[object, ...]:
    last = one.latest
    state, figure, drift = (None, None, None) if last is None else (last.state, _figure(last), _drift(last))
    return (one.name, one.user, one.questions, one.schedule, one.next_at, state, figure, drift, one.id)


def _run(one: EvalRun) -> tuple[object, ...]:
    problem = one.problem["reason"] if one.problem else None
    at = one.finished_at or one.created_at
    return (
        at, one.state, _figure(one), one.questions, one.missing, one.generation, _drift(one), problem, one.id,
    )  # fmt: skip


def _figure(one: EvalRun) -> str | None:
    found = one.figures.get(DECIDES)
    return None if found is None else f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _drift(one: EvalRun) -> str:
    return ", ".join(f"{each.verdict} {each.difference:+.3f} ({each.against})" for each in one.drift)


def add_to(group: typer.Typer) -> None:
    """Register the commands."""
    for command in (schedule, sets, start, results, baseline, drop):
        group.command()(command)
