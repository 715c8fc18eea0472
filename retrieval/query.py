"""The query language: what is looked for, and what has to hold of whatever is found.

    query  = { phrase | left out | filter | word }
    phrase = "two or more words" in the quotes of any language; \\" is a quote within it
    left out = -word | -phrase | -filter
    filter = key:value | key:phrase, of the keys in KEYS
    word   = everything else

:func:`parse` takes any text and never fails: what is no phrase, no filter and nothing left out is words, as it stands.
A text without any of these is its own words, unchanged. :func:`understand` is the stage: it refuses what can only be a
mistake, saying which term.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from retrieval.folding import unspaced
from retrieval.query_values import check
from retrieval.types import Question
from vouch.core.errors import EmptyQuestion, InvalidInput

Key = Literal["source", "type", "owner", "language", "before", "after"]
KEYS: Final = frozenset(get_args(Key))
MOST_TERMS = 32
"""Phrases, filters and words left out, together."""

_ALIASES: Final[dict[str, Key]] = {"lang": "language"}
_CLOSERS = {
    '"': '"”', "“": '”"', "„": '“”"', "”": "”", "«": "»", "»": "«»", "‹": "›", "›": "‹›", "「": "」", "『": "』",
    "＂": "＂",
}  # fmt: skip
_QUOTES = "".join({*_CLOSERS, *"".join(_CLOSERS.values())})
_TURNED = frozenset("“„«‹「『")
"""Quotes that can only open: before them a word may end without a space."""
_KEY = re.compile(r"([A-Za-z]+):(?=\S)")
_OPENING = frozenset("([{<¿¡")
_NEXT = re.compile(r"\S+")
_AT_THE_END = ".,;:!?)]}>…"
_SUSPENDED = re.compile(r"\b(?:und|oder|bzw\.?|sowie|en|of|och|eller|og)\s+$", re.IGNORECASE)
"""*Privatpersonen und -organisationen*: the dash stands for a part of a word, and leaves nothing out."""


@dataclass(frozen=True, slots=True)
class Term:
    """One filter, as written. ``negated``: whatever it fits is left out."""

    key: Key
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if " " in self.value else self.value
        return f"{'-' * self.negated}{self.key}:{value}"


@dataclass(frozen=True, slots=True)
class Query:
    """``words`` rank what is found, those of phrases among them. Every phrase has to stand in it, nothing of
    ``without`` may."""

    words: str
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()

    @property
    def looks_for(self) -> bool:
        """There is a word to look for."""
        return any(c.isalnum() for c in self.words) or bool(self.phrases)

    @property
    def lists(self) -> bool:
        """There is none, and filters say what to list."""
        return not self.looks_for and any(not term.negated for term in self.terms)

    @property
    def plain(self) -> bool:
        return not (self.phrases or self.without or self.terms)


def understand(question: Question, *, field: str) -> Query:
    """The stage: what the question asks for. ``field`` names the text in the request's words.

    Raises :class:`InvalidInput` for more than :data:`MOST_TERMS` terms, for one whose value cannot be meant, and where
    nothing is said but what to leave out.
    """
    if question.plain:
        return Query(question.text)
    query = parse(question.text)
    if len(query.phrases) + len(query.without) + len(query.terms) > MOST_TERMS:
        raise InvalidInput(f"A query has at most {MOST_TERMS} phrases, filters and words left out.", field=field)
    for term in query.terms:
        check(term.key, term.value, negated=term.negated, field=field)
    if question.like is None and not query.looks_for and not query.lists and not query.plain:
        raise InvalidInput("Say what to look for, not only what to leave out.", field=field)
    return query


def understand_question(question: Question, *, field: str) -> Query:
    """As :func:`understand`, of what is to be answered: filters alone ask nothing."""
    query = understand(question, field=field)
    if not query.looks_for and not query.plain:
        raise EmptyQuestion("Ask something: filters alone ask nothing.", field=field)
    return query


def parse(text: str) -> Query:
    """Read ``text``. Never fails, and takes time in proportion to its length."""
    reading = _Reading(text)
    while reading.at < len(text):
        reading.step()
    if not (reading.phrases or reading.without or reading.terms or reading.escaped):
        return Query(text)
    words = " ".join("".join(reading.words).split())
    return Query(words, _distinct(reading.phrases), _distinct(reading.without), _distinct_terms(reading.terms))


class _Reading:
    """How far a text has been read, and what was found in it."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.escaped = text, 0, False
        self.words: list[str] = []
        self.phrases: list[str] = []
        self.without: list[str] = []
        self.terms: list[Term] = []
        self._unclosed: set[str] = set()
        """Marks that nothing closes from here on."""

    def step(self) -> None:
        """Take one term, or one character of a word."""
        if self._begins(self.at) and (self._escape() or self._filter(self.at, negated=False) or self._left_out()):
            return
        quoted = self._quoted(self.at)
        if quoted is not None:
            phrase, self.at = quoted
            self.words += [" ", phrase, " "]
            self.phrases.append(phrase)
            return
        self.words.append(self.text[self.at])
        self.at += 1

    def _begins(self, at: int) -> bool:
        """Whether a term may begin here."""
        return at == 0 or self.text[at - 1].isspace() or self.text[at - 1] in _OPENING

    def _escape(self) -> bool:
        """``\\"`` and ``\\-`` are the character itself."""
        if self.text[self.at : self.at + 2] not in ('\\"', "\\-"):
            return False
        self.words.append(self.text[self.at + 1])
        self.at, self.escaped = self.at + 2, True
        return True

    def _filter(self, at: int, *, negated: bool) -> bool:
        found = _KEY.match(self.text, at)
        name = found[1].lower() if found else ""
        key = _ALIASES.get(name) or next((key for key in get_args(Key) if key == name), None)
        if found is None or key is None:
            return False
        quoted = self._quoted(found.end(), anywhere=True)
        value, end = quoted or self._word(found.end())
        if not value.strip(_QUOTES):
            return False
        self.terms.append(Term(key, value, negated))
        self.at = end
        self.words.append(" ")
        return True

    def _left_out(self) -> bool:
        """A dash before a digit is a sign, one before a space or a dash is a dash."""
        if self.text[self.at] != "-" or _SUSPENDED.search(self.text, max(0, self.at - 12), self.at):
            return False
        if self._filter(self.at + 1, negated=True):
            return True
        quoted = self._quoted(self.at + 1, anywhere=True)
        if quoted is None:
            if not self.text[self.at + 1 : self.at + 2].isalpha():
                return False
            quoted = self._word(self.at + 1)
        left_out, self.at = quoted
        self.without.append(left_out)
        self.words.append(" ")
        return True

    def _word(self, at: int) -> tuple[str, int]:
        """Up to the next space, less what ends a sentence; and where it ends."""
        found = _NEXT.match(self.text, at)
        word = found[0].rstrip(_AT_THE_END) if found else ""
        return word, at + len(word)

    def _quoted(self, at: int, *, anywhere: bool = False) -> tuple[str, int] | None:
        """The text of a phrase that begins here, and where it ends."""
        mark = self.text[at : at + 1]
        closers = _CLOSERS.get(mark)
        if closers is None or mark in self._unclosed or not (anywhere or mark in _TURNED or self._opens(at)):
            return None
        said: list[str] = []
        here = at + 1
        while here < len(self.text):
            c = self.text[here]
            if c == "\\" and self.text[here + 1 : here + 2] in {"\\", *closers, mark}:
                said.append(self.text[here + 1])
                here += 2
                continue
            if c in closers:
                phrase = " ".join("".join(said).split())
                return (phrase, here + 1) if phrase else None
            said.append(c)
            here += 1
        self._unclosed.add(mark)
        return None

    def _opens(self, at: int) -> bool:
        """Whether a quote that could as well close, or mean inches, opens a phrase."""
        return self._begins(at) or unspaced(self.text[at - 1])


def _distinct(said: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said))


def _distinct_terms(said: Sequence[Term]) -> tuple[Term, ...]:
    return tuple(dict.fromkeys(said))
