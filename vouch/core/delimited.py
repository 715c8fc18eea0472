"""Tables as CSV (RFC 4180) that spreadsheets read and never compute.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula and runs it. Titles and names are
other people's texts, so such a cell gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

_BEGINS_A_FORMULA = tuple("=+-@＝＋－＠\t\r\n")


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """With a heading; what a row lacks is an empty cell."""
    told = io.StringIO()
    writer = csv.DictWriter(told, columns, restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: inert(value) for name, value in row.items()})
    return told.getvalue()


def inert(value: object) -> str:
    """``value`` as a cell that no spreadsheet computes."""
    text = "" if value is None else str(value)
    begins = text.startswith(_BEGINS_A_FORMULA) or text.lstrip().startswith(_BEGINS_A_FORMULA)
    return f"'{text}" if begins else text
