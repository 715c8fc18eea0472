"""Tables without rules: lines whose parts stand under one another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ingestion.parse.pdf_page import Cell, Line

_FEWEST_ROWS = 3
_ROW_STEP = 3.0
"""Rows of one table lie at most this many letter heights apart; the lines of one cell at most :data:`_LINE_STEP`."""
_LINE_STEP = 1.5
_LONGEST_CELL = 45
"""Where the usual cell of two columns is longer, they are columns of prose."""
_MARKER = re.compile(r"^(?:[•◦▪‣·●○■□–*-]|\(?\w{1,3}[.)])$")
Rows = tuple[tuple[str, ...], ...]


@dataclass
class _Grid:
    """A table as it grows line by line: where its columns are, and what stands in them."""

    columns: list[tuple[float, float]]
    rows: list[list[str]]

    def take(self, line: Line, step: float) -> bool:
        """Add ``line`` as a row, or to the row above; False when it does not belong."""
        cells = line.cells or (Cell(line.text, line.x0, line.x1),)
        places = [self._column(cell) for cell in cells]
        found = [p for p in places if p is not None]
        if len(set(found)) < len(cells) or found != sorted(found) or step > _ROW_STEP * line.size:
            return False
        if len(cells) == 1 and (found[0] == 0 or step > _LINE_STEP * line.size):
            return False
        if len(cells) > 1:
            self.rows.append([""] * len(self.columns))
        for cell, place in zip(cells, found, strict=True):
            self.rows[-1][place] = f"{self.rows[-1][place]} {cell.text}".strip()
            left, right = self.columns[place]
            self.columns[place] = min(left, cell.x0), max(right, cell.x1)
        return True

    def _column(self, cell: Cell) -> int | None:
        shared = [min(right, cell.x1) - max(left, cell.x0) for left, right in self.columns]
        best = max(range(len(shared)), key=shared.__getitem__)
        return best if shared[best] > 0 else None

    def convinces(self) -> bool:
        if len(self.rows) < _FEWEST_ROWS or all(_MARKER.match(row[0]) for row in self.rows[1:]):
            return False
        usual = sorted(median(len(row[i]) for row in self.rows) for i in range(len(self.columns)))
        return usual[-2] <= _LONGEST_CELL


def parts(lines: Sequence[Line]) -> Iterator[tuple[Sequence[Line], Rows]]:
    """``lines`` in order, as runs of plain lines (no rows) and tables (no lines)."""
    plain: list[Line] = []
    at = 0
    while at < len(lines):
        rows, after = _table(lines, at) if len(lines[at].cells) > 1 else ((), at)
        if rows:
            yield plain, ()
            yield (), rows
            plain, at = [], after
        else:
            plain.append(lines[at])
            at += 1
    yield plain, ()


def _table(lines: Sequence[Line], start: int) -> tuple[Rows, int]:
    """The table that begins at ``start`` and the index after it; no rows when there is none."""
    first = lines[start]
    grid = _Grid([(c.x0, c.x1) for c in first.cells], [[c.text for c in first.cells]])
    at = start + 1
    while at < len(lines):
        step = lines[at - 1].bottom - lines[at].base
        if step <= 0 or not grid.take(lines[at], step):
            break
        at += 1
    return (tuple(map(tuple, grid.rows)), at) if grid.convinces() else ((), start)
