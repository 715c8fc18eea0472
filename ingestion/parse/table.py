"""Tables as text: one line a row, each value with its header, so that a row can be quoted alone.

``Plan: Gold | Price: 20 EUR`` costs a few tokens more than a grid, but it is found by what it says
and it makes sense wherever it is shown: in an answer, in a citation, in a chunk cut from a long table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from lxml import etree

from ingestion.parse.document import Block
from ingestion.parse.normalise import one_line
from vouch.core.errors import DocumentRejected
from vouch.core.sentences import ROW_SEPARATOR

Rows = Sequence[Sequence[str]]
_NUMERIC = re.compile(r"^[\s$€£¥+(–-]*\d[\d\s.,:/%()–-]*\s*(?:[%€$£]|[A-Za-z]{1,4})?\s*\)?$")
_LONGEST_LABEL = 60
_MOST_SPAN = 200
"""A colspan or rowspan beyond this is a mistake or an attack; HTML itself allows 1,000 columns."""

_MOST_CELLS = 10_000_000
"""Of the rectangle: a hundred long rows among a hundred thousand short ones make it large."""


def render(block: Block) -> list[str]:
    """The lines of a table block: rows without any text are left out, values keep their order."""
    return [line for _, line in numbered(block)]


def numbered(block: Block) -> list[tuple[int, str]]:
    """The lines of :func:`render`, each with the place in ``block.rows`` of the row that it shows."""
    cells = [[one_line(cell) for cell in row] for row in block.rows]
    at = [i for i, row in enumerate(cells) if any(row)]
    rows = _rectangle([cells[i] for i in at])
    if not rows:
        return []
    if len(rows[0]) == 1:
        return [(i, row[0]) for i, row in zip(at, rows, strict=True) if row[0]]
    count = header_rows(rows) if block.header_rows is None else min(block.header_rows, len(rows))
    if count == 0 or count == len(rows):
        return [(i, line) for i, row in zip(at, rows, strict=True) if (line := _plain(row))]
    labels = _labels(rows[:count])
    return [(i, line) for i, row in zip(at[count:], rows[count:], strict=True) if (line := _labelled(labels, row))]


def _rectangle(rows: Rows) -> list[list[str]]:
    """Equal widths; columns that are all blank are gone. None of the rows is."""
    width = max((len(row) for row in rows), default=0)
    if width * len(rows) > _MOST_CELLS:
        raise DocumentRejected(f"A table has room for more than {_MOST_CELLS:,} cells", reason="too_large")
    full = [[*row, *[""] * (width - len(row))] for row in rows]
    kept = [i for i in range(width) if any(row[i] for row in full)]
    return [[row[i] for i in kept] for row in full]


def _labels(header: Rows) -> list[str]:
    """One label a column; several header rows give ``2025 / Q1``."""
    return [" / ".join(dict.fromkeys(filter(None, column))).rstrip(": ") for column in zip(*header, strict=True)]


def _labelled(labels: Sequence[str], row: Sequence[str]) -> str:
    filled = [(label, value) for label, value in zip(labels, row, strict=True) if value]
    if len(row) > 2 and len({value for _, value in filled}) == 1 and not is_number(filled[0][1]):
        return filled[0][1]  # a section row, often one cell merged across all columns
    return ROW_SEPARATOR.join(f"{label}: {value}" if label else value for label, value in filled)


def _plain(row: Sequence[str]) -> str:
    filled = [value for value in row if value]
    if len(row) == 2 and len(filled) == 2 and len(filled[0]) <= _LONGEST_LABEL:
        return f"{filled[0].rstrip(': ')}: {filled[1]}"
    # The same words in neighbouring cells are one merged cell.
    return ROW_SEPARATOR.join(filled[:1] + [b for a, b in pairwise(filled) if a != b or is_number(b)])


def is_number(text: str) -> bool:
    """Whether ``text`` is a figure, an amount, a percentage or a date in figures."""
    return _NUMERIC.match(text) is not None


def header_rows(rows: Rows) -> int:
    """How many leading rows name the columns: 0, or 1 (formats that know better say so)."""
    first, body = rows[0], rows[1:]
    labels = [cell for cell in first if cell]
    if not all(any(map(str.isalpha, cell)) for cell in labels):
        return 0
    if not body or len(labels) < max(2, len(first) - 1) or len(set(labels)) < len(labels):
        return 0
    if any(is_number(cell) or len(cell) > _LONGEST_LABEL or cell.endswith((".", ":")) for cell in labels):
        return 0
    numbers_below = any(is_number(cell) for row in body for cell in row[1:])
    if len(first) > 2 or numbers_below:
        return 1
    # Two columns of words: a header over a list, or a form of names and values?
    if not all(row[1] for row in body):
        return 1
    longest = max(len(cell) for row in body for cell in row)
    return 1 if len(body) > 1 and max(map(len, labels)) <= 24 < longest else 0


def from_html(html: str, *, place: str = "") -> Block | None:
    """The first table of an HTML fragment, spans unrolled, header cells honoured; None when it holds no cell."""
    root = etree.fromstring(html.encode(), etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False))
    table = None if root is None else root.find(".//table")
    if table is None:
        return None
    lines = list(table.iter("tr"))
    rows: list[list[str]] = []
    named = 0
    pending: dict[tuple[int, int], str] = {}
    for number, line in enumerate(lines):
        cells = [cell for cell in line if cell.tag in ("td", "th")]
        above = line.getparent()
        in_header = all(c.tag == "th" for c in cells) or (above is not None and above.tag == "thead")
        if cells and in_header and named == number:
            named += 1
        rows.append(_row_cells(cells, number, len(lines), pending))
    if not rows:
        return None
    return Block("table", rows=tuple(map(tuple, rows)), header_rows=named or None, place=place)


def _row_cells(
    cells: Sequence[etree._Element], number: int, total: int, pending: dict[tuple[int, int], str]
) -> list[str]:
    """One row's texts. ``pending`` holds cells that reach down from rows above, by (row, column)."""
    row: list[str] = []
    for cell in [*cells, None]:
        while (number, len(row)) in pending:
            row.append(pending.pop((number, len(row))))
        if cell is None:
            break
        text = " ".join("".join(str(t) for t in cell.itertext()).split())
        down = min(_span(cell, "rowspan"), total - number)
        for _ in range(_span(cell, "colspan")):
            pending.update({(number + below, len(row)): text for below in range(1, down)})
            row.append(text)
    return row


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), _MOST_SPAN) if value.isdecimal() else 1
