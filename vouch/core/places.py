"""Where in a document something stands, for people: "p. 12", "sheet Costs, rows 8–9", "Travel › Hotels".

The parser says it of each part of the text, a chunk keeps what it needs of that, and a citation is told the place of
the very span that it quotes rather than of the chunk's beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vouch.core.types import Span

STEP = " › "
"""Between a heading and the one below it."""


@dataclass(frozen=True, slots=True)
class Place:
    """``name`` of what stands at ``span``, "" where there is none; ``row``, from 1, of a table or sheet."""

    span: Span
    name: str
    row: int | None = None


def place_at(places: Iterable[Place], span: Span) -> str:
    """What the places that ``span`` touches are called together; "" where none has a name or a row.

    Rows and pages that follow one another are put together; of unlike places the first is told.
    """
    met = [one for one in places if one.span.start < span.end and span.start < one.span.end and (one.name or one.row)]
    if not met:
        return ""
    name = met[0].name
    rows = [one.row for one in met if one.name == name and one.row is not None]
    if rows:
        return ", ".join(filter(None, (name, _rows(min(rows), max(rows)))))
    return _pages(name, met[-1].name)


def _rows(first: int, last: int) -> str:
    return f"row {first}" if first == last else f"rows {first}–{last}"


def _pages(first: str, last: str) -> str:
    """``p. 3`` and ``p. 4`` → ``p. 3–4``; unlike places: the first."""
    (before, _, a), (also, _, b) = first.rpartition(" "), last.partition(",")[0].rpartition(" ")
    together = before == also and a != b and a.isdigit() and b.isdigit()
    return f"{first}–{b}" if together else first


def as_json(places: Iterable[Place]) -> list[list[Any]]:
    """``[name, [[start, end, row], …]]`` of each run of one name: what a long table stands under is said once."""
    return [
        [name, [[one.span.start, one.span.end, one.row] for one in run]]
        for name, run in groupby(places, key=lambda one: one.name)
    ]


def from_json(runs: Iterable[Sequence[Any]]) -> tuple[Place, ...]:
    """Inverse of :func:`as_json`."""
    return tuple(Place(Span(start, end), name, row) for name, parts in runs for start, end, row in parts)
