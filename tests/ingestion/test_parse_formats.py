"""What each format's reader makes of a small real file."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest

from ingestion.parse import Element, Parsed, parse
from tests.ingestion import made


def texts(parsed: Parsed, kind: str) -> list[str]:
    return [e.span.of(parsed.text) for e in parsed.elements if e.kind == kind]


def find(parsed: Parsed, text: str) -> Element:
    return next(e for e in parsed.elements if text in e.span.of(parsed.text))


@pytest.mark.parametrize("name", made.EVERY_FORMAT)
def test_every_format_gives_spans_that_cover_a_normalised_text(name: str) -> None:
    parsed = parse(made.EVERY_FORMAT[name], name)
    covered = "".join(e.span.of(parsed.text) for e in parsed.elements)
    assert "".join(covered.split()) == "".join(parsed.text.split())
    ends = [0]
    for element in parsed.elements:
        assert element.span.start >= ends[-1]
        assert element.span.of(parsed.text).strip()
        assert all(element.span.start <= row.start < row.end <= element.span.end for row in element.rows)
        ends.append(element.span.end)
    assert unicodedata.is_normalized("NFC", parsed.text)
    assert "\n\n\n" not in parsed.text
    assert parsed.title
    assert Parsed.from_json(parsed.to_json()) == parsed


@pytest.mark.parametrize("name", made.EVERY_FORMAT)
def test_parsing_twice_gives_the_same_bytes(name: str) -> None:
    assert parse(made.EVERY_FORMAT[name], name).to_json() == parse(made.EVERY_FORMAT[name], name).to_json()


def test_markdown() -> None:
    parsed = parse(made.MARKDOWN, "handbook.md")
    assert parsed.title == "Front title"
    assert parsed.mime == "text/markdown"
    assert "Intro with a link and bold code." in parsed.text
    assert "https" not in parsed.text and "title:" not in parsed.text and "hidden" not in parsed.text
    assert texts(parsed, "list_item") == ["- First item", "  - Nested item", "1. Numbered"]
    assert texts(parsed, "code") == ["make  run"]
    first, second = (e for e in parsed.elements if e.kind == "table")
    assert [row.of(parsed.text) for row in first.rows] == [
        made.GOLD,
        "Plan: Silver | Price: 10 EUR | Seats: 20",
    ]
    assert second.span.of(parsed.text) == "Room: Basin | Floor: 0"
    assert first.heading_path[-1] == "Travel"


def test_a_single_main_heading_is_the_title_and_not_in_the_path() -> None:
    parsed = parse(b"# Leave\n\nIntro.\n\n## Sick leave\n\nStay home.\n", "leave-policy.md")
    assert parsed.title == "Leave"
    assert parsed.elements[0].kind == "title"
    assert find(parsed, "Stay home").heading_path == ("Sick leave",)


def test_markdown_that_failed_to_be_markdown_loses_its_marks() -> None:
    parsed = parse(b"** Note** see [the page](a page with blanks) and 2**3.\n", "a.md")
    assert parsed.text == "Note see the page and 2**3."


def test_html_leaves_out_what_a_reader_of_the_page_does_not_see() -> None:
    parsed = parse(made.HTML, "rules.html")
    assert parsed.title == "Rules"
    assert parsed.language == "en"
    for unseen in ("Home", "ignore all rules", "alert", "p{}"):
        assert unseen not in parsed.text
    assert "Be fair." in parsed.text
    assert texts(parsed, "table") == [made.GOLD]
    assert texts(parsed, "list_item") == ["- One", "- Two"]
    assert find(parsed, "One").heading_path == ("More",)
    assert texts(parsed, "code") == ["a  = 1\nb = 2"]


def test_html_in_the_encoding_that_it_declares() -> None:
    page = '<html><head><meta charset="shift_jis"></head><body><p>日本語の文書です。</p></body></html>'
    assert parse(page.encode("shift_jis"), "a.html").text == "日本語の文書です。"


def test_docx() -> None:
    parsed = parse(made.docx_file(), "travel.docx")
    assert parsed.title == "Travel policy"
    assert find(parsed, "Economy only").heading_path == ("Booking", "Flights")
    assert made.GOLD in parsed.text
    assert "Running header" not in parsed.text


def test_pptx_has_places_and_puts_the_notes_under_their_slide() -> None:
    parsed = parse(made.pptx_file(), "deck.pptx")
    assert find(parsed, "Second line").place == "slide 2"
    note = find(parsed, "Smile at the audience.")
    assert (note.heading_path, note.place) == (("Welcome",), "slide 1, notes")
    assert find(parsed, "Mention the roof").heading_path == ("Numbers",)
    assert made.GOLD in parsed.text


def test_xlsx_shows_values_as_the_sheet_does() -> None:
    parsed = parse(made.xlsx_file(), "costs.xlsx")
    rent = find(parsed, "Rent")
    assert rent.place == "sheet Costs"
    assert rent.heading_path == ("Costs",)
    assert [row.of(parsed.text) for row in rent.rows] == [
        "Item: Rent | Amount: 12,000.00 | Share: 25%",
        "Item: Power | Amount: 1,234.50 | Share: 5%",
        "Item: Total | Amount: =SUM(B4:B5)",
    ]
    assert "Costs of 2026" in parsed.text
    assert "Hidden figure" not in parsed.text
    assert parsed.notes == ("hidden sheet Draft was left out",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter(delimiter: str) -> None:
    lines = [delimiter.join(row) for row in [*made.ROWS, ["Bronze, small", "5 EUR", "1"]]]
    text = "\n".join(lines).replace("Bronze, small", '"Bronze, small"')
    parsed = parse(text.encode(), "plans.csv")
    assert parsed.text.splitlines()[0] == made.GOLD
    assert parsed.text.splitlines()[2] == "Plan: Bronze, small | Price: 5 EUR | Seats: 1"


def test_mail_has_its_people_and_attachments_and_no_blind_copies() -> None:
    parsed = parse(made.eml_file(), "closing.eml")
    assert parsed.title == "Closing times"
    assert "From: Gareth <gareth@fernhill.example>\nTo: everyone@fernhill.example" in parsed.text
    assert "secret" not in parsed.text
    assert "the office closes at 15:00 on Friday." in parsed.text
    attached = find(parsed, "Plan: Gold | Price: 20")
    assert (attached.place, attached.heading_path) == ("attachment plan.csv", ("Attachment plan.csv",))


def test_an_attachment_that_cannot_be_read_is_noted() -> None:
    parsed = parse(made.eml_file(("photo.png", made.PNG)), "closing.eml")
    assert parsed.notes == ("attachment photo.png was left out: unsupported",)


def test_pdf_has_pages_headings_and_both_kinds_of_table() -> None:
    parsed = parse(made.pdf_file(), "guide.pdf")
    assert parsed.title == "Guide to the office"
    fox = find(parsed, "quick brown fox")
    assert (fox.place, fox.heading_path[-1]) == ("p. 1", "Prices")
    assert "\n" not in fox.span.of(parsed.text)
    assert made.GOLD in texts(parsed, "table")[0]
    assert "Room: Brunel | Floor: 1 | Chairs: 12" in texts(parsed, "table")[1]
    assert find(parsed, "Brunel").place == "p. 2"
    assert "Page 1" not in parsed.text


def test_odt_epub_and_rtf() -> None:
    odt = parse(made.odt_file(), "rules.odt")
    assert odt.text.startswith("Rules\n\nBe kind.\n\n- Share")
    assert made.GOLD in odt.text
    epub = parse(made.epub_file(), "book.epub")
    assert (epub.title, epub.text) == ("A book", "First\n\nIt begins.\n\nSecond\n\nIt ends.")
    assert parse(made.EVERY_FORMAT["a.rtf"], "rules.rtf").text == "Be kind.\n\nBe fair."


def test_plain_text_joins_wrapped_lines_and_keeps_the_others() -> None:
    text = textwrap.dedent(
        """
        OPENING HOURS

        This paragraph was wrapped by an editor at about seventy-two columns, so
        that its lines end where the next word did not fit any more; a reader of
        the text sees one paragraph.

        Basin: 16
        Brunel: 12

        - a list item that goes on
          in the next line
        - another
        """
    )
    parsed = parse(text.encode(), "hours.txt")
    assert find(parsed, "wrapped by").span.of(parsed.text).count("\n") == 0
    assert find(parsed, "Basin").span.of(parsed.text) == "Basin: 16\nBrunel: 12"
    assert texts(parsed, "list_item") == ["- a list item that goes on in the next line", "- another"]
    assert parsed.title == "OPENING HOURS"


def test_the_first_use_of_every_reader_needs_no_network(tmp_path: Path) -> None:
    """A fresh process in which no connection can be made; `unstructured` would fetch a model there."""
    for name, data in made.EVERY_FORMAT.items():
        (tmp_path / name).write_bytes(data)
    script = """
import pathlib, socket, sys
def refuse(*args, **kw): raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from ingestion.parse import parse
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    print(path.name, len(parse(path.read_bytes(), path.name).elements))
assert "torch" not in sys.modules
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("DO_NOT_TRACK", "UNSTRUCTURED_DISABLE_NOTICE")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(made.EVERY_FORMAT)


def test_what_a_reader_of_a_page_can_unfold_or_see_framed_is_read() -> None:
    table = "<table><tr><th>Boat</th><th>Seats</th></tr><tr><td>Heron</td><td>4</td></tr></table>"
    body = (
        "<details><summary>Who may row?</summary><p>Whoever can swim.</p></details>"
        f"<figure>{table}<figcaption>The fleet in June.</figcaption></figure>"
        "<form><label>Name</label><button>Send</button></form>"
    )
    inside = parse(f"<body>{body}</body>".encode(), "boats.html")
    wrapped = parse(f"<body><form id='all'>{body}</form></body>".encode(), "boats.html")
    for parsed in (inside, wrapped):
        lines = [line for line in parsed.text.split("\n") if line]
        assert lines[:4] == ["Who may row?", "Whoever can swim.", "Boat: Heron | Seats: 4", "The fleet in June."]
    assert "Name" not in inside.text
