"""Where in a passage the query's words stand, by stem, and its phrases; and which part of a long passage to show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.folding import folded, pattern, unspaced
from retrieval.terms import key_terms, stems
from vouch.core.types import Span

SNIPPET = 300
"""Characters of a passage that are shown where there is no room for all of it."""
MOST = 200
"""Marks in one passage."""

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_BREAK = re.compile(r"(?<=[.!?…。！？])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Sought:
    """What is marked: stems of the words, phrases, and words of scripts without spaces, which are found anywhere."""

    stems: frozenset[int]
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """Offsets into a hit's text, in code points, end exclusive. ``highlights``: ascending, apart from each other."""

    highlights: tuple[Span, ...]
    snippet: Span


def sought(words: str, phrases: Sequence[str]) -> Sought:
    """Of a query's words (those of phrases among them) and phrases."""
    terms = key_terms(words)
    anywhere = tuple(term for term in terms if any(map(unspaced, term)))
    said = words
    for phrase in phrases:  # the words of a phrase are marked where they stand together
        said = said.replace(phrase, " ", 1)
    return Sought(stems(" ".join(key_terms(said))), (*phrases, *anywhere))


def mark(sought: Sought, text: str) -> Marked:
    """Phrases first: a word within one is not marked a second time."""
    found = _merged([*_phrases(sought, text), *_words(sought, text)])[:MOST]
    return Marked(found, snippet(text, found))


def _phrases(sought: Sought, text: str) -> Iterator[tuple[int, int]]:
    if sought.phrases:
        compared = folded(text)
        for phrase in sought.phrases:
            yield from (compared.original(*found.span()) for found in pattern(phrase).finditer(compared.text))


def _words(sought: Sought, text: str) -> Iterator[tuple[int, int]]:
    if sought.stems:
        for found in _WORD.finditer(text):
            if not sought.stems.isdisjoint(_stems_of(found[0])):
                yield found.span()


@lru_cache(50_000)
def _stems_of(word: str) -> frozenset[int]:
    return stems(word)


def _merged(spans: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Ascending; those that overlap become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(Span(start, end) for start, end in merged)


def snippet(text: str, highlights: Sequence[Span], size: int = SNIPPET) -> Span:
    """At most ``size`` characters with as many different highlights as can be, beginning at a sentence where one
    begins near them, cut between words. All of a text that is no longer."""
    if len(text) <= size:
        return Span(0, len(text))
    starts = [span.start for span in highlights]
    best = max(range(len(highlights)), key=lambda n: (_worth(text, highlights, n, size), -n), default=None)
    anchor = 0 if best is None else starts[best]
    start = _beginning(text, anchor, size)
    return Span(start, _ending(text, start, size))


def _worth(text: str, highlights: Sequence[Span], first: int, size: int) -> tuple[int, int]:
    """Of a window that opens a little before a highlight: different words in it, then how many."""
    within = [one for one in highlights[first:] if one.end <= highlights[first].start + size * 3 // 4]
    return len({one.of(text).casefold() for one in within}), len(within)


def _beginning(text: str, anchor: int, size: int) -> int:
    """Where the sentence of ``anchor`` begins, if that is within a quarter of the window; else a word before it."""
    if anchor <= size // 4:
        return 0
    reach = anchor - size // 4
    breaks = [found.end() for found in _BREAK.finditer(text, reach, anchor)]
    if breaks:
        return breaks[0]
    space = text.find(" ", reach, anchor)
    return reach if space < 0 else space + 1


def _ending(text: str, start: int, size: int) -> int:
    end = start + size
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", start + size // 2, end + 1)
    return end if space < 0 else space
