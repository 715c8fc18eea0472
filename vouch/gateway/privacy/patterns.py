"""Personal data that has a form, and for which Presidio has no pattern or one that finds too little: telephone numbers
as people write them, dates of birth, street addresses, numbers of documents, and the rarer ranges of card numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vouch.core.types import Span
from vouch.gateway.privacy.kinds import Found, Kind

_BEFORE = 60
_AFTER = 14

_NUMBER = re.compile(
    r"(?<![\w.+/-])(?:\+|\(\+?)?\d(?:[ \u00a0().\-/]{0,2}\d){6,16}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w]|[.,]\d)",
    re.IGNORECASE,
)
_PHONE_BEFORE = re.compile(
    r"\b(?:tele)?(?:phone|fon)\w*\b|\btel\b|\btélé?phone|\btel[eé]fono|\bmobile?\b|\bmóvil\b|\bcell\b|\bhandy\b|\bfax\b"
    r"|\bcall(?:ed|ing)?\b|\bring\b|\bdial\b|\breach (?:me|us|him|her|them)\b|\bsms\b|\bwhatsapp\b|\bhotline\b"
    r"|\bdesk\s*:|\boffice\s*:|\banswer(?:s|ed|ing)? (?:at|on)\b|\bmessages? (?:to|at|from)\b"
    r"|\bnumber to (?:call|reach)\b",
    re.IGNORECASE,
)
_PHONE_AFTER = re.compile(r"\W{0,3}(?:\(?(?:office|fax|mobile|cell|home|work|direct|phone|tel)\b)", re.IGNORECASE)
_TEN = re.compile(
    r"(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?", re.IGNORECASE
)
_TRUNK = re.compile(r"\(?0(?!00|[.,]\d{4})(?:\D*\d){8}")
_SOCIAL = re.compile(r"\d{3}-\d{2}-\d{4}")
_DATED = re.compile(
    r"(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d|(?:\d{1,3}\.){3}\d{1,3}|\d{5}-\d{4}"
)

_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
    r"|mär|mai|okt|dez|ene|abr|ago|dic|fév|avr|juin|juil|aoû|déc)\w*\.?"
)
_DATE = re.compile(
    r"\b(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of\s|de\s)?{_MONTH},?\s(?:de\s)?\d{{4}}"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}})(?!\w)",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"\b(?:born|birth(?:day|date)?|d\.?o\.?b\b|geb(?:oren|urtsdatum|urtstag)?\b|né(?:e)?\b|naissance|nac(?:ido|ida|imiento)"
    r"|nat[oa]\b|nascita|nasc(?:ido|ida|imento))",
    re.IGNORECASE,
)

_CARD = re.compile(r"(?<![\w.+/-])(?:\d[ -]?){11,18}\d(?![\w]|[.-]\d)")
_ISSUED = re.compile(r"(?:4|5[0-9]|6[0-9]|2[2-7]|3[0-9]|2131|1800|0604)\d+")

_DOCUMENT = re.compile(
    r"\b(?:passport|(?:driver'?s?'? |driving )?licen[cs]e|identity card|id card|medical record|insurance)\s*"
    r"(?:number|num|no\.?|nr\.?|#|id)(?:\s*(?:is|was|:|=|#)){0,3}\s*(?=[A-Z0-9-]{0,6}\d)"
    r"(?P<value>[A-Z0-9][A-Z0-9-]{5,19})\b",
    re.IGNORECASE,
)
_PAN = re.compile(r"\b[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]\b")

_DE = r"d[aeiou]s?|del|della|la|le|les|du|et|y"
_NAME = r"(?:[^\W\d_a-zà-ÿ][\w'’.-]*)"
_STREETS = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|place|square|sq|boulevard|blvd|terrace|crescent|parkway"
    r"|pkwy|highway|hwy|close|gardens|grove|mews)"
)
_ADDRESSES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b\d{{1,5}}[a-z]?,? (?:{_NAME} ){{1,4}}(?i:{_STREETS})\b\.?",
        rf"\b(?:Via|(?i:rue|viale|piazza|calle|avenida|avda\.?|rua|ul\.|ulica|plaza|paseo|largo|corso|chaussée))"
        rf" (?:(?:{_NAME}|{_DE}) ){{0,4}}{_NAME},? \d{{1,5}}\b",
        rf"\b\d{{1,5}},? (?:bis |ter )?(?i:rue|avenue|boulevard|place|chemin|allée|impasse|quai)"
        rf" (?:(?:{_NAME}|{_DE}) ?){{1,5}}",
        r"(?i)\b[^\W\d_]{2,}(?:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|laan|straat|gade|gata|gatan|vägen|vegen|veien|vej|katu"
        r"|gränd|stræde|utca|tér|ulice)\s\d{1,5}[a-z]?\b",
        r"(?i)\b(?:apt|apartment|suite|ste|flat)\.? #?\d{1,5}[a-z]?\b",
        r"(?i)\bp\.?\s?o\.? ?box \d{1,6}\b|\bpostbox \d{1,6}\b"
        r"|\b(?:psc|unit) \d{1,5},? box \d{1,5}\b|\b[afd]po a[aep] \d{5}\b",
        r"(?i)\b(?:zip|postal|post)\s?-?code(?:\s*(?:is|:))?\s*(?=[A-Z0-9 -]{0,6}\d)"
        r"[A-Z0-9]{2,5}(?:[ -][A-Z0-9]{2,4})?\b",
    )
)


def find(text: str) -> Iterator[Found]:
    """What these patterns find in ``text``; may overlap."""
    yield from _phones(text)
    yield from _cards(text)
    for match in _DATE.finditer(text):
        if _BORN.search(text[max(0, match.start() - _BEFORE) : match.start()]):
            yield _of("date_of_birth", match, 0.7)
    for match in _DOCUMENT.finditer(text):
        yield Found("document_number", Span(*match.span("value")), 0.7)
    for match in _PAN.finditer(text):
        yield _of("national_id", match, 0.6)
    for pattern in _ADDRESSES:
        for match in pattern.finditer(text):
            yield _of("address", match, 0.4)


def _phones(text: str) -> Iterator[Found]:
    for match in _NUMBER.finditer(text):
        if sum(map(str.isdigit, match[0])) >= 7 and not _DATED.fullmatch(match[0]) and _dialled(text, match):
            yield _of("phone", match, 0.6)


def _dialled(text: str, match: re.Match[str]) -> bool:
    """A number is a telephone's by its form (``+…``, a leading nought and groups, three-three-four) or by a word."""
    number = match[0]
    grouped = not number.isdigit() and not _SOCIAL.fullmatch(number)
    if number.startswith(("+", "(+")) or _TEN.fullmatch(number) or (grouped and _TRUNK.match(number)):
        return True
    before = text[max(0, match.start() - _BEFORE) : match.start()]
    return bool(_PHONE_BEFORE.search(before) or _PHONE_AFTER.match(text, match.end(), match.end() + _AFTER))


def _cards(text: str) -> Iterator[Found]:
    for match in _CARD.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if _ISSUED.fullmatch(digits) and _luhn(digits):
            yield _of("card", match, 0.9)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _of(kind: Kind, match: re.Match[str], sure: float) -> Found:
    return Found(kind, Span(*match.span()), sure)
