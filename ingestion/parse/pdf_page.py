"""One page of a PDF as lines with their place, size and weight, read from pdfium character by character."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import pypdfium2
import pypdfium2.raw as pdfium

_BOLD = 600
_MAX_PATHS = 4_000
_BLANKS = (0x20, 0xA0, 0x9)
_HYPHENS = (0x2, 0xFFFE)
"""What pdfium reports for a hyphen that parts a word at a line's end."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line, from ``x0`` to ``x1``."""

    text: str
    x0: float
    x1: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; points from the page's bottom left corner.

    A soft hyphen (U+00AD) marks where a word was parted. pdfium goes on in the same line after it, so
    ``bottom`` is that of the last character; ``top`` and ``base`` are those of the first.
    """

    text: str
    size: float
    bold: bool
    x0: float
    x1: float
    bottom: float
    top: float
    base: float
    cells: tuple[Cell, ...] = ()
    """The parts between gaps as wide as a letter is high, where there are two or more: a row of a table, perhaps."""


@dataclass(frozen=True, slots=True)
class PageText:
    """``number`` from 1; ``ruled``: how many drawn paths the page holds (0 when too many to be a table)."""

    number: int
    lines: tuple[Line, ...]
    height: float
    ruled: int


def read_page(document: pypdfium2.PdfDocument, index: int) -> PageText:
    page = document[index]
    text = page.get_textpage()
    try:
        lines = tuple(_rows([line for chars in _lines(text.raw) if (line := _line(text.raw, chars)) is not None]))
        paths = sum(1 for _ in islice(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=3), _MAX_PATHS + 1))
        # pdfplumber's coordinates are turned with the page, these are not.
        usable = paths <= _MAX_PATHS and page.get_rotation() == 0
        return PageText(index + 1, lines, page.get_mediabox()[3], paths if usable else 0)
    finally:
        text.close()
        page.close()


def _lines(text: ctypes.c_void_p) -> Iterator[list[tuple[int, int]]]:
    """(index, code point) of each line's characters; pdfium writes the line ends itself."""
    line: list[tuple[int, int]] = []
    for index in range(pdfium.FPDFText_CountChars(text)):
        code = pdfium.FPDFText_GetUnicode(text, index)
        if code in (0xA, 0xD):
            if line:
                yield line
            line = []
        elif code:
            line.append((index, code))
    if line:
        yield line


def _rows(lines: list[Line]) -> Iterator[Line]:
    """Pieces that stand side by side (a superscript, a change of font) made one line."""
    row: Line | None = None
    for line in lines:
        if row is not None and _beside(row, line):
            gap = "" if line.x0 - row.x1 < 0.12 * max(row.size, line.size) else " "
            main = max(row, line, key=lambda part: part.size)
            cells = _side_by_side(row, line, gap)
            row = replace(main, text=row.text + gap + line.text, x0=row.x0, x1=line.x1, cells=cells)
            continue
        if row is not None:
            yield row
        row = line
    if row is not None:
        yield row


def _side_by_side(row: Line, line: Line, gap: str) -> tuple[Cell, ...]:
    if not row.cells and not line.cells:
        return ()
    left = row.cells or (Cell(row.text, row.x0, row.x1),)
    right = line.cells or (Cell(line.text, line.x0, line.x1),)
    return (*left[:-1], Cell(left[-1].text + gap + right[0].text, left[-1].x0, right[0].x1), *right[1:])


def _beside(row: Line, line: Line) -> bool:
    overlap = min(row.top, line.top) - max(row.bottom, line.bottom)
    near = -1 <= line.x0 - row.x1 < 1.5 * max(row.size, line.size)
    return near and overlap > 0.4 * min(row.top - row.bottom, line.top - line.bottom)


def _line(text: ctypes.c_void_p, chars: list[tuple[int, int]]) -> Line | None:
    shown = [(i, c) for i, c in chars if c not in _BLANKS]
    if not shown:
        return None
    words = _string(chars)
    middle = shown[len(shown) // 2][0]
    first, last = _box(text, shown[0][0]), _box(text, shown[-1][0])
    size = max(pdfium.FPDFText_GetFontSize(text, i) for i in (shown[0][0], middle))
    # The nominal size is scaled by the text matrix in many files; the box is what is seen.
    seen = first.top - first.bottom
    return Line(
        text=words,
        size=size if 0.5 <= size / max(seen, 0.1) <= 1.5 else seen,
        bold=_is_bold(text, middle),
        x0=first.left,
        x1=last.right,
        bottom=last.bottom,
        top=first.top,
        base=first.bottom,
        cells=_cells(text, chars, seen) if " " in words else (),
    )


def _string(chars: list[tuple[int, int]]) -> str:
    return "".join("\u00ad" if c in _HYPHENS else chr(c) for _, c in chars if not 0xD800 <= c < 0xE000).strip()


def _cells(text: ctypes.c_void_p, chars: list[tuple[int, int]], size: float) -> tuple[Cell, ...]:
    groups: list[list[tuple[int, int]]] = [[]]
    edges: list[float] = [_box(text, next(i for i, c in chars if c not in _BLANKS)).left]
    for at, (index, code) in enumerate(chars):
        if code in _BLANKS and groups[-1]:
            following = next((i for i, c in chars[at:] if c not in _BLANKS), None)
            before = _box(text, groups[-1][-1][0]).right
            if following is not None and _box(text, following).left - before > size:
                edges += [before, _box(text, following).left]
                groups.append([])
                continue
        if code not in _BLANKS or (groups[-1] and code in _BLANKS):
            groups[-1].append((index, code))
    if len(groups) < 2:
        return ()
    edges.append(_box(text, next(i for i, c in reversed(chars) if c not in _BLANKS)).right)
    return tuple(Cell(_string(g), a, b) for g, a, b in zip(groups, edges[::2], edges[1::2], strict=True))


def _box(text: ctypes.c_void_p, index: int) -> pdfium.FS_RECTF:
    box = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(text, index, box)
    return box


def _is_bold(text: ctypes.c_void_p, index: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(text, index) >= _BOLD:
        return True
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(text, index, name, len(name), flags)
    return b"bold" in name.value.lower()
