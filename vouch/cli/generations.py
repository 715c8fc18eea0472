"""`vouch index build`, `status`, `compare`, `swap`, `rollback`, `drop`: generations of the index."""

from __future__ import annotations

import json as json_
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vouch.cli import output
from vouch.cli.connection import connect, user_name
from vouch.cli.output import AsJson, line
from vouch.client.generations import Generation, GenerationList
from vouch.core.errors import Conflict, InvalidInput
from vouch.core.settings import Settings

if TYPE_CHECKING:
    from retrieval.compare import Asked

Id = Annotated[str, typer.Argument(help="The generation's id, from `vouch index status`.")]


def build(
    chunker: Annotated[str | None, typer.Option(help="How documents are cut: structure-short.v1.")] = None,
    context: Annotated[str | None, typer.Option(help="What of a chunk is embedded: text.v1.")] = None,
    lexical: Annotated[str | None, typer.Option(help="How words are read: german.v1.")] = None,
    json: AsJson = False,
) -> None:
    """Begin to build another generation of the index beside the one that is asked."""
    with connect() as vouch:
        made = vouch.generations.build(chunker=chunker, context=context, lexical=lexical)
    if json:
        output.as_json(made)
    else:
        line(f"Generation {made.id} is being built; `vouch index status` shows how far it is.")


def status(json: AsJson = False) -> None:
    """The generations that there are, and whether the one that is asked was made by the recipe of today."""
    with connect() as vouch:
        found = vouch.generations.list()
    if json:
        output.as_json(found)
        return
    output.table(
        ("ID", "STATE", "FILLED", "BEHIND", "CHUNKER", "CONTEXT", "LEXICAL", "MODEL", "PROBLEM"),
        [
            (one.id, one.state, _filled(one), one.behind, one.recipe.chunker, one.recipe.context, one.recipe.lexical,
             one.recipe.model, (one.problem or {}).get("detail"))
            for one in found.generations
        ],
    )  # fmt: skip
    if found.differs:
        output.note(f"What is asked was not made by the recipe of today: another {', '.join(found.differs)}.")


def compare(
    generation: Id,
    questions: Annotated[int, typer.Option(help="How many of the questions asked last.")] = 100,
    file: Annotated[
        Path | None, typer.Option(help="Questions of your own instead: JSON lines of `query`, `user`, `relevant`.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Ask the same of the active generation and of another one, and keep the figures with that one."""
    if file is None:
        with connect() as vouch:
            found = vouch.generations.compare(generation, questions=questions)
    else:
        found = _compared(generation, _read(file))
    if json:
        output.as_json(found)
    else:
        output.table(("FIGURE", "VALUE"), [(name, _value(value)) for name, value in found.items()])


def swap(generation: Id, json: AsJson = False) -> None:
    """Make a generation that is ready the one that is asked, in one step."""
    with connect() as vouch:
        swapped = vouch.generations.swap(generation)
    if json:
        output.as_json(swapped)
    else:
        line(f"Generation {generation} is asked now; {swapped.former} is kept, and `vouch index rollback` goes back.")


def rollback(json: AsJson = False) -> None:
    """Go back to the generation that was asked before, in one step."""
    with connect() as vouch:
        swapped = vouch.generations.swap(_former(vouch.generations.list()))
    if json:
        output.as_json(swapped)
    else:
        line(f"Generation {swapped.generation.id} is asked again; {swapped.former} is kept.")


def drop(generation: Id, json: AsJson = False) -> None:
    """Let go of a generation that is not asked, with all that it alone needs."""
    with connect() as vouch:
        vouch.generations.drop(generation)
    if json:
        output.as_json({"dropped": generation})
    else:
        line(f"Generation {generation} is dropped; its points go within minutes.")


def _former(found: GenerationList) -> str:
    """Raises :class:`Conflict` where none was asked before."""
    retired = [one for one in found.generations if one.state == "retired" and one.retired_at is not None]
    if not retired:
        raise Conflict("No generation that was asked before is kept.")
    return max(retired, key=lambda one: (one.retired_at, one.id)).id


def _filled(one: Generation) -> str:
    return "" if one.progress is None else f"{one.progress.done}/{one.progress.total}"


def _value(value: Any) -> Any:
    return ", ".join(f"{name} {inner}" for name, inner in value.items()) if isinstance(value, dict) else value


def _read(path: Path) -> list[Asked]:
    """Raises :class:`InvalidInput` for a file that cannot be read and for a line that is not a question."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="--file") from error
    return [_asked(f"line {number} of {path}", text) for number, text in enumerate(lines, 1) if text.strip()]


def _asked(where: str, text: str) -> Asked:
    from retrieval.compare import Asked

    try:
        row = json_.loads(text)
        relevant = {str(name): int(grade) for name, grade in dict(row.get("relevant", {})).items()}
        return Asked(user_name(str(row["user"])), str(row["query"]), relevant)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{where} is not a question with its `query` and `user`", field="--file") from error


def _compared(generation: str, questions: list[Asked]) -> dict[str, Any]:
    """On the platform's own parts: what is judged says what documents hold, and is not sent over HTTP."""
    from retrieval.compare import compare as compare_
    from retrieval.services import Services

    settings = Settings()
    services = Services.open(settings)
    try:
        return compare_(replace(services, reranker=None), settings.tenant, generation, questions)
    finally:
        services.close()


def add_to(group: typer.Typer) -> None:
    """Register the commands."""
    for command in (build, status, compare, swap, rollback, drop):
        group.command()(command)
