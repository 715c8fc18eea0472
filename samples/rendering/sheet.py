"""YAML to XLSX: one table per sheet, its header in the first row."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import yaml
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from rendering.archive import settle
from rendering.source import Meta

_FILL = PatternFill("solid", start_color="FF174A5B")
_HEADER = Font(name="Calibri", bold=True, color="FFFFFFFF")
_WRAP = Alignment(wrap_text=True, vertical="top")
_FORMATS = {"text": "General", "pounds": '"£"#,##0', "pence": '"£"#,##0.00', "euros": '"€"#,##0', "percent": "0.0%",
            "number": "#,##0", "date": "d mmm yyyy"}  # fmt: skip


def render(text: str) -> bytes:
    """The source as an XLSX file."""
    source: dict[str, Any] = yaml.safe_load(text)
    meta = Meta(source["title"], source["subtitle"], source["author"], source["date"])
    book = Workbook()
    book.remove(book.worksheets[0])
    for sheet in source["sheets"]:
        _fill(book.create_sheet(sheet["name"]), sheet)
    about = book.properties
    about.title, about.subject, about.creator = meta.title, meta.subtitle, meta.author
    buffer = BytesIO()
    book.save(buffer)
    return settle(buffer.getvalue(), meta.moment)


def _fill(page: Worksheet, sheet: dict[str, Any]) -> None:
    columns = sheet["columns"]
    page.append([column["name"] for column in columns])
    for row in sheet["rows"]:
        if len(row) != len(columns):
            raise ValueError(f"sheet {sheet['name']!r}: {len(row)} cells for {len(columns)} columns in {row!r}")
        page.append(row)
    for number, column in enumerate(columns, start=1):
        page.column_dimensions[get_column_letter(number)].width = column.get("width", 14)
        for cell in page[get_column_letter(number)][1:]:
            cell.number_format = _FORMATS[column.get("format", "text")]
            cell.alignment = _WRAP
    for cell in page[1]:
        cell.font, cell.fill, cell.alignment = _HEADER, _FILL, _WRAP
    page.freeze_panes = "A2"
    page.auto_filter.ref = page.dimensions
