"""Every reason for which a document is refused, and that nothing else comes out of a broken file."""

from __future__ import annotations

import io
import random
import sys

import msoffcrypto.format.ooxml
import pytest

from ingestion import parse as room
from ingestion.parse import REASONS, archive, parse
from tests.ingestion import made
from vouch.core.errors import DocumentRejected


def reason(data: bytes, name: str, mime: str | None = None) -> str:
    with pytest.raises(DocumentRejected) as refused:
        parse(data, name, mime)
    assert refused.value.detail
    return refused.value.reason


def encrypted_docx() -> bytes:
    buffer = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(made.docx_file())).encrypt("secret", buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.md", b"", "empty"),
        ("a.txt", b" \n\t\r\n ", "empty"),
        ("a.md", b"---\ntitle: x\n---\n", "empty"),
        ("a.pdf", b"", "empty"),
        ("a.html", b"<html><body><script>x</script></body></html>", "empty"),
        ("a.docx", encrypted_docx(), "encrypted"),
        ("a.pdf", made.encrypted_pdf_file(), "encrypted"),
        ("a.odt", made.odt_file(encrypted=True), "encrypted"),
        ("a.eml", b"From: a@b.example\nContent-Type: multipart/encrypted; boundary=f\n\n--f--\n", "encrypted"),
        ("a.docx", made.docx_file()[:-400], "truncated"),
        ("a.pdf", made.pdf_file()[:-40], "truncated"),
        ("a.rtf", rb"{\rtf1 {\b Be kind", "truncated"),
        ("a.docx", made.zipped({"[Content_Types].xml": "<x/>", "word/document.xml": "<broken"}), "corrupt"),
        ("a.pdf", b"%PDF-1.7\nnothing of the kind\n%%EOF\n", "corrupt"),
        ("a.xlsx", bytes(range(256)) * 8, "corrupt"),
        ("a.pdf", made.PNG, "mislabelled"),
        ("a.pdf", b"Plain words, no PDF.", "mislabelled"),
        ("a.docx", made.pdf_file(), "mislabelled"),
        ("a.txt", made.pdf_file(), "mislabelled"),
        ("a.md", made.PNG, "mislabelled"),
        ("a.eml", b"no header at all", "mislabelled"),
        ("a.png", made.PNG, "unsupported"),
        ("a.zip", made.zipped({"a.txt": "hello"}), "unsupported"),
        ("a.svg", b"<svg xmlns='x'><text>hi</text></svg>", "unsupported"),
        ("a.pdf", made.picture_pdf_file(), "no_text"),
        ("a.md", b"![](picture.png)\n", "no_text"),
        ("a.txt", bytes(random.Random(7).choices(range(1, 32), k=4000)), "unreadable"),
    ],
)  # fmt: skip
def test_reasons(name: str, data: bytes, expected: str) -> None:
    assert reason(data, name) == expected


def test_an_archive_that_unpacks_to_a_flood_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1 << 20)
    bomb = made.zipped({"[Content_Types].xml": "x", "word/document.xml": b"0" * (2 << 20)})
    assert len(bomb) < 10_000
    assert reason(bomb, "a.docx") == "too_large"


def test_a_text_or_file_beyond_the_limit_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["ingestion.parse.assemble"], "MAX_TEXT", 1000)
    assert reason(b"word " * 300, "a.txt") == "too_large"
    monkeypatch.setattr(room, "MAX_BYTES", 100)
    assert reason(b"word " * 30, "a.txt") == "too_large"


def test_the_given_mime_counts_where_the_name_says_nothing() -> None:
    assert reason(made.PNG, "upload", "application/pdf") == "mislabelled"
    assert parse(made.MARKDOWN, "upload", "text/markdown; charset=utf-8").mime == "text/markdown"
    assert parse(made.pdf_file(), "upload", "application/octet-stream").mime == "application/pdf"
    assert parse(made.HTML, "upload", None).mime == "text/html"
    assert parse(made.eml_file(), "upload", None).mime == "message/rfc822"


@pytest.mark.parametrize("text", ["BMW builds cars. A %PDF- is a header.", "MZ is a place.", "PK means Peter König."])
def test_text_is_not_taken_for_what_its_first_letters_could_be(text: str) -> None:
    assert parse(text.encode(), "a.txt").text == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_of_text(encoding: str) -> None:
    text = "Grüße aus Köln, " * 10
    assert parse(text.encode(encoding), "a.txt").text == text.strip()


@pytest.mark.parametrize("name", made.EVERY_FORMAT)
def test_a_damaged_file_is_read_or_refused_with_a_known_reason(name: str) -> None:
    chance = random.Random(name)
    whole = made.EVERY_FORMAT[name]
    damaged = [whole[: len(whole) * k // 5] for k in range(1, 5)] + [whole[len(whole) // 3 :]]
    for _ in range(6):
        flipped = bytearray(whole)
        for _ in range(max(1, len(whole) // 300)):
            flipped[chance.randrange(len(whole))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for data in damaged:
        try:
            assert parse(data, name).text
        except DocumentRejected as refused:
            assert refused.reason in REASONS


def test_a_time_limit_is_not_the_documents_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfTime(Exception):
        pass

    def slow(data: bytes, name: str) -> None:
        raise OutOfTime

    monkeypatch.setattr("ingestion.parse.plain.read", slow)
    with pytest.raises(OutOfTime):
        parse(b"words", "a.txt")
