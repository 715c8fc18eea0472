"""Markdown to PDF with reportlab, in the Bitstream Vera faces that come in its wheel."""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.fonts import addMapping
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, HRFlowable, KeepTogether, PageTemplate, Spacer
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from rendering.source import Block, Heading, Item, Meta, Paragraph, Runs, Table, blocks, plain, split

_INK, _RULE, _BAND, _GREY = (HexColor(colour) for colour in ("#174A5B", "#3E9C8F", "#F0F5F5", "#5A6468"))
_MARGIN = 2.3 * cm
_WIDTH = A4[0] - 2 * _MARGIN

_FACE = "Vera"
for _number, _file in enumerate(("Vera", "VeraIt", "VeraBd", "VeraBI")):
    pdfmetrics.registerFont(TTFont(_file, f"{_file}.ttf"))
    addMapping(_FACE, _number // 2, _number % 2, _file)

_BODY = ParagraphStyle(
    "body",
    fontName=_FACE,
    bulletFontName=_FACE,
    bulletFontSize=9,
    fontSize=9,
    leading=13.2,
    spaceAfter=6,
    allowWidows=0,
    allowOrphans=0,
)
_ITEM = ParagraphStyle("item", _BODY, spaceAfter=3)
_CELL = ParagraphStyle("cell", _BODY, fontSize=8, leading=10.6, spaceAfter=0)
_RIGHT = ParagraphStyle("right", _CELL, alignment=TA_RIGHT)
_TITLE = ParagraphStyle("title", _BODY, fontName="VeraBd", fontSize=18, leading=23, textColor=_INK, spaceAfter=3)
_SUBTITLE = ParagraphStyle("subtitle", _BODY, textColor=_GREY, spaceAfter=5)
_HEADINGS = tuple(
    ParagraphStyle(f"h{level}", _BODY, fontName="VeraBd", fontSize=size, leading=size * 1.3, textColor=_INK,
                   spaceBefore=before, spaceAfter=4, keepWithNext=1)
    for level, size, before in ((1, 12.5, 12), (2, 10.5, 9), (3, 9.5, 7))
)  # fmt: skip


class _Paper(BaseDocTemplate):  # type: ignore[misc]
    """A4 pages with a footer, and an outline entry per heading."""

    def __init__(self, file: BytesIO, meta: Meta) -> None:
        super().__init__(file, pagesize=A4, title=meta.title, author=meta.author, subject=meta.subtitle, lang="en-GB",
                         creator="Fernhill Instruments Ltd", invariant=1, pageCompression=0)  # fmt: skip
        frame = Frame(_MARGIN, 2 * cm, _WIDTH, A4[1] - 3.9 * cm, 0, 0, 0, 0)
        self._footer = f"Fernhill Instruments Ltd · {meta.title}"
        self.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=self._foot))

    def _foot(self, canvas: Canvas, _: Any) -> None:
        canvas.setFont(_FACE, 7.5)
        canvas.setFillColor(_GREY)
        canvas.drawString(_MARGIN, 1.2 * cm, self._footer)
        canvas.drawRightString(A4[0] - _MARGIN, 1.2 * cm, f"Page {canvas.getPageNumber()}")

    def afterFlowable(self, flowable: Flowable) -> None:
        level = next((n for n, style in enumerate(_HEADINGS) if getattr(flowable, "style", None) is style), None)
        if level is not None:
            key = f"heading-{self.seq.nextf('heading')}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key, level)


def render(text: str) -> bytes:
    """The source as a PDF file."""
    meta, body = split(text)
    story: list[Flowable] = [
        Text(escape(meta.title), _TITLE),
        Text(escape(meta.subtitle), _SUBTITLE),
        HRFlowable("100%", 1.6, color=_RULE, spaceAfter=9),
    ]
    for block in blocks(body):
        story.extend(_flow(block))
    buffer = BytesIO()
    _Paper(buffer, meta).build(story)
    return buffer.getvalue()


def _flow(block: Block) -> list[Flowable]:
    match block:
        case Heading(level, runs):
            return [Text(escape(plain(runs)), _HEADINGS[level - 1])]
        case Paragraph(runs):
            return [Text(_markup(runs), _BODY)]
        case Item(runs, depth, number):
            indent = (14 if number is None else 17) * (depth + 1)
            style = ParagraphStyle(
                f"item{depth}", _ITEM, leftIndent=indent, bulletIndent=indent - (11 if number is None else 17)
            )
            return [Text(_markup(runs), style, bulletText="•" if number is None else f"{number}.")]
        case Table():
            return [Spacer(1, 3), KeepTogether([_grid(block)]), Spacer(1, 10)]


def _markup(runs: Runs) -> str:
    def mark(text: str, bold: bool, italic: bool) -> str:
        text = f"<i>{text}</i>" if italic else text
        return f"<b>{text}</b>" if bold else text

    return "".join(mark(escape(run.text, quote=False), run.bold, run.italic) for run in runs)


def _grid(table: Table) -> Flowable:
    head = [Text(f'<font color="white"><b>{escape(plain(runs))}</b></font>', style)
            for runs, style in zip(table.header, _styles(table), strict=True)]  # fmt: skip
    rows = [[Text(_markup(runs), style) for runs, style in zip(row, _styles(table), strict=True)] for row in table.rows]
    return Grid(
        [head, *rows],
        colWidths=[_WIDTH * share for share in table.shares()],
        repeatRows=1,
        style=[
            ("BACKGROUND", (0, 0), (-1, 0), _INK),
            ("ROWBACKGROUNDS", (0, 1), (-1, -1), ["white", _BAND]),
            ("LINEBELOW", (0, -1), (-1, -1), 0.8, _RULE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ],
    )


def _styles(table: Table) -> list[ParagraphStyle]:
    return [_RIGHT if right else _CELL for right in table.right]
