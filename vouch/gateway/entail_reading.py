"""How a claim and a long text are read: sentence by sentence of the claim, each beside what it is likest to; and what
can be told of both by counting.

A network reads some hundred words at once, so what is longer is cut to the sentences that a sentence of the claim is
most likely about. What it then misses, and what it is bad at, is counted beside it: words, numbers and names of the
claim that the text does not have anywhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from vouch.core.sentences import sentences
from vouch.index.lexical import english_terms

WORDS = 105
"""Of evidence beside a sentence; about 140 word pieces."""
PARTS = 6
"""Sentences of a claim that are read by themselves; more are read together with the last."""
SHORT = 4
"""Fewer words are read together with the sentence before."""
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_NAME = re.compile(r"(?<![.!?:\"“‘] )(?<!^)\b[A-Z][\w'’-]+")


@dataclass(frozen=True, slots=True)
class Counted:
    """``found``: share of the claim's terms that the text has; ``least``: of its sentence with the smallest share;
    ``together``: most of them in one sentence of the text. ``numbers``, ``names``: share of those that it has not."""

    found: float
    least: float
    together: float
    numbers: float
    names: float
    claim_length: float
    evidence_length: float


@dataclass(frozen=True, slots=True)
class Text:
    """Evidence by its sentences, with the terms of each."""

    lines: tuple[str, ...]
    terms: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Self:
        kept = tuple(lines)
        return cls(kept, tuple(map(english_terms, kept)))

    def beside(self, part: str, words: int = WORDS) -> str:
        """Sentences that are at most ``words`` long together, in their order: first those that say what of the part no
        other has said, then those beside them."""
        asked, lengths = english_terms(part), [len(line.split()) for line in self.lines]
        best = self._sayers(asked, lengths, words)
        left = words - sum(lengths[at] for at in best)
        for at in [n + by for n in tuple(best) for by in (1, -1)]:
            if 0 <= at < len(lengths) and at not in best and lengths[at] <= left:
                best.append(at)
                left -= lengths[at]
        return " ".join(self.lines[at] for at in sorted(best or range(min(3, len(lengths)))))

    def _sayers(self, asked: frozenset[int], lengths: Sequence[int], words: int) -> list[int]:
        holding = Counter(term for held in self.terms for term in held & asked)
        rarity = {term: math.log(1 + len(lengths) / count) for term, count in holding.items()}
        best: list[int] = []
        said: set[int] = set()

        def gain(at: int) -> float:
            held = self.terms[at] & asked
            new, again = sum(rarity[term] for term in held - said), sum(rarity[term] for term in held & said)
            return (new + 0.1 * again) / math.sqrt(10 + lengths[at])

        while True:
            room = words - sum(lengths[at] for at in best)
            able = [at for at, length in enumerate(lengths) if at not in best and length <= room]
            top = max(able, key=gain, default=None)
            if top is None or not (self.terms[top] & asked) - said:
                return best
            best.append(top)
            said |= self.terms[top] & asked

    def counted(self, claim: str) -> Counted:
        """What of the claim is said, and what nowhere."""
        text = " ".join(self.lines)
        said, asked = frozenset[int]().union(*self.terms), english_terms(claim)
        numbers, names = [_plain(n) for n in _NUMBER.findall(claim)], [n.lower() for n in _NAME.findall(claim)]
        known, lower = {_plain(n) for n in _NUMBER.findall(text)}, text.lower()
        return Counted(
            found=_share(asked, said),
            least=min((_share(english_terms(part), said) for part in parts(claim)), default=0.0),
            together=max((_share(asked, held) for held in self.terms), default=0.0),
            numbers=sum(number not in known for number in numbers) / max(len(numbers), 1),
            names=sum(name not in lower for name in names) / max(len(names), 1),
            claim_length=math.log(1 + len(claim.split())),
            evidence_length=math.log(1 + len(text.split())),
        )


def lines(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


def parts(claim: str) -> list[str]:
    """Its sentences, at most :data:`PARTS`."""
    found: list[str] = []
    for line in lines(claim):
        if found and (len(line.split()) < SHORT or len(found) == PARTS):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return found


def _share(of: frozenset[int], held: frozenset[int]) -> float:
    return len(of & held) / max(len(of), 1)


def _plain(number: str) -> str:
    return number.replace(",", "")
