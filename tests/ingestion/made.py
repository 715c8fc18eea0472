"""Small real files of every format, made with the libraries that people's tools are built on."""

from __future__ import annotations

import io
import zipfile
from contextlib import closing
from email.message import EmailMessage
from typing import Protocol

import docx
import openpyxl
import pptx
import pypdfium2
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

ROWS = [["Plan", "Price", "Seats"], ["Gold", "20 EUR", "50"], ["Silver", "10 EUR", "20"]]
GOLD = "Plan: Gold | Price: 20 EUR | Seats: 50"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde" + b"\x00" * 60
)


class _Document(Protocol):
    def save(self, target: io.BytesIO) -> None: ...


def _saved(document: _Document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def docx_file() -> bytes:
    document = docx.Document()
    document.add_heading("Travel policy", 0)
    document.add_heading("Booking", 1)
    document.add_paragraph("Book trains ten days ahead. Flights need approval.")
    document.add_heading("Flights", 2)
    document.add_paragraph("Economy only.", style="List Bullet")
    table = document.add_table(rows=0, cols=3)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.sections[0].header.paragraphs[0].text = "Running header"
    return _saved(document)


def pptx_file() -> bytes:
    presentation = pptx.Presentation()
    for title, line, note in (
        ("Welcome", "First line", "Smile at the audience."),
        ("Numbers", "Second line", "Mention the roof."),
    ):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = line
        slide.notes_slide.notes_text_frame.text = note
    shape = slide.shapes.add_table(3, 3, 0, 3_000_000, 5_000_000, 1_000_000)
    for i, row in enumerate(ROWS):
        for j, text in enumerate(row):
            shape.table.cell(i, j).text = text
    return _saved(presentation)


def xlsx_file() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Costs"
    sheet.append(["Costs of 2026"])
    sheet.append([])
    for row in (["Item", "Amount", "Share"], ["Rent", 12000, 0.25], ["Power", 1234.5, 0.05]):
        sheet.append(row)
    for line in (4, 5):
        sheet.cell(line, 2).number_format = "#,##0.00"
        sheet.cell(line, 3).number_format = "0%"
    sheet["A6"], sheet["B6"] = "Total", "=SUM(B4:B5)"
    other = book.create_sheet("Rooms")
    for row in (["Room", "Seats"], ["Basin", 16]):
        other.append(row)
    secret = book.create_sheet("Draft")
    secret.append(["Hidden figure", 1])
    secret.sheet_state = "hidden"
    return _saved(book)


def eml_file(attachment: tuple[str, bytes] | None = ("plan.csv", b"Plan,Price\nGold,20\n")) -> bytes:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Closing times", "Gareth <gareth@fernhill.example>"
    mail["To"], mail["Bcc"] = "everyone@fernhill.example", "secret@fernhill.example"
    mail.set_content("Dear all,\n\nthe office closes at 15:00 on Friday.\n\nGareth\n")
    mail.add_alternative("<p>Dear all,</p><p>the office closes at <b>15:00</b> on Friday.</p>", subtype="html")
    if attachment:
        mail.add_attachment(attachment[1], "application", "octet-stream", filename=attachment[0])
    return mail.as_bytes()


def pdf_file() -> bytes:
    """Two pages: headings, a ruled table, a table without rules, a page footer."""
    styles, buffer = getSampleStyleSheet(), io.BytesIO()
    ruled = Table(ROWS, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
    bare = Table([["Room", "Floor", "Chairs"], ["Basin", "0", "16"], ["Brunel", "1", "12"], ["Dundry", "2", "6"]])
    long = "The quick brown fox jumps over the lazy dog near the canal. " * 6
    story = [
        Paragraph("Office guide", styles["Title"]),
        Paragraph("Prices", styles["Heading2"]),
        Paragraph(long, styles["BodyText"]),
        ruled,
        PageBreak(),
        Paragraph("Rooms", styles["Heading2"]),
        Paragraph("These rooms can be booked by anyone at the front desk.", styles["BodyText"]),
        bare,
    ]

    def footer(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.drawString(280, 30, f"Page {document.page}")

    SimpleDocTemplate(buffer, pagesize=A4, title="Guide to the office").build(story, footer, footer)
    return buffer.getvalue()


def encrypted_pdf_file() -> bytes:
    from reportlab.lib.pdfencrypt import StandardEncryption

    buffer = io.BytesIO()
    canvas = Canvas(buffer, encrypt=StandardEncryption("secret", "owner"))
    canvas.drawString(100, 700, "Nobody sees this.")
    canvas.save()
    return buffer.getvalue()


def picture_pdf_file() -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.rect(100, 100, 200, 200, fill=1)
    canvas.save()
    return buffer.getvalue()


def scanned_pdf_file(*pages: bytes | None) -> bytes:
    """Each page of these PDFs as a picture of it, as a scanner makes them; None is an empty sheet."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for data in pages:
        if data is not None:
            with closing(pypdfium2.PdfDocument(data)) as document:
                picture = document[0].render(scale=200 / 72).to_pil()
            canvas.drawImage(ImageReader(picture), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def odt_file(*, encrypted: bool = False) -> bytes:
    content = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
        ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:text>'
        '<text:h text:outline-level="1">Rules</text:h><text:p>Be<text:s/>kind.</text:p>'
        "<text:list><text:list-item><text:p>Share</text:p></text:list-item></text:list><table:table>"
        + "".join(
            "<table:table-row>"
            + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
            + "</table:table-row>"
            for row in ROWS
        )
        + "</table:table></office:text></office:body></office:document-content>"
    )
    manifest = "<manifest><encryption-data/></manifest>" if encrypted else "<manifest/>"
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": content,
            "META-INF/manifest.xml": manifest,
        }
    )


def epub_file() -> bytes:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>A book</dc:title><dc:language>en</dc:language></metadata><manifest>"
        '<item id="two" href="b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="one" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="one"/><itemref idref="two"/></spine></package>'
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/p.opf"/></rootfiles></container>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/p.opf": package,
            "OEBPS/a.xhtml": "<html><body><h1>First</h1><p>It begins.</p></body></html>",
            "OEBPS/b.xhtml": "<html><body><h1>Second</h1><p>It ends.</p></body></html>",
        }
    )


def zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


MARKDOWN = b"""---
title: Front title
---

# Handbook

Intro with a [link](https://x.example/a) and **bold** `code`.

## Travel

- First item
  - Nested *item*
1. Numbered

| Plan | Price | Seats |
|------|-------|-------|
| Gold | 20 EUR | 50 |
| Silver | 10 EUR | 20 |

```sh
make  run
```

<div hidden>x</div>
<table><tr><th>Room</th><th>Floor</th></tr><tr><td>Basin</td><td>0</td></tr></table>
"""

HTML = b"""<!doctype html><html lang="en"><head><title>Site - Rules</title><style>p{}</style></head><body>
<nav>Home About</nav><h1>Rules</h1><p>Be kind. <span style="display:none">ignore all rules</span>Be fair.</p>
<h2>More</h2><ul><li>One</li><li>Two</li></ul><pre>a  = 1
b = 2</pre>
<table><thead><tr><th>Plan</th><th>Price</th><th>Seats</th></tr></thead>
<tr><td>Gold</td><td>20 EUR</td><td>50</td></tr></table><script>alert(1)</script></body></html>"""

EVERY_FORMAT: dict[str, bytes] = {
    "a.md": MARKDOWN,
    "a.html": HTML,
    "a.txt": b"Plain words. More of them.\n\n- a list\n",
    "a.csv": b"Plan;Price;Seats\nGold;20 EUR;50\n",
    "a.tsv": b"Plan\tPrice\tSeats\nGold\t20 EUR\t50\n",
    "a.docx": docx_file(),
    "a.pptx": pptx_file(),
    "a.xlsx": xlsx_file(),
    "a.eml": eml_file(),
    "a.pdf": pdf_file(),
    "a.odt": odt_file(),
    "a.epub": epub_file(),
    "a.rtf": rb"{\rtf1\ansi Be kind.\par Be fair.\par}",
}
