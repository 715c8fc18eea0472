"""From a reader's blocks to the normalised text and its elements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath

from ingestion.parse import table
from ingestion.parse.document import Block, Draft, Element, Link, Parsed
from ingestion.parse.language import language
from ingestion.parse.linked import MOST_PLACED, kept, placed
from ingestion.parse.normalise import hiding, normalise, one_line
from vouch.core.errors import DocumentRejected
from vouch.core.places import STEP, Place
from vouch.core.types import Span

MAX_PIECES = 500_000
"""Most elements and rows: each is an object in every process that reads them."""
MAX_TEXT = 10_000_000
"""Longest normalised text, code points. A longer one is a data dump, which answers nobody's question."""
_LONGEST_HEADING = 200


def assemble(draft: Draft, name: str, mime: str) -> Parsed:
    """Normalise, join and span the blocks of ``draft``.

    Blocks are separated by a blank line, list items and table rows by a line end. Raises
    :class:`DocumentRejected` with reason ``empty``, ``no_text`` or ``too_large``.
    """
    title, blocks = _title(draft, name)
    parts: list[str] = []
    elements: list[Element] = []
    links: list[Link] = []
    path: list[tuple[int, str]] = []
    tables: Counter[str] = Counter()
    length, pieces, previous = 0, 0, None
    for block in blocks:
        numbers, lines = _lines(block)
        if not lines:
            continue
        if block.kind == "heading":
            path = [*[step for step in path if step[0] < block.level], (block.level, lines[0])]
        separator = "" if previous is None else _separator(previous, block)
        text = "\n".join(lines)
        start = length + len(separator)
        length = start + len(text)
        pieces += len(lines) if block.kind == "table" else 1
        _bounded(length, pieces)
        parts += [separator, text]
        tables[block.place] += block.kind == "table"
        steps = tuple(step for _, step in path)
        rows = _row_spans(block, lines, start)
        where = _where(block, steps)
        name = _of_table(where or STEP.join(steps), block, tables[block.place])
        places = tuple(Place(row, name, number) for row, number in zip(rows, numbers, strict=True))
        span = Span(start, length)
        elements.append(Element(block.kind, span, steps, where, rows, places or _turned(block, where, span)))
        if len(links) < MOST_PLACED:
            links += placed(block, text, start)
        previous = block
    if not elements:
        raise _nothing(draft)
    whole = "".join(parts)
    said = draft.language or language(whole)
    notes = (*draft.notes, *_invisible(draft))
    return Parsed(whole, tuple(elements), title, mime, said, notes, kept(links, draft.links, mime))


def _bounded(length: int, pieces: int) -> None:
    if length > MAX_TEXT:
        raise DocumentRejected(f"The text is longer than {MAX_TEXT:,} characters", reason="too_large")
    if pieces > MAX_PIECES:
        raise DocumentRejected(f"The text has more than {MAX_PIECES:,} paragraphs and rows", reason="too_large")


def _invisible(draft: Draft) -> tuple[str, ...]:
    """What normalisation took out of sight, said: a person may want to look at why it was there."""
    count = sum(hiding(block.text) + sum(hiding(cell) for row in block.rows for cell in row) for block in draft.blocks)
    return (f"{count:,} invisible character{'s' if count > 1 else ''} removed",) if count else ()


def _lines(block: Block) -> tuple[list[int], list[str]]:
    """Its lines, and of a table's the numbers of their rows."""
    if block.kind == "table":
        shown = table.numbered(block)
        return [block.numbers[i] if block.numbers else i + 1 for i, _ in shown], [line for _, line in shown]
    if block.kind in ("title", "heading"):
        line = one_line(block.text)
        return [], [line] if line else []
    text = normalise(block.text, keep_layout=block.kind == "code")
    if block.kind == "list_item" and text:
        text = "  " * min(block.level, 4) + text
    return [], [text] if text.strip() else []


def _where(block: Block, steps: Sequence[str]) -> str:
    """``p. 3, Travel › Hotels`` of a block whose headings belong to its place, but none that says the place again."""
    if not block.headed:
        return block.place
    said = f", {block.place.casefold()},"
    told = STEP.join(step for step in steps if f", {step.casefold()}," not in said)
    return ", ".join(filter(None, (block.place, told)))


def _of_table(name: str, block: Block, number: int) -> str:
    """A sheet's rows are its own; those of a table in a text are of the first or second table there."""
    return name if block.numbers else ", ".join(filter(None, (name, f"table {number}")))


def _turned(block: Block, where: str, span: Span) -> tuple[Place, ...]:
    """The place of each part of a block that begins in one and goes on in others; of a sheet's line its row."""
    if block.numbers:
        return (Place(span, where, block.numbers[0]),)
    if not block.turns:
        return ()
    starts = [min(span.start + len(normalise(block.text[:at])), span.end) for at, _ in block.turns]
    names = (where, *(name for _, name in block.turns))
    edges = pairwise((span.start, *starts, span.end))
    return tuple(Place(Span(a, b), name) for (a, b), name in zip(edges, names, strict=True) if a < b)


def _row_spans(block: Block, lines: Sequence[str], start: int) -> tuple[Span, ...]:
    if block.kind != "table":
        return ()
    spans: list[Span] = []
    for line in lines:
        spans.append(Span(start, start + len(line)))
        start += len(line) + 1
    return tuple(spans)


def _separator(above: Block, below: Block) -> str:
    return "\n" if above.kind == below.kind == "list_item" else "\n\n"


def _title(draft: Draft, name: str) -> tuple[str, Sequence[Block]]:
    """The title, and the blocks with the heading that is the title marked as such.

    A single outermost heading that comes first is the document's title rather than a section of it:
    every passage stands under it, so the headings below it lose a level of their path.
    """
    blocks = [_demoted(block) for block in draft.blocks]
    headings = [i for i, block in enumerate(blocks) if block.kind in ("title", "heading") and one_line(block.text)]
    said = one_line(draft.title)
    if headings:
        first = blocks[headings[0]]
        outermost = [i for i in headings if blocks[i].level <= first.level]
        alone = len(outermost) == 1 and said.casefold() in ("", one_line(first.text).casefold())
        if first.kind == "title" or (alone and _leads(blocks, headings[0])):
            blocks[headings[0]] = replace(first, kind="title", level=0)
        if first.kind == "title" or _leads(blocks, headings[0]):
            said = said or one_line(first.text)
    for i in headings[1:]:
        if blocks[i].kind == "title":
            blocks[i] = replace(blocks[i], kind="heading", level=1)
    return said or title_from_name(name), blocks


def _leads(blocks: Sequence[Block], at: int) -> bool:
    """Whether nothing but a few words stands above block ``at``."""
    return sum(len(block.text) for block in blocks[:at] if block.kind != "table") < _LONGEST_HEADING


def _demoted(block: Block) -> Block:
    """A "heading" as long as a paragraph is a paragraph."""
    if block.kind in ("title", "heading") and len(block.text) > _LONGEST_HEADING:
        return replace(block, kind="paragraph", level=0)
    return block


def title_from_name(name: str) -> str:
    """``policies/travel_2024.md`` → ``Travel 2024``."""
    stem = PurePosixPath(name).stem or name
    words = one_line(stem.replace("_", " ").replace("-", " "))
    return words[:1].upper() + words[1:] if words else "Untitled"


def _nothing(draft: Draft) -> DocumentRejected:
    if draft.pictures:
        said = "".join(f": {note}" for note in draft.notes[-1:])
        return DocumentRejected(f"The document holds pictures and no text{said}", reason="no_text")
    return DocumentRejected("The document holds no text", reason="empty")
