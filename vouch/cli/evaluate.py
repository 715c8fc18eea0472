"""`vouch eval`: quality, measured and compared. The work is `python -m evals`, `evals.compare` and `evals.own`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vouch.cli import evaluations
from vouch.cli.output import AsJson
from vouch.cli.platform import become

group = typer.Typer(help="Measure quality.", no_args_is_help=True)


@group.command()
def run(
    kind: Annotated[
        Literal["search", "answers", "guards", "groundedness", "reuse"] | None, typer.Argument(help="Only these runs.")
    ] = None,
    set_: Annotated[str | None, typer.Option("--set", help="Only this set.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A set's name, a folder in BEIR's layout or of `vouch eval mine`, or the evaluation folder;"
            " unset: VOUCH_EVAL_DATA."
        ),
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Search by this profile; may be repeated. Unset: the standing four.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Who writes the answers, of the chat models that are configured; unset: extractive."),
    ] = None,
    profiles: Annotated[Path | None, typer.Option(help="File of profiles; unset: evals/profiles.toml.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder that runs are kept in; unset: runs in VOUCH_EVAL_CACHE.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Run evaluations, keep them as files and print a table of figures. Exit status 1 when a gate fails."""
    given = {"--set": set_, "--data": data, "--model": model, "--profiles": profiles, "--out": out}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    options += [f"--profile={name}" for name in profile or ()]
    become("evals", *([kind] if kind else []), *options, *(["--json"] if json else []))


@group.command()
def compare(
    a: Annotated[str, typer.Argument(help="Folder of a run, or its name.")],
    b: Annotated[str, typer.Argument(help="The run to hold against it.")],
    html: Annotated[
        Path | None, typer.Option(help="Write a page with charts and the questions that lost most.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Hold one kept run against another, question by question. Exit status 1 when B is significantly worse."""
    options = [f"--html={html}"] if html is not None else []
    become("evals.compare", *options, *(["--json"] if json else []), "--", a, b)


@group.command()
def mine(
    folder: Annotated[Path, typer.Argument(help="The set: a folder to be made, or taken up where it was left.")],
    as_user: Annotated[
        str, typer.Option("--as", metavar="USER", help="Whose documents and questions it is made of: `alice`.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=500, help="Questions proposed at most.")] = 200,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Another one proposes others.")] = 0,
    from_feedback: Annotated[
        bool, typer.Option("--from-feedback", help="Propose only what the user asked, by the feedback on the answers.")
    ] = False,
    accept_all: Annotated[bool, typer.Option("--accept-all", help="Accept what has evidence, asking nobody.")] = False,
    from_file: Annotated[Path | None, typer.Option("--from", help="Decisions as JSON lines, for scripts.")] = None,
    json: AsJson = False,
) -> None:
    """Make an evaluation set of your own: questions are proposed, and you accept them one by one."""
    options = [f"--as={as_user}", f"--limit={limit}", f"--seed={seed}"]
    options += ["--from-feedback"] if from_feedback else []
    options += ["--accept-all"] if accept_all else []
    options += [f"--from={from_file}"] if from_file is not None else []
    become("evals.own", *options, *(["--json"] if json else []), "--", str(folder))


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    evaluations.add_to(group)
    app.add_typer(group, name="eval")
