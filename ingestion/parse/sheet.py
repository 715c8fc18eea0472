"""XLSX: every visible sheet's tables, values as the sheet shows them, place "sheet Costs", rows by their numbers."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import openpyxl

from ingestion.parse import table
from ingestion.parse.assemble import title_from_name
from ingestion.parse.document import Block, Draft
from ingestion.parse.normalise import one_line
from vouch.core.errors import DocumentRejected

_MAX_CELLS = 3_000_000
_MAX_HEADER = 3
_DECIMALS = re.compile(r"[0#?]\.([0#?]+)")
_CURRENCY = re.compile(r"\[\$([^\]-]+)|([$€£¥₹])")
Row = tuple[str, ...]


def read(data: bytes, name: str) -> Draft:
    """Formulas show the value that was saved with the file, or themselves where none was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # openpyxl warns of styles and extensions that it drops
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True) if _has_formulas(data) else None
        visible = [s for s in values.worksheets if s.sheet_state == "visible"]
        blocks: list[Block] = []
        budget = _MAX_CELLS
        for sheet in visible:
            rows = list(_rows(sheet, formulas[sheet.title] if formulas else None, budget))
            budget -= sum(map(len, rows))
            found = list(_sheet_blocks(rows, f"sheet {one_line(sheet.title)}"))
            if found and len(visible) > 1:
                blocks.append(Block("heading", sheet.title, 1, found[0].place))
            blocks += found
        title = one_line(values.properties.title or "") or title_from_name(name)
    hidden = tuple(f"hidden sheet {s.title} was left out" for s in values.worksheets if s.sheet_state != "visible")
    return Draft(tuple(blocks), title=title, notes=hidden)


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [n for n in archive.namelist() if n.startswith("xl/worksheets/") and n.endswith(".xml")]
        return any(b"<f>" in (xml := archive.read(n)) or b"<f " in xml for n in sheets)


def _rows(sheet: Any, formulas: Any | None, budget: int) -> Iterator[Row]:
    sheet.reset_dimensions()  # what the file declares may be wrong or a million rows
    sources: list[Iterable[Any]] = [sheet.iter_rows()]
    if formulas is not None:
        formulas.reset_dimensions()
        sources.append(formulas.iter_rows(values_only=True))
    for row, said in zip_longest(*sources, fillvalue=()) if len(sources) > 1 else ((r, ()) for r in sources[0]):
        budget -= max(1, len(row) // 64)
        if budget < 0:
            raise DocumentRejected(f"The workbook has more than {_MAX_CELLS:,} cells", reason="too_large")
        cells = [_shown(cell, formula) for cell, formula in zip_longest(row, said)]
        while cells and not cells[-1]:
            cells.pop()
        budget -= len(cells)
        yield tuple(cells)


def _shown(cell: Any, formula: Any) -> str:
    """A cell's value as the sheet shows it, near enough to be recognised."""
    value = getattr(cell, "value", None)
    if value is None:
        return formula if isinstance(formula, str) and formula.startswith("=") else ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "minutes")
    if isinstance(value, int | float):
        return _number(value, getattr(cell, "number_format", None) or "General")
    return one_line(str(value))


def _number(value: float, shape: str) -> str:
    shape = shape.split(";")[0]
    if shape in ("General", "@"):
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    decimals = _DECIMALS.search(shape)
    digits = len(decimals[1]) if decimals else 0
    if "%" in shape:
        return f"{value * 100:.{digits}f}%"
    if not re.search(r"[0#]", shape):
        return f"{value:.12g}"
    symbol = _CURRENCY.search(shape)
    text = f"{value:,.{digits}f}" if re.search(r"[#0],[#0]", shape) else f"{value:.{digits}f}"
    return f"{symbol[1] or symbol[2]}{text}" if symbol else text


def _sheet_blocks(rows: list[Row], place: str) -> Iterator[Block]:
    """Blank rows part one table from the next; lines of a single cell above a table are its caption.

    A header may stand over several rows, be parted from its figures by a blank row, and serve several
    tables below it.
    """
    header: list[Row] = []
    for number, lines in _groups(rows):
        group = lines
        while group and _filled(group[0]) == 1 and (len(group) == 1 or max(map(_filled, group)) > 1):
            row = number + len(lines) - len(group)
            yield Block("paragraph", next(filter(None, group[0])), 0, place, numbers=(row,))
            group = group[1:]
        if not group:
            continue
        names = _header(group)
        if names and len(names) == len(group):
            header = names  # the figures come after a blank row; if they do not, nothing but a header is lost
            continue
        if names:
            header, group = names, group[len(names) :]
        fits = bool(header) and _filled(group[0]) > 1 and set().union(*map(_columns, header)) >= _columns(group[0])
        top = header if fits else []
        last = number + len(lines)
        numbers = (*[0] * len(top), *range(last - len(group), last))  # of the header nothing is shown as a row
        yield Block("table", rows=(*_spread(top), *group), header_rows=len(top), place=place, numbers=numbers)


def _header(group: list[Row]) -> list[Row]:
    """The leading rows that name the columns: all words, the last of them naming (nearly) every column."""
    width = len(set().union(*map(_columns, group)))
    rows: list[Row] = []
    for row in group[:_MAX_HEADER]:
        if any(table.is_number(cell) for cell in row):
            break
        rows.append(row)
        if _filled(row) >= max(2, width - 1):
            deeper = len(rows) < len(group) and _filled(row) < width and _filled(group[len(rows)]) == width
            if not deeper:
                break
    if not rows or _filled(rows[-1]) < max(2, width - 1):
        return []
    if len(rows) == 1 and len(group) > 1:
        return rows if table.header_rows(group) else []
    return rows


def _spread(header: list[Row]) -> list[Row]:
    """Upper header rows with each name over all the columns it spans, up to the next name."""
    spread: list[Row] = []
    width = max(map(len, header), default=0)
    for row in header[:-1]:
        cells = [*row, *[""] * (width - len(row))]
        for i in range(2, width):
            cells[i] = cells[i] or cells[i - 1]
        spread.append(tuple(cells))
    return [*spread, *header[-1:]]


def _groups(rows: list[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Rows that follow one another, and the number of the first."""
    group: list[Row] = []
    for number, row in enumerate([*rows, ()], 1):
        if any(row):
            group.append(row)
        elif group:
            yield number - len(group), group
            group = []


def _filled(row: Row) -> int:
    return sum(map(bool, row))


def _columns(row: Row) -> set[int]:
    return {i for i, cell in enumerate(row) if cell}
