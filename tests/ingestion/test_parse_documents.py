"""The public test documents of other parsers: each is read, or refused for a reason that is true of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evals.parsing import similarities
from ingestion.parse import Parsed, parse
from ingestion.parser import Parser
from vouch.core.errors import DocumentRejected

_DATA = Path(os.environ.get("VOUCH_EVAL_DATA") or Path(__file__).parents[3] / "shared" / "data")
_FILES = _DATA / "documents" / "files"
pytestmark = pytest.mark.data

REFUSED = {
    "duplicate-paragraphs.doc": "unsupported",
    "empty.eml": "empty",
    "empty.xlsx": "empty",
    "fake-encrypted.eml": "encrypted",
    "password.pdf": "encrypted",
}


def read(name: str) -> Parsed:
    return parse((_FILES / name).read_bytes(), name)


def test_each_file_is_read_or_refused_with_its_reason(parser: Parser) -> None:
    files = sorted(path.name for path in _FILES.iterdir())
    assert len(files) == 43
    refused: dict[str, str] = {}
    for name in files:
        try:
            assert parser.parse((_FILES / name).read_bytes(), name)[0].elements
        except DocumentRejected as error:
            refused[name] = error.reason
    assert refused == REFUSED


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        (
            "multi-column.pdf",
            "where traditional sparse vector space models, such as TF-IDF or BM25, are the de facto method",
        ),
        ("copy-protected.pdf", "LayoutParser: A Unified Toolkit"),
        ("korean-text-with-tables.pdf", "업종: 주유 | 적립 대상: 모든 주유소"),
        ("word_tables.docx", "Header 0.0: Cell 2.0 | Header 0.1: Cell 2.1 | Header 0.2: Cell 2.2"),
        ("unit_test_headers_numbered.docx", "1.2.1. Section 1.2.3"),
        ("fake-power-point-table.pptx", "Column 1: Purple | Column 2: Orange | Column 3: Yellow"),
        ("2023-half-year-analyses-by-segment.xlsx", "In millions of CHF: Zone NA | Sales (a): 12,553"),
        ("csv-semicolon.csv", "First Name: Sheryl | Last Name: Baxter"),
        ("mime-multi-to-cc-bcc.eml", "To: Bob <bob@example.com>, Sue <sue@example.com>"),
        ("msg_with_attachment.msg", "This is a test attachment file."),
        ("example-steelJIS-datasheet-utf-16.html", "SNB22-3"),
        ("epub_purvis_poetry.epub", "Purvis"),
    ],
)
def test_what_is_said_there_can_be_quoted(name: str, quote: str) -> None:
    assert quote in read(name).text


def test_blind_copies_stay_blind() -> None:
    assert "mary@example.com" not in read("mime-multi-to-cc-bcc.eml").text
    assert "hello@unstructured.io" not in read("fake-email-with-cc-and-bcc.msg").text


def test_what_has_a_reference_says_what_the_reference_says() -> None:
    found = similarities(_DATA / "documents")
    assert len(found) == 10
    poor = {similarity.file: similarity for similarity in found if similarity.words < 0.85}
    assert not poor, poor
    assert sum(similarity.order for similarity in found) / len(found) > 0.8
