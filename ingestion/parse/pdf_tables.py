"""Ruled tables of a PDF, by pdfplumber, on the pages where lines are drawn."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import pdfplumber
from pdfminer.psexceptions import PSException
from pdfplumber.pdf import PDF
from pdfplumber.utils.exceptions import PdfminerException

from ingestion.parse.pdf_page import Line, PageText

_FEWEST_PATHS = 4
_MAX_PAGES = 100
"""pdfplumber takes tens of milliseconds a page; beyond this many ruled pages tables stay lines of text."""
_LEAST_FILLED = 0.5
_MOST_LINES = 8
_UNREADABLE = (
    PSException,
    PdfminerException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
)


@dataclass(frozen=True)
class Table:
    """Cells of a table and its box; points from the page's bottom left corner."""

    rows: tuple[tuple[str, ...], ...]
    x0: float
    x1: float
    bottom: float
    top: float

    def holds(self, line: Line) -> bool:
        x, y = (line.x0 + line.x1) / 2, (line.bottom + line.top) / 2
        return self.x0 - 1 <= x <= self.x1 + 1 and self.bottom - 1 <= y <= self.top + 1


class Tables(AbstractContextManager["Tables"]):
    """The tables of one document, page by page; opened only when a page is ruled."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pdf: PDF | None = None
        self._read = 0
        self._failed: list[int] = []

    @property
    def notes(self) -> tuple[str, ...]:
        pages = ", ".join(map(str, self._failed[:20]))
        return (f"tables were read as plain lines on p. {pages}",) if self._failed else ()

    def on(self, page: PageText) -> list[Table]:
        """The page's tables, as far as they look like tables."""
        if page.ruled < _FEWEST_PATHS or not page.lines:
            return []
        if self._read >= _MAX_PAGES:
            self._failed.append(page.number)
            return []
        self._read += 1
        try:
            return self._find(page)
        except _UNREADABLE:  # pdfium could read what pdfminer cannot: the words are there, the cells are not
            self._failed.append(page.number)
            return []

    def _find(self, page: PageText) -> list[Table]:
        if self._pdf is None:
            self._pdf = pdfplumber.open(io.BytesIO(self._data))
        plumbed = self._pdf.pages[page.number - 1]
        tables = []
        for found in plumbed.find_tables():
            rows = tuple(tuple((cell or "").strip() for cell in row) for row in found.extract())
            if _is_table(rows):
                x0, top, x1, bottom = found.bbox
                tables.append(Table(rows, x0, x1, page.height - bottom, page.height - top))
        plumbed.close()
        return tables

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pdf is not None:
            self._pdf.close()


def _is_table(rows: tuple[tuple[str, ...], ...]) -> bool:
    """Two rows and columns or more, mostly filled, and cells that are cells: a few lines each, not half a page."""
    cells = [cell for row in rows for cell in row]
    if len(rows) < 2 or len(rows[0]) < 2 or sum(map(bool, cells)) < _LEAST_FILLED * len(cells):
        return False
    return max(cell.count("\n") for cell in cells) < _MOST_LINES
