"""Where sentences begin and end: one splitter for chunking, answering and verifying.

Rules and a list of abbreviations, no model: what is split the same way everywhere can be quoted,
cited and checked. A line that holds `` | `` is a table row and stays whole, because half a row says
nothing; list markers are left outside the sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from vouch.core.types import Span

ROW_SEPARATOR = " | "

_MARKER = re.compile(r"[ \t]*(?:[-*+•◦▪‣·–]|\(?(?:\d{1,3}|[a-z])[.)]|\(?[A-Z]\))[ \t]+(?=\S)")
_CLOSERS = "\"'”’»)\\]"
# The look-behind and the bounds keep the cost linear on text made to be slow.
_END = re.compile(rf"(?<![.!?…])[.!?…]++[{_CLOSERS}]*+(?=\s)|[。！？｡]+[」』”’）]*")
_PROTECTED = re.compile(r"\[[^\]\n]{0,300}\]\([^)\n]{0,500}\)|`[^`\n]{1,300}`")
_LAST_TOKEN = re.compile(r"[\w.&@/-]+$")
_DOTTED = re.compile(r"^(?:[A-Za-z]\.)+[A-Za-z]$")
_SOFT_WRAP = re.compile(r"(?<![.!?:;。！？…\s])[ \t]*\n(?=[ \t]*[a-zà-öø-ÿ])")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never the end of a sentence: something always follows them.
_OPEN = _words(
    "mr mrs ms dr prof sr jr st rev gen col capt lt sgt hon gov sen rep messrs mme mlle vs v cf viz "
    "fig figs eq eqs sec ch vol no nos nr art para pp p ed eds approx ca est incl excl e.g i.e eg ie "
    "bzw z.b d.h u.a ggf vgl p.ej núm"
)
# May end one; they do when what follows is a usual way to begin a sentence.
_MAYBE = _words(
    "etc inc ltd co corp plc llc bros dept univ assn ave blvd rd mt ft a.m p.m u.s u.k e.u u.n ph.d m.d b.a m.a "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun al"
)
_STARTERS = _words(
    "the a an this that these those it its he she they we you i our your their his her my there here if when where "
    "while for in on at by from to with as but and or so however after before all any each every no not please see "
    "who what why how do does is are was were can may must should will once since although because until"
)


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of ``text``, ascending, not overlapping, each trimmed and not blank.

    A newline ends a sentence, except a soft wrap (no end mark before it, a lower-case letter after
    it). All that is not blank lies in a span, apart from list markers at the start of a line.
    """
    protected = [m.span() for m in _PROTECTED.finditer(text)] if "`" in text or "](" in text else []
    found: list[Span] = []
    for start, end in _lines(text):
        if ROW_SEPARATOR in text[start:end]:
            found.append(Span(start, end))
            continue
        at = start
        for stop in _stops(text, start, end, protected):
            found.append(Span(at, stop))
            at = _skip_space(text, stop, end)
        if at < end:
            found.append(Span(at, end))
    return found


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Lines with soft wraps joined, trimmed, without their list marker; blank ones are left out."""
    wraps = {m.end() - 1 for m in _SOFT_WRAP.finditer(text)} if "\n" in text else set()
    start, length = 0, len(text)
    while start < length:
        end = text.find("\n", start)
        while end in wraps:
            end = text.find("\n", end + 1)
        if end < 0:
            end = length
        marker = _MARKER.match(text, start, end)
        first = _skip_space(text, marker.end() if marker else start, end)
        last = end
        while last > first and text[last - 1].isspace():
            last -= 1
        if first < last:
            yield first, last
        start = end + 1


def _stops(text: str, start: int, end: int, protected: list[tuple[int, int]]) -> Iterator[int]:
    for mark in _END.finditer(text, start, end):
        stop = mark.end()
        following = _skip_space(text, stop, end)
        nearest = bisect_right(protected, (stop, 0)) - 1
        if following >= end or (nearest >= 0 and stop < protected[nearest][1]):
            continue
        if mark[0][0] in "。！？｡" or _begins(text, start, mark, following):
            yield stop


def _begins(text: str, start: int, mark: re.Match[str], following: int) -> bool:
    """Whether a new sentence begins at ``following``, after the end mark ``mark``."""
    if text[following].islower():
        return False
    if mark[0].rstrip(_CLOSERS.replace("\\", "")) != ".":
        return True
    token = _LAST_TOKEN.search(text, max(start, mark.start() - 40), mark.start())
    if token is None:
        return True
    word = token[0].lower()
    if word in _OPEN and not (word in ("no", "p", "v", "art") and text[following].isalpha()):
        return False
    initial = len(word) == 1 and token[0].isupper() and token[0] != "I"
    if initial or word in _MAYBE or _DOTTED.match(word):
        next_word = re.match(r"\w+", text[following : following + 24])
        return next_word is not None and next_word[0].lower() in _STARTERS
    return True


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
