"""How commands speak: JSON for programs, tables and colour for a terminal, plain lines for everything else."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vouch.core.clock import rfc3339
from vouch.core.errors import VouchError

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_asked_for_json = False


def _note_json(wanted: bool) -> bool:
    global _asked_for_json
    _asked_for_json = wanted
    return wanted


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.", callback=_note_json, is_eager=True)
]


def on_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty() and not _asked_for_json


def console(*, stderr: bool = False) -> Console:
    """Colour only where a terminal reads it; document text is never taken for markup."""
    stream = sys.stderr if stderr else sys.stdout
    # `force_terminal` overrides FORCE_COLOR: a pipe is never a terminal.
    return Console(file=stream, force_terminal=stream.isatty(), markup=False, highlight=False, soft_wrap=True)


def visible(text: object) -> str:
    """``text`` without what would steer a terminal: control characters and changes of writing direction."""
    return "".join(
        c if c in "\n\t" or (unicodedata.category(c) != "Cc" and c not in _BIDI) else "\ufffd" for c in str(text)
    )


def line(text: object = "", style: str = "") -> None:
    """One line on standard output."""
    console().print(Text(visible(text), style=style))


def pieces(parts: Iterable[tuple[str, str]]) -> None:
    """One line of pieces, each with its style."""
    console().print(Text.assemble(*((visible(text), style) for text, style in parts)))


def note(text: object) -> None:
    """One line on standard error: about the work, not its result."""
    console(stderr=True).print(Text(visible(text)))


def as_json(found: BaseModel | Sequence[BaseModel] | Mapping[str, Any]) -> None:
    """The result as JSON, as the platform gave it."""
    print(json.dumps(_plain(found), ensure_ascii=False, indent=2))


def _plain(found: object) -> object:
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json")
    if isinstance(found, list | tuple):
        return [_plain(item) for item in found]
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal; elsewhere a line per row, tab-separated, without the heading."""
    cells = [[visible(_cell(cell)) for cell in row] for row in rows]
    if not on_terminal():
        for row in cells:
            print("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in cells:
        drawn.add_row(*map(Text, row))
    Console(markup=False, highlight=False).print(drawn)


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return "" if value is None else value


def failure(error: VouchError) -> None:
    """What went wrong, on standard error."""
    if _asked_for_json:
        print(json.dumps(error.problem(), ensure_ascii=False, indent=2), file=sys.stderr)
        return
    where = f" ({error.field})" if error.field else ""
    console(stderr=True).print(Text.assemble(("error: ", "bold red"), visible(error.detail), where))
