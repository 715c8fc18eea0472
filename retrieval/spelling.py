"""Words of a question that look mistyped, and what they are read as.

A word that no hit holds is read as the word of a hit that is one slip of the keyboard away from it: a letter left out,
put in or struck for another, or two changed about. So there is no list of words to keep, words of any language and
names are set right, and what is read comes from hits that gate 2 has admitted and from nowhere else. What the packaged
model has a word piece of its own for is a word, and stays as it was typed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

from retrieval.folding import fold, pattern, unspaced
from retrieval.types import Reading
from vouch.gateway.weights import packaged_folder
from vouch.index.lexical import Analysis

SPELLING = "slips.v1"
"""How words are read, by name, so that figures say by what they came about."""
SHORTEST = 5
"""Letters of a word that may be mistyped: too many shorter ones are a slip away from another."""
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"\w+(?:[-_./:@]\w+)+|\w*[\d_]\w*")
"""What machines named, or people joined: its parts are no words of their own."""


def readings(words: str, texts: Sequence[str], analysis: Analysis) -> tuple[Reading, ...]:
    """What words of a question are read as, given ``texts``, those of the hits; most questions are read as they stand.

    ``analysis``: the index's, whose stop words are nobody's mistakes, and whose stems are words in another form.
    """
    typed = dict.fromkeys(word for word in _WORD.findall(_NAME.sub(" ", words)) if len(word) >= SHORTEST)
    doubted = [word for word in typed if fold(word) not in known_words() and not any(map(unspaced, word))]
    folded = [fold(text) for text in texts] if doubted else []
    missing = [word for word in doubted if not any(map(pattern(word).search, folded))]
    if not missing:
        return ()
    held = Counter(word for text in folded for word in set(_WORD.findall(text)))
    near = {word: instead for word in missing if (instead := _nearest(fold(word), held))}
    if not near:
        return ()
    # Of the hits' words together the analysis sees what language they are in, as it does of the question's.
    sought, standing = _terms(words, analysis), _terms(" ".join(held), analysis)
    forms = {word: sought & _terms(word, analysis) for word in near}  # a stop word has none
    return tuple(Reading(word, near[word]) for word in near if forms[word] and forms[word].isdisjoint(standing))


def read_as(words: str, read: Sequence[Reading]) -> str:
    """``words`` with what was read in place of what was typed."""
    for one in read:
        words = re.sub(rf"(?<!\w){re.escape(one.typed)}(?!\w)", one.instead, words)
    return words


def confirmed(read: Sequence[Reading], texts: Sequence[str]) -> tuple[Reading, ...]:
    """Those whose word stands in what was found by it, and so in what the asker may still read."""
    folded = [fold(text) for text in texts] if read else []
    return tuple(one for one in read if any(map(pattern(one.instead).search, folded)))


def one_slip(typed: str, word: str) -> bool:
    """Whether one letter less, more or another, or two neighbours changed about, make ``word`` of ``typed``."""
    if typed == word or abs(len(typed) - len(word)) > 1:
        return False
    alike = (n for n, (a, b) in enumerate(zip(typed, word, strict=False)) if a != b)
    start = next(alike, min(len(typed), len(word)))
    rest, other = typed[start:], word[start:]
    if len(rest) == len(other):
        return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    return rest[1:] == other or rest == other[1:]


@cache
def known_words() -> frozenset[str]:
    """The longer words that the packaged model knows whole."""
    pieces = (packaged_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return frozenset(piece for piece in pieces if piece.isalpha() and len(piece) >= SHORTEST)


def _nearest(typed: str, held: Mapping[str, int]) -> str:
    """Of the words a slip away the one that most hits hold; "" for none."""
    return min((word for word in held if one_slip(typed, word)), key=lambda word: (-held[word], word), default="")


def _terms(words: str, analysis: Analysis) -> frozenset[int]:
    return frozenset(analysis.query(words).indices)
