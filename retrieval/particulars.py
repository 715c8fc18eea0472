"""What a claim must take from its evidence as it stands there: what a figure counts, months and weekdays, names.

Words may be changed in telling; these may not. Told by form alone, in the languages that documents are mostly in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from retrieval.folding import fold

_UNITS = (
    "second seconds sec secs s sekunde sekunden segundo segundos seconde secondes",
    "minute minutes min mins minuten minuto minutos",
    "hour hours hr hrs h stunde stunden std hora horas heure heures",
    "day days tag tage tagen dia dias jour jours",
    "week weeks woche wochen semana semanas semaine semaines",
    "month months monat monate monaten mes meses mois",
    "quarter quarters quartal quartale trimestre trimestres",
    "year years yr yrs jahr jahre jahren ano anos an ans annee annees",
    "percent % pct prozent porcentaje pourcent pourcents",
    "euro euros eur €",
    "dollar dollars usd $",
    "pound pounds gbp £",
    "franc francs franken chf",
    "yen jpy ¥",
    "cent cents",
    "gram grams g gramm gramo gramos gramme grammes",
    "kilogram kilograms kilo kilos kg kilogramm kilogramo kilogramos kilogramme kilogrammes",
    "ton tons tonne tonnes t tonnen tonelada toneladas",
    "metre metres meter meters m metro metros",
    "centimetre centimetres centimeter centimeters cm",
    "millimetre millimetres millimeter millimeters mm",
    "kilometre kilometres kilometer kilometers km kilometro kilometros",
    "mile miles meile meilen milla millas",
    "litre litres liter liters l litro litros",
    "byte bytes",
    "kilobyte kilobytes kb",
    "megabyte megabytes mb",
    "gigabyte gigabytes gb",
    "terabyte terabytes tb",
    "watt watts w",
    "kilowatt kilowatts kw",
    "volt volts v",
    "celsius °c",
    "fahrenheit °f",
)
_UNIT = {word: n for n, words in enumerate(_UNITS) for word in words.split()}
_MONTHS = (
    "january jan januar enero janvier",
    "february feb februar febrero fevrier",
    "march mar marz marzo mars",
    "april apr abril avril",
    "may mai mayo",
    "june jun juni junio juin",
    "july jul juli julio juillet",
    "august aug agosto aout",
    "september sep sept septiembre septembre",
    "october oct oktober okt octubre octobre",
    "november nov noviembre novembre",
    "december dec dezember dez diciembre decembre",
)
_MONTH = {word: n for n, words in enumerate(_MONTHS, 1) for word in words.split()}
_DAYS = (
    "monday mondays montag montags lunes lundi",
    "tuesday tuesdays dienstag dienstags martes mardi",
    "wednesday wednesdays mittwoch mittwochs miercoles mercredi",
    "thursday thursdays donnerstag donnerstags jueves jeudi",
    "friday fridays freitag freitags viernes vendredi",
    "saturday saturdays samstag samstags sabado samedi",
    "sunday sundays sonntag sonntags domingo dimanche",
)
_DAY = {word: n for n, words in enumerate(_DAYS) for word in words.split()}

_NO_NAMES = {*_UNIT, *_MONTH, *_DAY}
_COUNTED = re.compile(r"(?<![\w.,])(\d[\d.,]*\d|\d)\s*-?\s*([^\W\d_]+|[%€$£¥]|°[CF])")
_PRICED = re.compile(r"([€$£¥]|\b(?:EUR|USD|GBP|CHF|JPY)\b)\s*(\d[\d.,]*\d|\d)")
_DATE = re.compile(r"\b(?:\d{4}-(\d{1,2})-\d{1,2}|(\d{1,2})[./](\d{1,2})[./](?:\d{4}|\d{2}))\b")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NAME = re.compile(r"(?<=[^\s.!?:;“\"(])\s+([A-ZÀ-Þ][\w’'-]*\w)|\b([A-Z]{2,}[\w-]*|[A-Z]+-?\d[\w-]*)\b")
_MAY = re.compile(r"\bMay\b")
_CAPITALS = 0.3
"""Share of words within sentences that begin with a capital from which on a language writes its nouns so."""


def strays(claim: str, evidence: str, around: str) -> Literal["unsupported", "partial"] | None:
    """How bad it is that ``claim`` says a particular otherwise than ``evidence``; None where it does not. A name may
    also stand ``around`` the evidence, in its passage or above it; one that does not may be another for the same."""
    if _dates(claim) - _dates(evidence):
        return "unsupported"
    unnamed = _names(claim, evidence) - _words(f"{evidence} {around}")
    return _miscounts(claim, evidence) or ("partial" if unnamed else None)


def _miscounts(claim: str, evidence: str) -> Literal["unsupported", "partial"] | None:
    """A figure that counts something else is another statement; one of which the evidence does not say what it counts
    may be right, as in a table whose head does."""
    said, known = _counted(claim), _counted(evidence)
    words = {_UNIT[word] for word in re.findall(r"[^\W\d_]+|[%€$£¥]", fold(evidence)) if word in _UNIT}
    worst: Literal["partial"] | None = None
    for number, unit in said:
        units = {other for figure, other in known if figure == number}
        if unit in units:
            continue
        if units:
            return "unsupported"
        if unit not in words:
            worst = "partial"
    return worst


def _counted(text: str) -> set[tuple[str, int]]:
    """Each number with the unit that it stands beside."""
    pairs = [(number, word) for number, word in _COUNTED.findall(text)]
    pairs += [(number, word) for word, number in _PRICED.findall(text)]
    return {(number.replace(",", ""), _UNIT[fold(word)]) for number, word in pairs if fold(word) in _UNIT}


def _dates(text: str) -> set[tuple[str, int]]:
    """Months and weekdays, by name or, for months, in a date of digits."""
    months = {_MONTH[word] for word in _folded(text) if word in _MONTH and word not in ("may", "mar", "mars")}
    months |= {5} if _MAY.search(text) and re.search(r"\d", text) else set()
    months |= {int(part) for date in _DATE.findall(text) for part in date if part and int(part) <= 12}
    return {("month", month) for month in months} | {("day", _DAY[word]) for word in _folded(text) if word in _DAY}


def _names(claim: str, evidence: str) -> set[str]:
    """Words of ``claim`` that are written as names, folded; none where the evidence's language writes all nouns so."""
    inside = re.findall(r"(?<=[^\s.!?:;])\s+([^\W\d_])", evidence)
    if len(inside) >= 3 and sum(letter.isupper() for letter in inside) > _CAPITALS * len(inside):
        return set()
    found = (a or b for a, b in _NAME.findall(claim))
    return {word for name in found for word in _folded(name) if len(word) > 1 and word not in _NO_NAMES}


def _words(text: str) -> set[str]:
    return set(_folded(text))


def _folded(text: str) -> Iterable[str]:
    return (word.removesuffix("'s") for word in _WORD.findall(fold(text).replace("’", "'")))
