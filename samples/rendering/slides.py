"""Markdown to PPTX: slides parted by ``---``; each a title, bullets or a table, and notes for the speaker."""

from __future__ import annotations

import re
from io import BytesIO

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import PP_ALIGN
from pptx.presentation import Presentation as Deck
from pptx.slide import Slide, SlideLayout
from pptx.text.text import TextFrame, _Paragraph
from pptx.util import Cm, Pt

from rendering.archive import settle
from rendering.source import Heading, Item, Meta, Paragraph, Runs, Table, blocks, plain, split

_INK, _RULE = RGBColor(0x17, 0x4A, 0x5B), RGBColor(0x3E, 0x9C, 0x8F)
_OPENING, _TEXT, _TABLE = "Title Slide", "Title and Content", "Title Only"
_SLIDE_BREAK, _NOTES = re.compile(r"^---$", re.MULTILINE), re.compile(r"^Notes:\s*", re.MULTILINE)


def render(text: str) -> bytes:
    """The source as a PPTX file."""
    meta, body = split(text)
    deck = Presentation()
    layouts = _shape(deck)
    core = deck.core_properties
    core.title, core.subject, core.author, core.last_modified_by = meta.title, meta.subtitle, meta.author, meta.author
    core.created = core.modified = meta.moment.replace(tzinfo=None)
    _open(deck.slides.add_slide(layouts[_OPENING]), meta)
    for part in _SLIDE_BREAK.split(body):
        _add(deck, layouts, part)
    buffer = BytesIO()
    deck.save(buffer)
    return settle(buffer.getvalue(), meta.moment)


def _shape(deck: Deck) -> dict[str, SlideLayout]:
    """Make the default deck 16:9 and drop the layouts that no slide uses; gives the rest by name."""
    deck.slide_width, deck.slide_height = Cm(25.4), Cm(14.29)
    boxes = {0: (Cm(1.5), Cm(0.8), Cm(22.4), Cm(1.9)), 1: (Cm(1.5), Cm(3.1), Cm(22.4), Cm(10.3))}
    for layout in list(deck.slide_layouts):
        if layout.name not in (_OPENING, _TEXT, _TABLE):
            deck.slide_layouts.remove(layout)
            continue
        for holder in [shape for shape in layout.shapes if shape.is_placeholder]:
            box = boxes.get(holder.placeholder_format.idx)
            if box is None:
                holder._element.getparent().remove(holder._element)
            else:
                holder.left, holder.top, holder.width, holder.height = box
    return {layout.name: layout for layout in deck.slide_layouts}


def _open(slide: Slide, meta: Meta) -> None:
    _title(slide, meta.title, 36)
    frame = slide.placeholders[1].text_frame
    frame.text = meta.subtitle
    frame.paragraphs[0].alignment, frame.paragraphs[0].font.size = PP_ALIGN.LEFT, Pt(18)


def _title(slide: Slide, text: str, size: int) -> None:
    holder = slide.shapes.title
    assert holder is not None
    line = holder.text_frame.paragraphs[0]
    line.alignment = PP_ALIGN.LEFT
    run = line.add_run()
    run.text = text
    run.font.size, run.font.bold, run.font.color.rgb = Pt(size), True, _INK
    rule = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, Cm(1.5), Cm(2.75), Cm(22.4), Cm(0.08))
    rule.fill.solid()
    rule.fill.fore_color.rgb = _RULE
    rule.line.fill.background()


def _add(deck: Deck, layouts: dict[str, SlideLayout], part: str) -> None:
    shown, *notes = _NOTES.split(part, maxsplit=1)
    content = blocks(shown)
    headings = [block for block in content if isinstance(block, Heading)]
    if headings != list(content[:1]):
        raise ValueError(f"a slide starts with its title and has no other heading: {shown.strip()[:60]!r}")
    table = next((block for block in content if isinstance(block, Table)), None)
    slide = deck.slides.add_slide(layouts[_TEXT if table is None else _TABLE])
    _title(slide, plain(headings[0].runs), 26)
    lines = [block for block in content if isinstance(block, Item | Paragraph)]
    if table is not None:
        _table(slide, table)
        _lines(slide.shapes.add_textbox(Cm(1.5), Cm(11.3), Cm(22.4), Cm(2.2)).text_frame, lines, 14)
    else:
        _lines(slide.placeholders[1].text_frame, lines, 18)
    if notes:
        frame = slide.notes_slide.notes_text_frame
        assert frame is not None
        frame.text = "\n".join(plain(block.runs) for block in blocks(notes[0]) if isinstance(block, Paragraph))


def _lines(frame: TextFrame, lines: list[Item | Paragraph], size: int) -> None:
    frame.word_wrap = True
    for number, block in enumerate(lines):
        line = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        line.level = block.depth if isinstance(block, Item) else 0
        line.space_after = Pt(5)
        _write(line, block.runs, size - 2 * line.level)


def _write(line: _Paragraph, runs: Runs, size: int) -> None:
    for part in runs:
        run = line.add_run()
        run.text, run.font.size = part.text, Pt(size)
        run.font.bold, run.font.italic = part.bold or None, part.italic or None


def _table(slide: Slide, table: Table) -> None:
    rows = (table.header, *table.rows)
    grid = slide.shapes.add_table(len(rows), len(table.header), Cm(1.5), Cm(3.2), Cm(22.4), Cm(0.95 * len(rows))).table
    for number, share in enumerate(table.shares()):
        grid.columns[number].width = Cm(22.4 * share)
    for y, row in enumerate(rows):
        for x, runs in enumerate(row):
            cell = grid.cell(y, x)
            line = cell.text_frame.paragraphs[0]
            line.alignment = PP_ALIGN.RIGHT if table.right[x] else PP_ALIGN.LEFT
            _write(line, runs, 14)
            if y == 0:
                cell.fill.solid()
                cell.fill.fore_color.rgb = _INK
