"""Of a long text, the sentences that a claim is most likely about: as much as a model of entailment reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vouch.core.sentences import sentences
from vouch.core.types import Json
from vouch.index.lexical import english_terms

WORDS = 105
"""About 140 word pieces."""


@dataclass(frozen=True, slots=True)
class Item:
    """A claim and the whole text, by its sentences, that supports it or does not."""

    lines: tuple[str, ...]
    claim: str
    supported: bool

    @classmethod
    def of(cls, row: Json) -> Item:
        """A row of WiCE, SummEdits or their like; ``distractors`` are of the same page."""
        text: str = row["context"]
        lines = row.get("context_sentences") or [span.of(text) for span in sentences(text)]
        return cls((*lines, *row.get("distractors", ())), row["claim_or_answer"], row["label"] == "supported")


def chosen(lines: Sequence[str], claim: str, words: int = WORDS) -> str:
    """Sentences of ``lines``, at most ``words`` long together and in their order: first those that say what of the
    claim no other has said, then those beside them."""
    asked = english_terms(claim)
    terms = [english_terms(line) for line in lines]
    holding = Counter(term for held in terms for term in held & asked)
    rarity = {term: math.log(1 + len(lines) / count) for term, count in holding.items()}
    lengths = [len(line.split()) for line in lines]
    best: list[int] = []
    said: set[int] = set()
    left = words

    def gain(at: int) -> float:
        new = sum(rarity[term] for term in (terms[at] & asked) - said)
        again = sum(rarity[term] for term in terms[at] & asked & said)
        return (new + 0.1 * again) / math.sqrt(10 + lengths[at])

    while True:
        able = [at for at in range(len(lines)) if at not in best and lengths[at] <= max(left, words if not best else 0)]
        top = max(able, key=gain, default=None)
        if top is None or gain(top) <= 0 or not (terms[top] & asked) - said:
            break
        best.append(top)
        said |= terms[top] & asked
        left -= lengths[top]
    for at in [n + by for n in tuple(best) for by in (1, -1)]:
        if 0 <= at < len(lines) and at not in best and lengths[at] <= left:
            best.append(at)
            left -= lengths[at]
    return " ".join(lines[at] for at in sorted(best or range(min(3, len(lines)))))
