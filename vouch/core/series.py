"""Is one document a version of another? Told by their names, and by how much of one the other holds.

``travel-policy-2023.docx`` and ``Travel policy (v2, final).md`` are one series, for what is left of their names without
dates, numbers of versions and such words is the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Relation = Literal["identical", "version", "near"]

FEWEST_LETTERS = 5
"""Of a name that tells anything: ``v2`` and ``2024-05.md`` name no series."""
HELD = 0.95
"""Of the smaller text, held by a larger one that is not much the same as it: an extended version, or an excerpt."""
MUCH_THE_SAME = 0.9
# A month stands beside a year or a day; "may" alone is a word.
_MONTHS = (
    r"(?:jan(?:uar[iy])?|feb(?:ruar[iy])?|m(?:ar(?:ch|z)?|ärz)|apr(?:il)?|ma[iy]|june?|juni|july?|juli|aug(?:ust)?|sept?(?:ember)?"
    r"|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_MARK = re.compile(
    rf"""
    (?<![^\W_])(?:
        {_MONTHS}[\W_]*\d{{1,4}}(?:[\W_]+(?:19|20)\d\d)? | \d{{1,2}}[\W_]*{_MONTHS}(?:[\W_]*(?:19|20)\d\d)?
        | (?:v|ver|version|rev|revision|release|draft|final|copy|q|fy|h)[\W_]*\d+(?:[._-]\d+)*
        | (?:19|20)\d\d[\W_]*q[1-4]
        | \d+(?:[._-]\d+)*
        | final | draft | copy(?:[\W_]+of)? | old | new | current | latest | previous | archived? | kopie(?:[\W_]+von)?
        | entwurf | neu | alt | superseded | approved | signed | updated | revised
    )(?![^\W_])
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORDS = re.compile(r"[^\W_]+")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """``series``: the words left without ``marks``; empty where they tell nothing."""

    series: str
    marks: tuple[str, ...]


def named(text: str) -> Name:
    """Of a title, or of a file's name without its ending."""
    marks = tuple(" ".join(_WORDS.findall(mark.casefold())) for mark in _MARK.findall(text))
    series = " ".join(_WORDS.findall(_MARK.sub(" ", text).casefold()))
    return Name(series if sum(map(str.isalpha, series)) >= FEWEST_LETTERS else "", marks)


def stem(external_id: str) -> str:
    """The last part of a path or an address, without its ending."""
    return _EXTENSION.sub("", external_id.rstrip("/").rsplit("/", 1)[-1])


def series(title: str, external_id: str) -> str:
    """Under which versions of a document are looked for."""
    return named(stem(external_id)).series or named(title).series


def related(a: tuple[str, str], b: tuple[str, str], *, similarity: float, containment: float) -> Relation:
    """Of two documents whose texts differ, each given as (title, external id)."""
    for mine, theirs in ((named(a[0]), named(b[0])), (named(stem(a[1])), named(stem(b[1])))):
        if mine.series and mine.series == theirs.series and mine.marks != theirs.marks:
            return "version"
    return "version" if containment >= HELD and similarity < MUCH_THE_SAME else "near"
