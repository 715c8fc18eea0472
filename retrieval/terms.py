"""The terms and numbers of a text, cut as the lexical index cuts them, so both speak of the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.folding import fold
from vouch.index.lexical import query_vector

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_PLAIN = re.compile(r"[a-z]+(?:\s+[a-z]+)*")
_ASKING_WORDS = (
    "many much long often may might can could would should shall must tell know need get say take there here does did"
    " please anyone anything anybody someone something"
)
_ASKING = frozenset(_ASKING_WORDS.split())
"""Words of asking, which say nothing of what is asked about, beyond the index's stop words."""
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
_WORDED = {word: str(10 * n) for n, word in enumerate(_TENS.split())}
_WORDED |= {word: str(n) for n, word in enumerate(f"{_ONES} eighteen nineteen".split())}


def stems(text: str) -> frozenset[int]:
    """Ids of the stems in ``text``; stop words have none."""
    return frozenset(query_vector(text).indices)


def key_terms(text: str) -> tuple[str, ...]:
    """The words of ``text`` that carry meaning, as written, each stem once, in order."""
    found: dict[frozenset[int], str] = {}
    for word in _WORD.findall(text):
        if word.lower() not in _ASKING and (stem := stems(word)):
            found.setdefault(stem, word)
    return tuple(found.values())


def told_by_words(phrases: Sequence[str]) -> bool:
    """Whether every passage with the phrases has the stems of their words: they are cut as the index cuts them, and
    are not stop words alone."""
    return bool(phrases) and all(_PLAIN.fullmatch(fold(phrase)) and stems(phrase) for phrase in phrases)


def numbers(text: str) -> frozenset[str]:
    """Every number, written one way: ``1,200.50`` → ``1200.5``, ``twenty`` → ``20``, ``007`` → ``7``."""
    digits = {_plain(match.group()) for match in _NUMBER.finditer(text)}
    return frozenset(digits | {_WORDED[word] for word in _WORD.findall(text.lower()) if word in _WORDED})


def stems_without_numbers(text: str) -> frozenset[int]:
    """As :func:`stems`, leaving out what :func:`numbers` reads."""
    words = _WORD.sub(lambda m: "" if m[0].lower() in _WORDED else m[0], _NUMBER.sub(" ", text))
    return stems(words)


def _plain(number: str) -> str:
    whole, _, part = number.replace(",", "").partition(".")
    return (whole.lstrip("0") or "0") + (f".{part.rstrip('0')}" if part.rstrip("0") else "")
