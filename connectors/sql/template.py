"""Text made of a row: ``{column}`` is replaced, ``{{`` and ``}}`` are braces, and there is nothing else.

No attribute, index, conversion or format: a template is written by whoever may add a source, and the values come from
a database, so neither may get at more than the values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from string import Formatter
from typing import Any
from uuid import UUID

from vouch.core.clock import rfc3339

Row = Mapping[str, Any]


class Template:
    """A template, read. Raises ValueError for anything but text and the names of columns."""

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[str, str | None]] = []
        for literal, name, spec, conversion in Formatter().parse(text):
            if name is not None and (not name or spec or conversion or set(name) & set(".[]")):
                raise ValueError(f"{{{name}}} is not the name of a column alone; write {{{{ and }}}} for braces")
            self._pieces.append((literal, name))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(name for _, name in self._pieces if name is not None)

    def render(self, row: Row, encode: Callable[[str], str] = str) -> str:
        """The text for ``row``, each value passed through ``encode``. Raises ValueError for one that is no text."""
        return "".join(
            literal + (encode(text_of(row[name], name)) if name is not None else "") for literal, name in self._pieces
        )


def template(text: str) -> str:
    """``text``, once it is known to be a template; for pydantic."""
    Template(text)
    return text


def text_of(value: object, column: str) -> str:
    """A value as it is read. Raises ValueError."""
    if value is None:
        return ""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return rfc3339(value) or ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bool | int | float | Decimal | UUID | str | timedelta):
        return str(value).replace("\0", "\ufffd")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    raise ValueError(f"the column {column} holds what is no text ({type(value).__name__})")
