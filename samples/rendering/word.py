"""Markdown to DOCX, with the heading, list and table styles that Word itself offers."""

from __future__ import annotations

from copy import deepcopy
from io import BytesIO

from docx import Document
from docx.document import Document as Body
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph as Line

from rendering.archive import settle
from rendering.source import Block, Heading, Item, Paragraph, Runs, Table, blocks, split

_INK = RGBColor(0x17, 0x4A, 0x5B)
_COMPANY = "Fernhill Instruments Ltd"
_GRID = "Light Grid Accent 1"


def render(text: str) -> bytes:
    """The source as a DOCX file."""
    meta, body = split(text)
    document = Document()
    _lighten(document)
    _style(document)
    core = document.core_properties
    core.title, core.author, core.last_modified_by = meta.title, meta.author, meta.author
    core.subject, core.comments, core.created, core.modified = meta.subtitle, "", meta.moment, meta.moment
    document.add_paragraph(meta.title, style="Title")
    document.add_paragraph(meta.subtitle, style="Subtitle")
    for block in blocks(body):
        _add(document, block)
    _foot(document, meta.title)
    buffer = BytesIO()
    document.save(buffer)
    return settle(buffer.getvalue(), meta.moment)


def _lighten(document: Body) -> None:
    """The default template brings a hundred table styles, twice: 780 KB that no page here uses."""
    for style in list(document.styles):
        if style.type == WD_STYLE_TYPE.TABLE and style.name not in (_GRID, "Normal Table"):
            style.delete()
    for key, relation in list(document.part.rels.items()):
        if relation.reltype.endswith("/stylesWithEffects"):
            document.part.rels.pop(key)


def _style(document: Body) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.4)
    section.top_margin = section.bottom_margin = Cm(2.2)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Calibri", Pt(10.5)
    normal.paragraph_format.space_after = Pt(7)
    for name, size in (("Title", 22), ("Subtitle", 11), ("Heading 1", 15), ("Heading 2", 12), ("Heading 3", 11)):
        style = document.styles[name]
        style.font.size, style.font.color.rgb = Pt(size), _INK
        fonts = style.element.rPr.rFonts
        for attribute in [key for key in fonts.attrib if key.endswith("Theme")]:
            del fonts.attrib[attribute]
        style.font.name = "Calibri"


def _add(document: Body, block: Block) -> None:
    match block:
        case Heading(level, runs):
            _write(document.add_heading(level=level), runs)
        case Paragraph(runs):
            _write(document.add_paragraph(), runs)
        case Item(runs, depth, number):
            name = "List Bullet" if number is None else "List Number"
            line = document.add_paragraph(style=name if depth == 0 else f"{name} {depth + 1}")
            line.paragraph_format.space_after = Pt(3)
            if number == 1:
                _restart(document, line)
            elif number is not None:
                _continue(document, line)
            _write(line, runs)
        case Table():
            _table(document, block)


def _write(line: Line, runs: Runs) -> None:
    for run in runs:
        written = line.add_run(run.text)
        written.bold, written.italic = run.bold or None, run.italic or None


def _restart(document: Body, line: Line) -> None:
    """Word counts a numbered style through the whole document; a list of its own needs a `w:num` of its own."""
    numbering = document.part.numbering_part.element
    style = line.style
    assert style is not None
    shared = numbering.num_having_numId(style.element.pPr.numPr.numId.val)
    own = numbering.add_num(shared.abstractNumId.val)
    own.add_lvlOverride(ilvl=0).add_startOverride(1)
    line._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = own.numId


def _continue(document: Body, line: Line) -> None:
    last = document.part.numbering_part.element.num_lst[-1]
    line._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = last.numId


def _table(document: Body, table: Table) -> None:
    grid = document.add_table(rows=0, cols=len(table.header), style=_GRID)
    for number, row in enumerate((table.header, *table.rows)):
        cells = grid.add_row().cells
        for cell, runs, right in zip(cells, row, table.right, strict=True):
            line = cell.paragraphs[0]
            line.paragraph_format.space_after = Pt(2)
            line.alignment = WD_ALIGN_PARAGRAPH.RIGHT if right else None
            _write(line, runs)
        if number == 0:
            grid.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def _foot(document: Body, title: str) -> None:
    line = document.sections[0].footer.paragraphs[0]
    line.add_run(f"{_COMPANY} · {title} · Page ").font.size = Pt(8)
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    number = deepcopy(line.runs[0]._r)
    number.text = "1"
    field.append(number)
    line._p.append(field)
