"""Text as phrases are compared: without case, accents, and the many ways to write a quote or a dash.

Nothing else is made equal: a phrase stands in a text as a person would find it there by eye.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

_SAME = {
    **dict.fromkeys("‘’‚‛′´`ʼ＇", "'"),
    **dict.fromkeys("“”„‟″«»‹›「」『』＂", '"'),
    **dict.fromkeys("‐‑‒–—―−－", "-"),
    **{"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe"},
}
_ACCENTS = range(0x300, 0x370)
"""Marks on Latin, Greek and Cyrillic letters. Those of other scripts are letters in their own right."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts that put no spaces between words, or not between all of them: a phrase may begin and end anywhere."""


class _Foldings(dict[int, str]):
    """What each character becomes, found out when it is first met."""

    def __missing__(self, point: int) -> str:
        plain = unicodedata.normalize("NFKD", _SAME.get(chr(point), chr(point)))
        kept = "".join(c for c in plain if ord(c) not in _ACCENTS and unicodedata.category(c) != "Cf")
        folded = unicodedata.normalize("NFC", kept).casefold()
        self[point] = "".join(_SAME.get(c, c) for c in folded)
        return self[point]


_FOLDINGS = _Foldings()


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; ``starts[i]``: where what became of the original's character i begins. None: each became one."""

    text: str
    starts: tuple[int, ...] | None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that ``start`` to ``end`` of the folded text came of."""
        if self.starts is None:
            return start, end
        first, last = (bisect_right(self.starts, at) for at in (start, end - 1))
        return first - 1, last


def fold(text: str) -> str:
    """``text`` as it is compared."""
    return text.lower() if text.isascii() and "`" not in text else text.translate(_FOLDINGS)


def folded(text: str) -> Folded:
    """``text`` as it is compared, and the way back."""
    found = fold(text)
    if text.isascii():
        return Folded(found, None)
    return Folded(found, tuple(accumulate((len(_FOLDINGS[ord(c)]) for c in text), initial=0))[:-1])


def unspaced(character: str) -> bool:
    """Whether it is of a script that does not put spaces between words."""
    return _UNSPACED.match(character) is not None


@lru_cache(4_096)
def pattern(phrase: str) -> re.Pattern[str]:
    """Finds ``phrase`` in folded text: its words in their order, any white space between them, no word cut in two."""
    words = fold(phrase).split()
    if not words:
        return re.compile(r"(?!)")
    body = r"\s+".join(map(re.escape, words))
    first, last = words[0][0], words[-1][-1]
    before = r"(?<!\w)" if _bounded(first) else ""
    after = r"(?!\w)" if _bounded(last) else ""
    return re.compile(f"{before}{body}{after}")


def _bounded(character: str) -> bool:
    return (character.isalnum() or character == "_") and not unspaced(character)
