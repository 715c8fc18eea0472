"""Questions as hurried people type them: seeded slips of the keyboard in their longer words."""

from __future__ import annotations

import hashlib
import random
import re

LONG = 5
"""Letters of a word that slips are made in."""
_WORD = re.compile(rf"[^\W\d_]{{{LONG},}}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {key: row[max(0, n - 1) : n] + row[n + 1 : n + 2] for row in _ROWS for n, key in enumerate(row)}


def mistyped(question: str, slips: int) -> str:
    """``question`` with ``slips`` of its long words mistyped, one slip each, or as many as there are. The same for the
    same question each time."""
    digest = hashlib.sha256(f"{slips} {question}".encode()).digest()
    rng = random.Random(digest)  # noqa: S311 - what is drawn is to be the same each time
    words = list(_WORD.finditer(question))
    for found in sorted(rng.sample(words, min(slips, len(words))), key=lambda one: -one.start()):
        question = question[: found.start()] + slipped(found[0], rng) + question[found.end() :]
    return question


def slipped(word: str, rng: random.Random) -> str:
    """``word`` with a letter left out, two changed about, one doubled, or one struck on the key beside it: never as it
    was."""
    while True:
        at, kind = rng.randrange(len(word)), rng.randrange(4)
        before, letter, after = word[:at], word[at], word[at + 1 :]
        beside = _BESIDE.get(letter.lower(), "")
        struck = rng.choice(beside) if beside else letter
        made = (
            before + after,
            before + after[:1] + letter + after[1:],
            before + letter + letter + after,
            before + (struck.upper() if letter.isupper() else struck) + after,
        )[kind]
        if made != word:
            return made
