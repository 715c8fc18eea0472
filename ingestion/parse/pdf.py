"""PDF: lines by pdfium, joined into paragraphs by their geometry; ruled tables by pdfplumber,
tables without rules by what stands under one another.

Headings are what is set larger or bolder than the body. Running headers, footers and page numbers are
dropped. Pages that are pictures are read by OCR where there is an engine (:mod:`ingestion.parse.ocr`); without, a file
that has no text layer is refused as ``no_text``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

import pypdfium2

from ingestion.parse import ocr, pdf_aligned
from ingestion.parse.document import Block, Draft
from ingestion.parse.normalise import one_line
from ingestion.parse.pdf_page import Line, PageText, read_page
from ingestion.parse.pdf_tables import Tables
from vouch.core.errors import DocumentRejected

_MAX_PAGES = 3_000
_PAGE_NUMBER = re.compile(r"^[-–\s]*(?:page|seite|p\.)?\s*\d{1,4}(?:\s*(?:/|of|von)\s*\d{1,4})?[-–\s]*$", re.I)
_LIST_ITEM = re.compile(r"^(?:[•◦▪‣·●○■□–*-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+\S")
_BULLET = re.compile(r"^[•◦▪‣·●○■□]\s*")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_ENDS = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")
_PARTED = re.compile("\u00ad(?=[^\\W\\d_A-Z])")
_TOOL_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel) - .*|untitled.*|.*\.(?:docx?|pptx?|xlsx?|indd|tex|pdf|qxd)|\W*)$", re.I
)


@dataclass(frozen=True, slots=True)
class _Passage:
    """Lines that belong together, or a table."""

    lines: tuple[Line, ...]
    page: int
    rows: tuple[tuple[str, ...], ...] = ()
    turns: tuple[tuple[int, int], ...] = ()
    """Of a paragraph that runs on over a page's end: from which line on it stands on which page."""


def read(data: bytes, name: str) -> Draft:
    """Raises :class:`DocumentRejected`: ``encrypted``, ``truncated``, ``corrupt``, ``too_large``."""
    _refuse_truncated(data)
    document = _opened(data)
    try:
        if len(document) > _MAX_PAGES:
            raise DocumentRejected(f"The document has more than {_MAX_PAGES:,} pages", reason="too_large")
        pages = [read_page(document, number) for number in range(len(document))]
        bare = [index for index, page in enumerate(pages) if not page.lines]
        seen = list(ocr.read_pages(document, bare)) if ocr.is_installed() else []
        for page in seen:
            pages[page.number - 1] = page
        said = one_line(document.get_metadata_dict().get("Title", ""))
    finally:
        document.close()
    with Tables(data) as tables:
        passages = [p for page in _without_running_lines(pages) for p in _passages(page, tables)]
        notes = tables.notes
    silent = [page.number for page in pages if not page.lines]
    if silent and len(silent) < len(pages):
        notes = (*notes, f"{_some(silent, pages)} hold no text")
    if read_in := [page.number for page in seen if page.lines]:
        notes = (*notes, f"{_some(read_in, pages)} were pictures, read by OCR")
    elif silent and not ocr.is_installed():
        notes = (*notes, ocr.MISSING)
    title = "" if _TOOL_TITLE.match(said) else said
    return Draft(tuple(_blocks(_joined(passages))), title=title, pictures=bool(bare), notes=notes)


def _some(numbers: Sequence[int], pages: Sequence[PageText]) -> str:
    return f"{len(numbers)} of {len(pages)} pages ({', '.join(map(str, numbers[:20]))})"


def _refuse_truncated(data: bytes) -> None:
    """pdfium repairs what was cut and shows the pages that are left; half a document must not pass for a whole."""
    end = data.rfind(b"%%EOF")
    declared = re.search(rb"/Linearized\b.{0,200}?/L\s+(\d{1,12})", data[:2048], re.S)
    short = declared is not None and int(declared[1]) > len(data) + 1024
    if end < 0 or short or b" obj" in data[end + 5 :][1024:]:
        raise DocumentRejected("The file ends before the document does", reason="truncated")


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        reason = "encrypted" if "password" in str(error).lower() or "security" in str(error).lower() else "corrupt"
        raise DocumentRejected("The document cannot be opened: it is " + reason, reason=reason) from error


def _without_running_lines(pages: Sequence[PageText]) -> Iterator[PageText]:
    """Pages without page numbers and without the lines that stand at the edge of most pages."""

    def edges(page: PageText) -> list[Line]:
        return sorted({*page.lines[:2], *page.lines[-2:]}, key=lambda line: -line.top)

    def key(line: Line) -> str:
        return re.sub(r"\d+", "#", line.text.strip().lower())

    seen = Counter(k for page in pages for k in {key(line) for line in edges(page)})
    running = {k for k, count in seen.items() if count >= max(3, len(pages) * 0.5)}
    for page in pages:
        drop = {line for line in edges(page) if key(line) in running or _PAGE_NUMBER.match(line.text)}
        # A page of nothing but such lines keeps them: better a header than nothing.
        kept = tuple(line for line in page.lines if line not in drop) or page.lines
        yield PageText(page.number, kept, page.height, page.ruled)


def _passages(page: PageText, tables: Tables) -> Iterator[_Passage]:
    """The page's paragraphs and tables in reading order."""
    found = tables.on(page)
    owner = {line: next((t for t in found if t.holds(line)), None) for line in page.lines}
    for table, group in groupby(page.lines, key=lambda line: owner[line]):
        lines = list(group)
        if table is None:
            yield from _plain(lines, page.number)
        elif table in found:  # its lines may come in several runs; it is told once
            found.remove(table)
            yield _Passage((), page.number, table.rows)


def _plain(lines: Sequence[Line], page: int) -> Iterator[_Passage]:
    for run, rows in pdf_aligned.parts(lines):
        if rows:
            yield _Passage((), page, rows)
        yield from (_Passage(tuple(part), page) for part in _paragraphs(run))


def _paragraphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    pitch = _pitch(lines)
    right = max((line.x1 for line in lines), default=0.0)
    part: list[Line] = []
    for line in lines:
        if part and _breaks(part, line, pitch, right):
            yield part
            part = []
        part.append(line)
    if part:
        yield part


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance from one line to the next, points."""
    gaps = [a.bottom - b.base for a, b in pairwise(lines) if 0 < a.bottom - b.base < 3 * a.size]
    return median(gaps) if gaps else 12.0


def _breaks(part: Sequence[Line], line: Line, pitch: float, right: float) -> bool:
    """Whether ``line`` begins a new paragraph after ``part``."""
    above = part[-1]
    if abs(above.size - line.size) > 0.12 * above.size or above.bold != line.bold or _LIST_ITEM.match(line.text):
        return True
    step = above.bottom - line.base
    if step < -1:  # upwards: the next column
        return bool(_ENDS.search(above.text)) or not line.text[:1].islower()
    if step > 1.35 * max(pitch, line.size):
        return True
    ended_early = above.x1 < part[0].x0 + 0.8 * (right - part[0].x0)
    return ended_early and bool(_ENDS.search(above.text)) and not line.text[:1].islower()


def _joined(passages: Sequence[_Passage]) -> list[_Passage]:
    """Paragraphs that run on over a page's end made one."""
    joined: list[_Passage] = []
    for passage in passages:
        before = joined[-1] if joined else None
        runs_on = (
            before is not None
            and before.lines
            and passage.lines
            and _last_page(before) < passage.page
            and passage.lines[0].text[:1].islower()
            and not _ENDS.search(before.lines[-1].text)
            and abs(before.lines[-1].size - passage.lines[0].size) < 0.5
        )
        if before is not None and runs_on:
            turns = (*before.turns, (len(before.lines), passage.page))
            joined[-1] = _Passage(before.lines + passage.lines, before.page, turns=turns)
        else:
            joined.append(passage)
    return joined


def _last_page(passage: _Passage) -> int:
    return passage.turns[-1][1] if passage.turns else passage.page


def _blocks(passages: Sequence[_Passage]) -> Iterator[Block]:
    levels = _heading_levels(passages)
    for passage in passages:
        place = f"p. {passage.page}"
        text = _text(passage.lines)
        level = levels.get(_look(passage)) if _may_head(passage, text) else None
        if passage.rows:
            yield Block("table", rows=passage.rows, place=place)
        elif level is not None:
            yield Block("heading", text, level, place)
        elif _LIST_ITEM.match(text):
            yield Block("list_item", _BULLET.sub("- ", text), 0, place)
        else:
            turns = tuple((len(_text(passage.lines[:at])), f"p. {page}") for at, page in passage.turns)
            yield Block("paragraph", text, 0, place, turns=turns)


def _look(passage: _Passage) -> tuple[float, bool]:
    first = passage.lines[0] if passage.lines else None
    return (round(first.size * 2) / 2, first.bold) if first else (0.0, False)


def _may_head(passage: _Passage, text: str) -> bool:
    return (
        0 < len(passage.lines) <= 3
        and len(text) <= 150
        and bool(_LETTERS.search(text))
        and not text.endswith((".", ",", ";"))
    )


def _heading_levels(passages: Sequence[_Passage]) -> dict[tuple[float, bool], int]:
    """Looks (size, bold) that stand out from the body's, and their level: the largest is 1."""
    weights: Counter[tuple[float, bool]] = Counter()
    for passage in passages:
        weights[_look(passage)] += sum(len(line.text) for line in passage.lines)
    if not weights:
        return {}
    body, bold_body = weights.most_common(1)[0][0]
    larger = [look for look in weights if look[0] >= body * 1.12]
    bold = [look for look in weights if look[1] and not bold_body and body * 0.95 <= look[0] < body * 1.12]
    ranks = sorted({size for size, _ in larger}, reverse=True)
    levels = {look: min(ranks.index(look[0]) + 1, 5) for look in larger}
    return levels | dict.fromkeys(bold, min(len(ranks) + 1, 6))


def _text(lines: Sequence[Line]) -> str:
    """Lines joined by blanks; parted words are made whole; rows of figures stay lines."""
    text = ""
    for above, line in zip([None, *lines], lines, strict=False):
        if above is None or text.endswith("\u00ad"):
            text += line.text
        else:
            figures = _is_figures(above.text) or _is_figures(line.text)
            text += ("\n" if figures else " ") + line.text
    return _PARTED.sub("", text.removesuffix("\u00ad")).replace("\u00ad", "-")


def _is_figures(text: str) -> bool:
    words = text.split()
    return len(words) >= 3 and sum(any(c.isdigit() for c in word) for word in words) * 2 >= len(words)
