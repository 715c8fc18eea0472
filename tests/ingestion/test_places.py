"""The place of every part of a document, as its citation will tell it: from real files of each format."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

from ingestion.chunk import chunk
from ingestion.parse import Parsed, parse
from tests.ingestion import made
from vouch.core.places import STEP, Place, as_json, from_json, place_at
from vouch.core.types import Span

COMPANY = Path(__file__).parents[2] / "samples" / "company"


def _words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def place_of(parsed: Parsed, quote: str) -> str:
    """What a citation of ``quote`` shows: by way of its chunk, as the catalog keeps it."""
    start = parsed.text.index(quote)
    for draft in chunk(parsed, _words, target=60, limit=80):
        if draft.span.start <= start < draft.span.end:
            whole = Place(draft.span, draft.place or STEP.join(draft.heading_path))
            places = from_json(as_json(draft.places)) or (whole,)
            return place_at(places, Span(start, start + len(quote)))
    raise AssertionError("no chunk holds it")


def company(name: str) -> Parsed:
    path = COMPANY / name
    return parse(path.read_bytes(), path.name)


def test_rows_of_a_sheet_have_the_numbers_that_the_sheet_shows() -> None:
    parsed = parse(made.xlsx_file(), "costs.xlsx")
    assert place_of(parsed, "Costs of 2026") == "sheet Costs, row 1"
    assert place_of(parsed, "Item: Rent") == "sheet Costs, row 4"  # below a caption, a blank row and the header
    assert place_of(parsed, "Item: Power") == "sheet Costs, row 5"
    assert place_of(parsed, "Room: Basin") == "sheet Rooms, row 2"
    two = parsed.text[parsed.text.index("Item: Rent") : parsed.text.index("Item: Total")]
    assert place_of(parsed, two.strip()) == "sheet Costs, rows 4–5"


def test_every_row_of_the_companys_sheets_is_where_it_is_said_to_be() -> None:
    path = COMPANY / "finance" / "budget-2026.xlsx"
    parsed = parse(path.read_bytes(), path.name)
    book = openpyxl.load_workbook(path, data_only=True)
    checked = 0
    for element in parsed.elements:
        for row, place in zip(element.rows, element.places, strict=False):
            sheet = book[place.name.removeprefix("sheet ")]
            first = next(str(cell.value) for cell in sheet[place.row] if cell.value is not None)
            assert first in row.of(parsed.text)
            assert place_of(parsed, row.of(parsed.text)) == f"{place.name}, row {place.row}"
            checked += 1
    assert checked > 20


def test_rows_of_delimited_values_are_counted_as_a_spreadsheet_does() -> None:
    text = 'Plan,Price,Note\n\nGold,20,"two\nlines"\nSilver,10,\n'
    parsed = parse(text.encode(), "plans.csv")
    assert place_of(parsed, "Plan: Gold") == "row 3"
    assert place_of(parsed, "Plan: Silver") == "row 4"
    assert place_of(company("finance/software-spend-2026.csv"), "Quillstone Accounts") == "row 3"


def test_tables_in_a_text_are_counted_and_their_rows_with_their_header() -> None:
    head = "| Zone | Rate |\n|---|---|\n"
    text = f"# Rates\n\n## Europe\n\n{head}| A | 10 |\n| B | 20 |\n\n## Asia\n\n{head}| C | 30 |\n"
    parsed = parse(text.encode(), "rates.md")
    assert place_of(parsed, "Zone: B | Rate: 20") == "Europe, table 1, row 3"
    assert place_of(parsed, "Zone: C | Rate: 30") == "Asia, table 2, row 2"
    page = "<h1>Rates</h1><h2>Europe</h2><p>As agreed.</p><table><tr><th>Zone<th>Rate<tr><td>A<td>10</table>"
    parsed = parse(page.encode(), "rates.html")
    assert place_of(parsed, "Zone: A | Rate: 10") == "Europe, table 1, row 2"
    assert place_of(parsed, "As agreed.") == "Europe"
    parsed = parse(made.docx_file(), "travel.docx")
    assert place_of(parsed, made.GOLD) == "Booking › Flights, table 1, row 2"
    assert place_of(parsed, "Flights need approval.") == "Booking"


def test_pages_and_slides_and_the_tables_on_them() -> None:
    parsed = parse(made.pdf_file(), "guide.pdf")
    assert place_of(parsed, "The quick brown fox") == "p. 1"
    assert place_of(parsed, made.GOLD) == "p. 1, table 1, row 2"
    assert place_of(parsed, "Room: Brunel | Floor: 1") == "p. 2, table 1, row 3"
    parsed = parse(made.pptx_file(), "deck.pptx")
    assert place_of(parsed, "First line") == "slide 1"
    assert place_of(parsed, "Mention the roof.") == "slide 2, notes"
    assert place_of(parsed, made.GOLD) == "slide 2, table 1, row 2"


def test_a_paragraph_that_runs_over_a_pages_end_is_cited_where_it_stands() -> None:
    buffer = io.BytesIO()
    stones = " ".join(f"stone{n} of wall{n * n} laid{n % 7} by mason{n * 13 % 97} and" for n in range(120))
    story = [Paragraph(f"In the year of the flood {stones} no other.", getSampleStyleSheet()["BodyText"])]
    SimpleDocTemplate(buffer, pagesize=A4, topMargin=300, bottomMargin=200).build(story)
    parsed = parse(buffer.getvalue(), "wall.pdf")
    [paragraph] = parsed.elements
    assert len(paragraph.places) > 1
    assert place_of(parsed, "stone1 of") == "p. 1"
    assert place_of(parsed, "no other.") == paragraph.places[-1].name == f"p. {len(paragraph.places)}"
    over = paragraph.places[1].span.start
    assert place_at(paragraph.places, Span(over - 9, over + 9)) == "p. 1–2"
    assert place_at(paragraph.places, Span(over, over + 9)) == "p. 2"


def test_parts_of_a_mail() -> None:
    parsed = parse(made.eml_file(), "closing.eml")
    assert place_of(parsed, "From: Gareth") == "mail header"
    assert place_of(parsed, "the office closes at 15:00") == "mail body"
    assert place_of(parsed, "Plan: Gold") == "attachment plan.csv, row 2"
    parsed = parse(made.eml_file(("travel.docx", made.docx_file())), "closing.eml")
    assert place_of(parsed, "Flights need approval.") == "attachment travel.docx, Travel policy › Booking"
    parsed = parse(made.eml_file(("guide.pdf", made.pdf_file())), "closing.eml")
    assert place_of(parsed, "Room: Brunel") == "attachment guide.pdf, p. 2, table 1, row 3"
    parsed = parse(made.eml_file(("inner.eml", made.eml_file())), "closing.eml")
    assert place_of(parsed, "Plan: Gold") == "attachment inner.eml, attachment plan.csv, row 2"


def test_a_chapter_without_a_heading_is_not_told_as_part_of_the_one_before() -> None:
    chapters = ["<h1>The pier</h1><p>It was built of oak.</p>", "<p>It was painted green.</p>"]
    items = "".join(f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(2))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>Piers</dc:title></metadata><manifest>{items}</manifest>"
        '<spine><itemref idref="c0"/><itemref idref="c1"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("book.opf", package)
        for n, body in enumerate(chapters):
            archive.writestr(f"c{n}.xhtml", f"<html><body>{body}</body></html>")
    parsed = parse(buffer.getvalue(), "piers.epub")
    assert place_of(parsed, "built of oak") == "The pier"
    assert place_of(parsed, "painted green") == "section 2"


def test_sections_that_share_a_chunk_keep_their_own_headings() -> None:
    parsed = parse(b"# Doors\n\n## Front\n\nIt opens at eight.\n\n## Back\n\nIt opens at nine.\n", "doors.md")
    (only,) = chunk(parsed, _words, target=60, limit=80)
    assert (only.place, only.heading_path) == ("", ())
    assert place_of(parsed, "It opens at nine.") == "Back"


def test_pages_where_word_has_written_them_down_come_before_the_headings() -> None:
    document = docx.Document()
    document.add_heading("Booking", 1)
    document.add_paragraph("Book ten days ahead.")
    document.add_page_break()
    document.add_heading("Trains", 1)
    document.add_paragraph("Second class only.")
    buffer = io.BytesIO()
    document.save(buffer)
    parsed = parse(buffer.getvalue(), "travel.docx")
    assert place_of(parsed, "Second class only.") in ("p. 2, Trains", "Trains")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([("p. 3", None), ("p. 4", None)], "p. 3–4"),
        ([("p. 3", None), ("p. 4, table 1", 2)], "p. 3–4"),
        ([("sheet Costs", None), ("sheet Costs", 8), ("sheet Costs", 9)], "sheet Costs, rows 8–9"),
        ([("", None), ("", 7)], "row 7"),
        ([("", None), ("Trains", None)], "Trains"),
        ([("Trains", None), ("Flights", None)], "Trains"),
        ([("slide 2", None), ("slide 2, notes", None)], "slide 2"),
        ([("", None)], ""),
        ([], ""),
    ],
)
def test_several_places_are_told_as_one(names: list[tuple[str, int | None]], told: str) -> None:
    places = [Place(Span(10 * n, 10 * n + 9), name, row) for n, (name, row) in enumerate(names)]
    assert place_at(places, Span(0, 100)) == told
    assert place_at(places, Span(200, 300)) == ""


def test_a_parsed_document_of_before_has_no_places_and_is_read_all_the_same() -> None:
    parsed = parse(made.xlsx_file(), "costs.xlsx")
    assert Parsed.from_json(parsed.to_json()) == parsed
    old = Parsed.from_json(
        b'{"format":1,"text":"Rent","elements":[["paragraph",0,4,[],"sheet Costs",[]]],"title":"t","mime":"m",'
        b'"language":"en","notes":[]}'
    )
    assert (old.elements[0].place, old.elements[0].places) == ("sheet Costs", ())
