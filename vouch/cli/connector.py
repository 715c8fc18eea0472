"""`vouch connector`: the kinds that are installed here, and the beginning of a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from connectors import GROUP
from vouch.cli import output
from vouch.cli.output import AsJson, line
from vouch.core.errors import InvalidInput

group = typer.Typer(help="Kinds of source: which are installed, and how to begin one.", no_args_is_help=True)
_KIND = re.compile(r"[a-z][a-z0-9_]{1,30}")


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List the kinds that are installed beside this command, with their packages; a broken one with its fault."""
    found = [_installed(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]
    if json:
        output.as_json({"connectors": found})
    else:
        output.table(("KIND", "PACKAGE", "VERSION", "DESCRIPTION", "FAULT"), [tuple(row.values()) for row in found])


@group.command()
def new(
    kind: Annotated[str, typer.Argument(help="What it is called: small letters, digits, `_`.")],
    folder: Annotated[Path | None, typer.Option(help="Where; unset: `vouch-KIND` here.")] = None,
    json: AsJson = False,
) -> None:
    """Begin a connector: a package that works, with the test that every connector has to pass."""
    if _KIND.fullmatch(kind) is None:
        raise InvalidInput("A kind has 2 to 31 small letters, digits and `_`, a letter first", field="kind")
    if kind in entry_points(group=GROUP).names:
        raise InvalidInput(f"{kind!r} is installed already", field="kind")
    words = _words(kind)
    target = (folder or Path(words["distribution"])).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} is there already, and not an empty folder", field="folder")
    written = []
    for path, text in _package(words):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
        written.append(path)
    if json:
        output.as_json({"kind": kind, "folder": str(target), "files": written})
    else:
        line(f"{kind} begins in {target}: {', '.join(written)}.")
        line("`python -m pytest` there runs the contract; it holds already.")


def _installed(entry: EntryPoint) -> dict[str, str | None]:
    row = {"kind": entry.name, "package": None, "version": None, "description": "", "fault": None}
    if entry.dist is not None:
        row |= {"package": entry.dist.name, "version": entry.dist.version}
    try:
        connector = entry.load()
        if connector.kind != entry.name:
            return row | {"fault": f"calls itself {connector.kind}"}
    except Exception as error:  # noqa: BLE001  (whatever somebody's package does when it is imported is what is told)
        return row | {"fault": f"{type(error).__name__}: {error}"}
    return row | {"description": (connector.__doc__ or "").strip().partition("\n")[0]}


def _words(kind: str) -> Mapping[str, str]:
    name = "".join(part.capitalize() for part in kind.split("_"))
    return {"kind": kind, "Kind": name, "package": f"vouch_{kind}", "distribution": f"vouch-{kind.replace('_', '-')}"}


def _package(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The files of a new package, each with its text."""
    package = words["package"]
    yield "pyproject.toml", _filled("pyproject.toml", words)
    yield "README.md", _filled("README.md", words)
    yield f"{package}/__init__.py", f'"""The {words["kind"]} connector for Vouch."""\n'
    yield f"{package}/connector.py", _filled("connector.py", words)
    yield "tests/test_contract.py", _filled("test_contract.py", words)


def _filled(name: str, words: Mapping[str, str]) -> str:
    return Template((files("vouch.cli") / "scaffold" / f"{name}.in").read_text("utf-8")).substitute(words)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="connector")
