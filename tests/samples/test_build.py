"""The sample company's binary files: what is committed is what the sources make, and people can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pypdfium2
import pytest
from docx import Document
from pptx import Presentation

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
COMPANY = SAMPLES / "company"
MADE = sorted(
    source.relative_to(SAMPLES / "sources").with_suffix("")
    for source in (SAMPLES / "sources").rglob("*")
    if source.is_file()
)

SAYS = {
    "engineering/meridian-architecture.pdf": [
        "From then on a reading is never lost, only late.",
        "fewer than 14 days left pages the engineer on call",
    ],
    "engineering/platform-onboarding.pptx": [
        "Queue: 72 hours on three machines",
        "Writers and time-series store",
        "Day 10 matters.",
    ],
    "finance/board/board-deck-q3-2026.pptx": [
        "Revenue of £7.1 million is 14.5 % more than a year before.",
        "extend the £3 million credit facility by 24 months",
        "Margin is the story of the quarter.",
    ],
    "finance/budget-2026.xlsx": ["Total revenue 6300 6800 6900 7500 27500", "Reflow oven", "Platform engineering"],
    "finance/q3-2026-report.pdf": [
        "Revenue in the third quarter of 2026 was £7.1 million",
        "Gross margin was 58 %, after 55.8 % a year before.",
        "Cash stood at £9.3 million on 30 September 2026",
    ],
    "handbook/office-guide-bristol.pdf": [
        "The Bristol office is open from 7 a.m. to 8 p.m. on working days.",
        "The fire alarm is tested every Tuesday at 10 a.m.",
    ],
    "handbook/travel-and-expenses-2023.docx": [
        "The hotel limit is £120 a night.",
        "The daily meal limit is £35.",
        "Submit receipts within 60 days of the day on which you spent the money.",
    ],
    "legal/data-processing-agreement.pdf": [
        "The Processor notifies the Controller of a personal data breach within 24 hours of becoming aware of it.",
        "Noordlicht NV",
    ],
    "legal/master-services-agreement.docx": [
        "Invoices are due within 30 days of the invoice date.",
        "The Supplier makes Meridian available for 99.9 % of each calendar month",
        "No readings or no alarms at one site or more",
    ],
    "legal/nda-template.docx": [
        "The duties in this agreement last for three years from the date of each disclosure.",
        "For Fernhill Instruments Ltd",
    ],
    "people/confidential/salary-bands-2026.xlsx": ["E4 Engineering Senior Engineer 62000 71500 81000", "Standard rise"],
    "people/parental-leave.pdf": [
        "Primary carers receive 26 weeks of leave at full pay.",
        "Partners and second carers receive 8 weeks of leave at full pay.",
    ],
    "people/performance-review-guide.docx": [
        "Self-reviews for the second half of 2026 are due on 27 November 2026.",
        "Below expectations",
    ],
    "product/larkspur-ls-400-datasheet.pdf": [
        "The LS-400's battery lasts 36 months at a 15-minute reporting interval.",
        "The LS-400 works from −40 °C to +60 °C",
        "0 to 1000 µg/m³",
    ],
    "product/sensor-certification.docx": [
        "The certification of the LS-400 for Germany and France is expected in February 2027.",
        "MCERTS indicative, PM2.5 and PM10",
    ],
    "sales/ls-400-launch.pptx": [
        "Certificates are expected in February 2027; selling starts when we hold them",
        "£389 or €455",
        "Let people hold it.",
    ],
    "sales/price-list-2026.xlsx": ["LS-400 Larkspur LS-400 outdoor air sensor 389", "Meridian Standard 6.5"],
}


def _of_pdf(file: Path) -> list[str]:
    with pypdfium2.PdfDocument(file) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def _of_docx(file: Path) -> list[str]:
    document = Document(str(file))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [line.text for line in document.paragraphs] + cells


def _of_pptx(file: Path) -> list[str]:
    texts: list[str] = []
    for slide in Presentation(str(file)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            elif shape.has_table:
                texts.extend(cell.text for row in shape.table.rows for cell in row.cells)
        if slide.has_notes_slide:
            texts.append(slide.notes_slide.notes_text_frame.text)
    return texts


def _of_xlsx(file: Path) -> list[str]:
    rows = (row for sheet in openpyxl.load_workbook(file).worksheets for row in sheet.iter_rows(values_only=True))
    return [" ".join(str(cell) for cell in row if cell is not None) for row in rows]


EXTRACTORS: dict[str, Callable[[Path], list[str]]] = {
    ".pdf": _of_pdf, ".docx": _of_docx, ".pptx": _of_pptx, ".xlsx": _of_xlsx,
}  # fmt: skip


def _build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SAMPLES / "build.py"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's files as made now, from another folder and with another order of hashes and time zone."""
    folder = tmp_path_factory.mktemp("company")
    run = _build("--company", str(folder), PYTHONHASHSEED="4242", TZ="Pacific/Auckland", LC_ALL="C")
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("path", MADE, ids=str)
def test_the_committed_file_is_what_its_source_makes(built: Path, path: Path) -> None:
    assert (COMPANY / path).read_bytes() == (built / path).read_bytes(), "run: python samples/build.py"


@pytest.mark.parametrize("path", MADE, ids=str)
def test_its_text_can_be_extracted(path: Path) -> None:
    text = " ".join(" ".join(EXTRACTORS[path.suffix](COMPANY / path)).split())
    for sentence in SAYS[path.as_posix()]:
        assert sentence in text


@pytest.mark.parametrize("path", MADE, ids=str)
def test_it_is_small_and_carries_no_clock_of_this_machine(path: Path) -> None:
    file = COMPANY / path
    assert file.stat().st_size < 200_000
    if path.suffix != ".pdf":
        with zipfile.ZipFile(file) as package:
            assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_only_the_people_teams_folder_speaks_of_what_is_confidential() -> None:
    for path in MADE:
        text = " ".join(EXTRACTORS[path.suffix](COMPANY / path)).lower()
        assert "confidential" in path.parts or not any(word in text for word in ("severance", "reorganis", "redundan"))


def test_check_names_a_file_that_differs_and_fails(built: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(built, tmp_path / "company")
    assert _build("--check", "--company", str(copy)).returncode == 0

    stale, missing = copy / "people/parental-leave.pdf", copy / "sales/price-list-2026.xlsx"
    stale.write_bytes(stale.read_bytes().replace(b"26 weeks", b"16 weeks") + b"\n")
    missing.unlink()
    run = _build("--check", "--company", str(copy))

    assert run.returncode == 1
    assert run.stdout.splitlines() == ["differs: people/parental-leave.pdf", "differs: sales/price-list-2026.xlsx"]
    assert not missing.exists()


@pytest.mark.parametrize(
    ("name", "body", "complaint"),
    [
        ("a.pdf.md", "![a picture](x.png)\n", "image has no rendering"),
        ("a.docx.md", "```\ncode\n```\n", "fence has no rendering"),
        ("a.pptx.md", "A line without a title\n", "a slide starts with its title"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, name: str, body: str, complaint: str) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / name).write_text(f"---\ntitle: T\nsubtitle: S\nauthor: A\ndate: 2026-01-01\n---\n{body}")

    run = _build("--sources", str(sources), "--company", str(tmp_path / "company"))

    assert run.returncode != 0
    assert complaint in run.stderr
    assert not (tmp_path / "company").exists()
