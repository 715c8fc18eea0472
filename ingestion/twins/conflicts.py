"""Sentences of two texts that are the same but for their figures, where the figures contradict each other.

What is flagged is meant to be right rather than complete, so a pair of sentences has to say the same in the same words,
each of them in one place of its text alone. A heading, a line about the document itself ("Last updated …") and a
sentence about another period (its date differs, and with it its amounts) contradict nothing. Two texts that differ in
most of their figures are a form filled in twice, or the figures of two quarters, not one thing told in two ways.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ingestion.twins.figures import Figure, Kind, figures
from vouch.core.sentences import ROW_SEPARATOR, sentences
from vouch.core.types import Span

MOST_DIFFERING = 2
"""Figures of one sentence that may differ; more of them is another row of another table."""
FORM_FROM = 4
FORM_SHARE = 0.4
"""From so many differing sentences on, and from this share of those that were found in both, it is a form."""
FEWEST_WORDS = 4
FEWEST_IN_LABEL = 2
"""Words besides the figures: in prose, and where a colon or a table's row sets a figure beside its name."""
LONGEST = 1_000
_WORD = re.compile(r"\w+|[<>≤≥±]")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_ENDS = re.compile(r"[.!?;:。！？][\"'”’»)\]*_]*\Z")
_ABOUT_ITSELF = re.compile(
    r"\W*(?:(?:last|first|next)\s+)?(?:updated?|modified|reviewed|review|changed|edited|revised|revision|version|date|dated"
    r"|effective|published|printed|generated|created|copyright|©|retrieved|accessed|stand|as of|page|posted|sent"
    r"|received|approved|document|ref|reference|invoice|expires|valid)\b",
    re.IGNORECASE,
)
_SHORT = 10
"""Words of a line about the document itself; a longer sentence says something."""


PAGES_FROM = 3
"""Last numbers of lines that have moved by the same from one text to the other: a table of contents, not rules."""
READ = 400_000
"""Characters of each text that are read."""


@dataclass(frozen=True, slots=True)
class Side:
    """``span`` of the sentence and of the figure in it, in the normalised text."""

    span: Span
    quote: str
    figure: Span

    @property
    def said(self) -> str:
        return self.quote[self.figure.start - self.span.start : self.figure.end - self.span.start]


@dataclass(frozen=True, slots=True)
class Conflict:
    kind: Kind
    a: Side
    b: Side


@dataclass(frozen=True, slots=True)
class _Sentence:
    span: Span
    text: str
    figures: tuple[Figure, ...]
    pattern: tuple[str, ...]


_Differing = tuple[_Sentence, _Sentence, list[tuple[Figure, Figure]]]


Rules = Mapping[tuple[str, ...], _Sentence]
"""The sentences of a text that have figures, by what they say besides."""


def conflicts(a: str, b: str) -> tuple[Conflict, ...]:
    """In the order of ``a``."""
    return between(rules(a), rules(b))


def between(a: Rules, b: Rules) -> tuple[Conflict, ...]:
    """The same, of texts that have been read."""
    both = [(a[pattern], b[pattern]) for pattern in a if pattern in b]
    differing = _without_pages([(one, other, found) for one, other in both if (found := _differences(one, other))])
    if len(differing) >= FORM_FROM and len(differing) > FORM_SHARE * len(both):
        return ()
    told = [(one, other, found) for one, other, found in differing if _contradict(found)]
    return tuple(
        Conflict(mine.kind, _side(one, mine), _side(other, theirs))
        for one, other, found in told
        for mine, theirs in found
    )


def rules(text: str) -> Rules:
    """A pattern that comes twice tells nothing, and is left out."""
    found = list(_read(text[:READ]))
    times = Counter(sentence.pattern for sentence in found)
    return {sentence.pattern: sentence for sentence in found if times[sentence.pattern] == 1}


def _read(text: str) -> Iterator[_Sentence]:
    for span in sentences(text):
        sentence = span.of(text)
        if len(sentence) > LONGEST:
            continue
        read = tuple(figures(sentence))
        if any(figure.readings for figure in read) and _says_something(text, span, read):
            yield _Sentence(span, sentence, read, _pattern(sentence, read))


def _says_something(text: str, span: Span, read: Sequence[Figure]) -> bool:
    sentence = span.of(text)
    words = len(_LETTERS.findall(_without(sentence, read)))
    if words <= _SHORT and _ABOUT_ITSELF.match(sentence):
        return False
    if ROW_SEPARATOR in sentence or ":" in sentence:
        return words >= FEWEST_IN_LABEL
    return words >= FEWEST_WORDS and (bool(_ENDS.search(sentence)) or _is_listed(text, span))


def _is_listed(text: str, span: Span) -> bool:
    """Whether it stands behind a list's mark. Any other line without an end is a heading, or a piece of a layout."""
    begins = text.rfind("\n", 0, span.start) + 1
    return bool(text[begins : span.start].strip())


def _without(sentence: str, read: Sequence[Figure]) -> str:
    left, at = [], 0
    for figure in read:
        left.append(sentence[at : figure.span.start])
        at = figure.span.end
    return " ".join((*left, sentence[at:]))


def _pattern(sentence: str, read: Sequence[Figure]) -> tuple[str, ...]:
    words: list[str] = []
    at = 0
    for figure in read:
        words += _WORD.findall(sentence[at : figure.span.start].casefold())
        words.append(figure.slot)
        at = figure.span.end
    return (*words, *_WORD.findall(sentence[at:].casefold()))


def _differences(a: _Sentence, b: _Sentence) -> list[tuple[Figure, Figure]]:
    return [(mine, theirs) for mine, theirs in zip(a.figures, b.figures, strict=True) if not mine.agrees(theirs)]


def _contradict(found: Sequence[tuple[Figure, Figure]]) -> bool:
    """Another date beside other amounts is another period."""
    kinds = {mine.kind for mine, _ in found}
    return len(found) <= MOST_DIFFERING and not ("date" in kinds and len(kinds) > 1)


def _without_pages(differing: Sequence[_Differing]) -> list[_Differing]:
    """Leaves out whole numbers at the end of their lines that have all moved by as many: those of pages."""
    moved = [_moved(*one) for one in differing]
    times = Counter(moved)
    return [one for one, by in zip(differing, moved, strict=True) if by is None or times[by] < PAGES_FROM]


def _moved(a: _Sentence, b: _Sentence, found: Sequence[tuple[Figure, Figure]]) -> Decimal | None:
    """By how much, for a single number that ends both lines."""
    (mine, theirs), *others = found
    if others or mine.kind != "number" or mine.span.end != len(a.text) or theirs.span.end != len(b.text):
        return None
    zero = Decimal()
    by = {(y or zero) - (x or zero) for (x,) in mine.readings for (y,) in theirs.readings}
    return by.pop() if len(by) == 1 else None


def _side(sentence: _Sentence, figure: Figure) -> Side:
    start = sentence.span.start
    return Side(sentence.span, sentence.text, Span(start + figure.span.start, start + figure.span.end))
