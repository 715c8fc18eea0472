"""Numbers as people write them: with thousands set apart by points, commas, spaces or apostrophes, or as words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from ingestion.twins.units import MAGNITUDES, WORDED

_SET_APART = r"\d{1,3}(?:[\u0020\u00a0\u2009\u202f'’]\d{3})+(?:[.,]\d+)?(?!\d)"
NUMERAL = (
    rf"(?:(?<=[\s(])[-−](?=\d))?(?:{_SET_APART}|\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?!\d)|\d{{1,3}}(?:\.\d{{3}})+(?:,\d+)?(?!\d)"
    r"|\d+(?:[.,]\d+)?)"
)
WORDED_NUMERAL = "|".join(sorted(WORDED, key=len, reverse=True))
MAGNITUDE = "|".join(sorted(MAGNITUDES, key=len, reverse=True))
_ONE_MARK = re.compile(r"\d{1,3}[.,]\d{3}")
LONGEST = 30
"""Digits of a number that is read; beyond that nobody means one."""


def written(number: str, magnitude: str | None = None) -> Iterator[Decimal]:
    """Every number that may be meant: ``1,000`` is a thousand, or, where a comma marks the decimals, one."""
    factor = MAGNITUDES.get((magnitude or "").casefold(), Decimal(10**6 if magnitude else 1))
    if number.casefold() in WORDED:
        yield WORDED[number.casefold()] * factor
        return
    sign = -1 if number[0] in "-−" else 1
    plain = re.sub(r"[^\d.,]", "", number)[:LONGEST]
    if _ONE_MARK.fullmatch(plain):
        yield sign * Decimal(plain.replace(",", ".")) * factor
        plain = re.sub(r"[.,]", "", plain)
    elif plain.count(",") + plain.count(".") > 1 or ("," in plain and "." in plain):
        last = max(plain.rfind(","), plain.rfind("."))
        decimals = plain[last + 1 :] if plain.count(plain[last]) == 1 else ""
        whole = plain[:last] if decimals else plain
        plain = re.sub(r"[.,]", "", whole) + (f".{decimals}" if decimals else "")
    yield sign * Decimal(plain.replace(",", ".").rstrip(".")) * factor
