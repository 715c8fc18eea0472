"""The figures in a sentence, each read as what it says: dates, times of day, percentages, amounts, plain numbers.

Two ways to write one thing are one thing: ``1,000`` and ``1000``, ``3 May 2024`` and ``2024-05-03``, ``24 hours`` and
``1 day``. What can be read in two ways (``03/05/2024``, ``1.000``) has both readings, and differs from another figure
only if none of them fits. What points or names (page 4, section 3.2, RFC 9110, B12, v1.4) is no figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ingestion.twins.numerals import MAGNITUDE, NUMERAL, WORDED_NUMERAL, written
from ingestion.twins.units import CURRENCIES, MONEY, MONTHS, PERCENT, UNITS
from vouch.core.types import Span

Kind = Literal["date", "time", "percent", "amount", "number"]
Reading = tuple[Decimal | None, ...]
"""Of a date: year, month, day, None where it does not say. Of anything else: one number."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``readings`` of what only points within its document are none: it is compared with nothing."""

    span: Span
    kind: Kind
    unit: str = ""
    readings: frozenset[Reading] = frozenset()

    @property
    def slot(self) -> str:
        """What stands in its place when sentences are compared but for their figures."""
        if not self.readings:
            return "<place>"
        return f"<{'money' if self.unit in CURRENCIES else self.unit or self.kind}>"

    def agrees(self, other: Figure) -> bool:
        """Whether both may say the same."""
        if not self.readings:
            return True
        return self.unit == other.unit and any(_fit(a, b) for a in self.readings for b in other.readings)


def figures(sentence: str) -> list[Figure]:
    """In order, not overlapping: what an earlier rule has taken no later one reads."""
    if not _ANY.search(sentence):
        return []
    taken: list[tuple[Span, Figure | None]] = []
    for pattern, read in _RULES:
        for match in pattern.finditer(sentence):
            span = Span(*match.span())
            if all(span.end <= other.start or other.end <= span.start for other, _ in taken):
                taken.append((span, read(match, span)))
    return [figure for _, figure in sorted(taken, key=lambda one: one[0]) if figure is not None]


def _fit(a: Reading, b: Reading) -> bool:
    return all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


Read = Callable[[re.Match[str], Span], Figure | None]


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _name(_: re.Match[str], __: Span) -> None:
    """It stays a word of its sentence: another one is about something else."""
    return


def _place(_: re.Match[str], span: Span) -> Figure:
    return Figure(span, "number")


def _date(match: re.Match[str], span: Span) -> Figure | None:
    told = match.groupdict()
    month = told.get("month")
    named = MONTHS.get(month.casefold()) if month and not month.isdigit() else int(month or 0)
    return _dated(span, [(told.get("year"), named, told.get("day"))])


def _numeric_date(match: re.Match[str], span: Span) -> Figure | None:
    first, second, year = int(match["a"]), int(match["b"]), match["year"]
    year = f"20{year}" if len(year) == 2 else year
    return _dated(span, [(year, second, str(first)), (year, first, str(second))])


def _dated(span: Span, told: Iterable[tuple[str | None, int | None, str | None]]) -> Figure | None:
    """None where no reading is a date."""
    found = {
        (Decimal(year) if year else None, Decimal(month) if month else None, Decimal(day) if day else None)
        for year, month, day in told
        if (month is None or 0 <= month <= 12) and (day is None or 1 <= int(day) <= 31)
    }
    return Figure(span, "date", "", frozenset(found)) if found else None


def _time(match: re.Match[str], span: Span) -> Figure | None:
    hour, minute, half = int(match["hour"]), int(match["minute"] or 0), (match["half"] or "").casefold()
    if hour > 24 or minute > 59 or (half and hour > 12):
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    return Figure(span, "time", "", frozenset({(Decimal(60 * hour + minute),)}))


def _percent(match: re.Match[str], span: Span) -> Figure:
    return Figure(span, "percent", "", _readings(match, Decimal(1)))


def _amount(match: re.Match[str], span: Span) -> Figure:
    unit = match["unit"].casefold()
    dimension, counted_in, factor = MONEY.get(unit) or UNITS[unit]
    return Figure(span, "amount", counted_in if dimension == "money" else dimension, _readings(match, factor))


def _number(match: re.Match[str], span: Span) -> Figure:
    return Figure(span, "number", "", _readings(match, Decimal(1)))


def _readings(match: re.Match[str], factor: Decimal) -> frozenset[Reading]:
    return frozenset((value * factor,) for value in written(match["number"], match["magnitude"]))


def _rule(pattern: str, read: Read, *, cased: bool = False) -> tuple[re.Pattern[str], Read]:
    return re.compile(pattern, re.VERBOSE | (re.NOFLAG if cased else re.IGNORECASE)), read


_CAPITAL = f"{_any(m.capitalize() for m in MONTHS)}|{_any(m.upper() for m in MONTHS)}"
"""May may be a verb and march a march."""
_DAY = r"(?<![\w.,/-])(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?\s+(?:of\s+|de\s+)?"
_YEAR = r"(?P<year>(?:1[89]|20|21)\d\d)\b"
_BEFORE = r"(?<![\w.,:/\#§])"
_AMOUNT = rf"(?P<number>{NUMERAL}|\b(?:{WORDED_NUMERAL})\b)(?:[\s-]?(?P<magnitude>{MAGNITUDE})\b)?"
_ALL_UNITS = (*MONEY, *UNITS)
_UNIT_WORDS, _UNIT_SIGNS = (_any(u for u in _ALL_UNITS if u[-1].isalpha() is wordy) for wordy in (True, False))
_MONEY_WORDS, _MONEY_SIGNS = (_any(u for u in MONEY if u[-1].isalpha() is wordy) for wordy in (True, False))
_ANY = re.compile(rf"\d|\b(?:{WORDED_NUMERAL})\b", re.IGNORECASE)
_RULES: tuple[tuple[re.Pattern[str], Read], ...] = (
    _rule(r"(?:https?://|www\.)\S+ | \S+@\S+\.\w+ | (?<!\S)[^\s/]*+/[^\s/]*+/\S+ | \b\d{1,5}(?:\.\d+){3,}\b", _name),
    _rule(
        r"""(?:\b(?:pages?|pp?\.|sections?|sec\.|chapters?|tables?|figures?|figs?\.|appendix|annex|slides?|footnotes?
        |seiten?|abschnitt|kapitel|tabelle)|§§?)\s*\d+(?:[.\-–]\d+)*(?:\s*(?:of|/|-|–|to|and|von)\s*\d+)?\b""",
        _place,
    ),
    _rule(r"\A\(?\d{1,3}(?:\.\d{1,3})*[.)]?\s+(?=[^\W\d_])(?=.*[.!?:]\s*\Z)(?:(?<=[.)]\s))", _place),
    _rule(
        r"""\b(?:version|ver|release|rev|revision|steps?|items?|articles?|art|clauses?|phases?|levels?|tiers?|forms?|rfc
        |iso|en|din|no|nr|nos|parts?|lines?|rows?|notes?|exhibits?|schedules?|rooms?|buildings?|floors?|suite|box|sprints?
        |stages?|options?|types?|class|grade|bands?|zones?|priority|severity|sev|day|week|month|rules?|questions?|number
        |nodes?|ports?|windows|python|office|models?|topics?|examples?|lessons?|units?|volume|issues?|tickets?|pr|groups?
        |teams?|cases?|error|code|route|gate|platform|world|top|covid|web|industry|catch|team\ of)
        \.?\s?[-:\#]?\s?\d+(?:[.\-–/]\d+)*\b""",
        _name,
    ),
    _rule(r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?:T[\d:.]+Z?)?(?![\w-])", _date),
    _rule(rf"{_DAY}(?P<month>{_CAPITAL})\b\.?(?:,?\s+(?:de\s+)?{_YEAR})?", _date, cased=True),
    _rule(rf"{_DAY}(?P<month>{_any(MONTHS)})\b\.?,?\s+(?:de\s+)?{_YEAR}", _date),
    _rule(
        rf"\b(?P<month>{_CAPITAL})\b\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:%])(?:,?\s+{_YEAR})?",
        _date,
        cased=True,
    ),
    _rule(rf"\b(?P<month>{_CAPITAL})\b\.?,?\s+{_YEAR}", _date, cased=True),
    _rule(r"(?<![\w.,/-])(?P<a>\d{1,2})[./-](?P<b>\d{1,2})[./-](?P<year>\d{4}|\d{2})(?![\w/-]|\.\d)", _numeric_date),
    _rule(r"\b\d+(?:\.\d+){2,}\b | \b\d{1,4}/\d{1,4}\b", _name),
    _rule(r"(?<![\w.,:/-])(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s?(?P<half>[ap])\.?m\b\.?", _time),
    _rule(r"(?<![\w.,:/-])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?(?P<half>)(?![\w:])", _time),
    _rule(
        rf"(?<!\w)(?P<unit>{_MONEY_SIGNS}|(?:{_MONEY_WORDS})(?=\s?\d))\s?(?P<number>{NUMERAL})"
        rf"(?:\s?(?P<magnitude>{MAGNITUDE}|m)\b)?(?![\w:])",
        _amount,
    ),
    _rule(rf"{_BEFORE}(?P<number>{NUMERAL})(?P<magnitude>)\s?(?:%|(?:{_any(PERCENT)})\b)", _percent),
    _rule(rf"{_BEFORE}{_AMOUNT}[\s-]?(?P<unit>{_UNIT_SIGNS}|(?:{_UNIT_WORDS})\b)", _amount),
    _rule(
        r"""\b(?:in|since|by|until|till|during|year|years|fiscal|fy|q[1-4]|calendar|spring|summer|autumn|winter|im|seit
        |bis|jahr|depuis|desde|through|from|for|of)\s(?P<year>(?:19|20)\d\d)(?!\w|[.,:/-]\d)""",
        lambda match, span: _dated(Span(match.start("year"), match.end("year")), [(match["year"], None, None)]),
    ),
    _rule(rf"{_BEFORE}{_AMOUNT}(?![\w:°]|/\d|[.,]\d|-[^\W\d])", _number),
)
"""What an earlier one takes is not read by a later one."""
