"""Scanned pages: read where there is an engine, and said where there is none."""

from __future__ import annotations

import io

import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

from ingestion.parse import ocr, parse
from ingestion.parser import Parser
from tests.ingestion import made
from vouch.core.errors import DocumentRejected

RULES = (
    "Every employee has 28 days of paid leave a year. Leave is asked for two weeks ahead, in writing, and answered "
    "within five working days. Up to six days pass over into the next year."
)
FEES = "The parking fee is 14.50 EUR a month. Bicycles are parked free of charge behind building C."


def page(title: str, text: str) -> bytes:
    styles, buffer = getSampleStyleSheet(), io.BytesIO()
    SimpleDocTemplate(buffer).build([Paragraph(title, styles["Title"]), Paragraph(text, styles["BodyText"])])
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scan() -> bytes:
    return made.scanned_pdf_file(page("Leave", RULES), None, page("Parking", FEES))


def test_a_scan_is_read_in_the_parser_process_within_its_limits(scan: bytes, parser: Parser) -> None:
    answer, _ = parser.parse(scan, "leave.pdf")
    said = answer.text.replace("\n", " ")
    for sentence in ("28 days of paid leave a year", "answered within five working days", "14.50 EUR a month"):
        assert sentence in said


def test_a_scan_keeps_its_pages_and_its_headings(scan: bytes) -> None:
    parsed = parse(scan, "leave.pdf")
    assert {element.place for element in parsed.elements} == {"p. 1", "p. 3"}
    assert [e.span.of(parsed.text) for e in parsed.elements if e.kind in ("title", "heading")] == ["Leave", "Parking"]
    assert "2 of 3 pages (1, 3) were pictures, read by OCR" in parsed.notes


def test_pages_with_text_are_not_read_again_as_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("nothing there is a picture")

    monkeypatch.setattr(ocr, "_engine", fail)
    assert parse(made.pdf_file(), "guide.pdf").elements
    with pytest.raises(DocumentRejected):  # drawn, but no picture
        parse(made.picture_pdf_file(), "drawn.pdf")


def test_without_an_engine_it_is_said(scan: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    with pytest.raises(DocumentRejected, match="no OCR engine is installed") as refused:
        parse(scan, "leave.pdf")
    assert refused.value.reason == "no_text"
