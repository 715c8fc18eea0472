"""CSV and TSV: the delimiter is found by what makes rows of equal width; a row is a line of the text, and has the
number that a spreadsheet shows beside it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from ingestion.parse import table
from ingestion.parse.assemble import title_from_name
from ingestion.parse.detect import decode
from ingestion.parse.document import Block, Draft

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 100
csv.field_size_limit(1 << 24)


def read(data: bytes, name: str) -> Draft:
    text = decode(data)
    rows = tuple(tuple(cell.strip() for cell in row) for row in _reader(text, _delimiter(text)))
    numbers, filled = [n for n, row in enumerate(rows, 1) if any(row)], [row for row in rows if any(row)]
    # A file of delimited values nearly always names its columns; one that starts with figures does not.
    named = bool(filled) and not any(table.is_number(cell) for cell in filled[0])
    block = Block("table", rows=tuple(filled), header_rows=int(named), numbers=tuple(numbers))
    return Draft((block,), title=title_from_name(name))


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _delimiter(text: str) -> str:
    def fit(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row, _ in zip(_reader(text, delimiter), range(_SAMPLE_ROWS), strict=False) if row)
        if not widths:
            return 0.0, 0
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        return (count / widths.total() if width > 1 else 0.0), width

    return max(_DELIMITERS, key=fit)
