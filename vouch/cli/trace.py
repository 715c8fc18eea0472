"""`vouch trace`: how one question went, drawn as a waterfall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from vouch.cli import output
from vouch.cli.connection import AsUser, connect
from vouch.cli.output import AsJson, line
from vouch.client import Trace
from vouch.core.clock import rfc3339

WIDTH = 40
"""Cells that the whole question takes."""


def trace(
    trace_id: Annotated[str, typer.Argument(help="`trace_id` of an answer or a search.")],
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Draw how a question went: as its asker sees it, or an administrator, who sees nothing of its content."""
    with connect(as_user) as vouch:
        told = vouch.trace(trace_id)
    if json:
        output.as_json(told)
    else:
        print_trace(told)


def print_trace(told: Trace) -> None:
    """What was asked, the waterfall, and what was found, written and released; what is not known is left out."""
    line(f"{told.kind}, {rfc3339(told.created_at)}, {told.ms:.1f} ms", "bold")
    if told.query is not None:
        line(f"“{' '.join(told.query.split())}”")
    line()
    if told.walk is None:
        output.note("This trace does not say when its steps began: they are laid end to end.")
    _print_walk(list(told.walk) if told.walk is not None else _end_to_end(told.steps), told.ms)
    line()
    again = _again(told.reuse)
    for said in (_found(told), _made(told.made_by), _written(told.writer), again, _rejected(told), _outcome(told)):
        if said:
            line(said)
    attempts = told.writer.get("attempts", ())
    if attempts:
        line()
        output.table(("TRIED", "OUTCOME", "MS"), [(one["writer"], one["outcome"], one["ms"]) for one in attempts])


def _print_walk(walk: Sequence[dict[str, Any]], whole: float) -> None:
    if not output.on_terminal():
        output.table((), [(step["name"], f"{step['at_ms']:.1f}", f"{step['ms']:.1f}") for step in walk])
        return
    rows = [(step["name"], f"{step['at_ms']:8.1f}", f"{step['ms']:8.1f}", bar(step, whole)) for step in walk]
    output.table(("STEP", "  AT MS", "    MS", ""), rows)


def bar(step: dict[str, Any], whole: float) -> str:
    """Where in the whole a step stands, in :data:`WIDTH` cells; at least a stroke, however short it was."""
    scale = WIDTH / whole if whole > 0 else 0.0
    begins = min(int(step["at_ms"] * scale), WIDTH - 1)
    cells = min(round(step["ms"] * scale), WIDTH - begins)
    return " " * begins + ("█" * cells or "▏")


def _end_to_end(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    def laid() -> Iterator[dict[str, Any]]:
        at = 0.0
        for step in steps:
            yield {**step, "at_ms": at}
            at += step["ms"]

    return list(laid())


def _found(told: Trace) -> str:
    counted = (
        ("candidates", told.candidates),
        ("demoted", told.demoted),
        ("dropped", told.dropped),
        ("refused by gate 2", told.refused),
        ("passages", told.passages),
    )
    parts = [f"{len(rows)} {name}" for name, rows in counted if rows is not None]
    return f"found: {', '.join([*parts, f'{told.outdated} outdated'])}"


def _written(writer: dict[str, Any]) -> str:
    """By whom, how sure it was, and what it cost."""
    if not writer:
        return ""
    said = [str(writer["name"])]
    if "confidence" in writer:
        said.append(f"confidence {writer['confidence']:.2f}")
    if "model" in writer:
        said.append(f"{writer['model']}: {writer['input_tokens']} tokens read, {writer['output_tokens']} written")
    if "cost" in writer:
        said.append(f"{writer['cost']} {writer['currency']}")
    return f"written by: {', '.join(said)}"


def _again(reuse: dict[str, Any]) -> str:
    """Of an answer that was written for an earlier question."""
    if not reuse.get("kind"):
        return ""
    of = f", answer {reuse['answer_id']}" if "answer_id" in reuse else ""
    return f"given again: {reuse['kind']}, similarity {reuse['similarity']:.2f}{of}"


def _made(by: dict[str, Any] | None) -> str:
    """By which profile, as what it served, and of which settings."""
    return f"made by: {by['profile']} ({by['arm']}), settings {by['settings']}" if by else ""


def _rejected(told: Trace) -> str:
    reasons = Counter(one["reason"] for one in told.rejected or ())
    return f"rejected: {', '.join(f'{count} {reason}' for reason, count in reasons.most_common())}" if reasons else ""


def _outcome(told: Trace) -> str:
    """Known to its asker alone."""
    if told.kind == "search" or told.query is None:
        return ""
    if told.answer is None:
        return "outcome: made from something that may not be read any more"
    if told.answer["abstention"] is not None:
        return f"outcome: no answer ({told.answer['abstention']['reason']})"
    claims, citations = len(told.answer["claims"]), len(told.answer["citations"])
    return f"outcome: an answer, claims {claims}, citations {citations}"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(trace)
