"""Pairs of questions: such as ask the same in other words, and such as do not however alike they are.

Made of XQuAD's English questions, of which each paragraph has about five. The first kind is made by rules, for no
public set has it: courtesies, contractions, other ways to ask for a number; and, apart from these, one word for another
of the same meaning, which the product does not claim to recognise. The second kind is found (another question of the
same paragraph, which other words answer) or made: another number, a negation, an opposite, another name, another
question word, another tense.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.datasets import Half, SpanSet, half

Kind = Literal["courtesy", "form", "reworded", "paragraph", "number", "negation", "opposite", "name", "asks", "tense"]
SAME: tuple[Kind, ...] = ("courtesy", "form")
REWORDED: tuple[Kind, ...] = ("reworded",)
OTHER: tuple[Kind, ...] = ("paragraph", "number", "negation", "opposite", "name", "asks", "tense")
_COURTESIES = (
    "Could you tell me {}", "Please tell me {}", "Hi, {}", "Can you please explain {}", "I would like to know {}",
    "Do you know {}", "{}, please", "{} Thanks!", "I'm wondering {}", "{}!",
)  # fmt: skip
_FORMS = (
    (r"^how many ", "What number of "), (r"^which ", "What "), (r"^what (?!is|are|'s)", "Which "),
    (r"^what is ", "What's "),
    (r"^who is ", "Who's "), (r"^where is ", "Where's "), (r"\bdid not\b", "didn't"), (r"\bis not\b", "isn't"),
    (r" (in) (\d{4})\?$", r"|In \2, "), (r"^(?:in|on) (\d{4}), (.+)\?$", r"\2 in \1?"),
)  # fmt: skip
_SYNONYMS = (
    ("start", "begin"), ("started", "began"), ("big", "large"), ("biggest", "largest"), ("buy", "purchase"),
    ("created", "made"), ("use", "employ"), ("used", "employed"), ("called", "named"), ("famous", "well-known"),
    ("amount", "quantity"), ("help", "assist"), ("kind", "type"), ("type", "kind"), ("built", "constructed"),
    ("main", "chief"), ("people", "persons"), ("happened", "occurred"), ("city", "town"), ("show", "display"),
)  # fmt: skip
_OPPOSITES = (
    ("before", "after"), ("first", "last"), ("most", "least"), ("largest", "smallest"), ("more", "less"),
    ("maximum", "minimum"), ("north", "south"), ("east", "west"), ("with", "without"), ("in", "outside"),
    ("from", "to"), ("highest", "lowest"), ("before", "during"), ("old", "new"), ("win", "lose"), ("by", "for"),
)  # fmt: skip
_ASKS = (("when", "where"), ("where", "when"), ("who", "what"), ("why", "how"), ("how many", "how much"))
_TENSES = (("is", "was"), ("was", "is"), ("are", "were"), ("were", "are"), ("did", "does"), ("does", "did"))


@dataclass(frozen=True, slots=True)
class Pair:
    """``same``: whether the answer to ``kept`` is one to ``asked``."""

    kept: str
    asked: str
    kind: Kind
    part: Half

    @property
    def same(self) -> bool:
        return self.kind in (*SAME, *REWORDED)


def pairs(data: SpanSet, seed: int = 7) -> tuple[Pair, ...]:
    """Each paragraph's are all in one half."""
    rng = random.Random(seed)  # noqa: S311
    names = sorted({name for text in data.queries.values() for name in _names(text)})
    found: list[Pair] = []
    for query in sorted(data.spans):
        text, (paragraph, _) = data.queries[query], data.spans[query][0]
        made = {kind: list(dict.fromkeys(make(text, rng, names))) for kind, make in _MADE.items()}
        found += [Pair(text, one, kind, half(paragraph)) for kind, ones in made.items() for one in ones if one != text]
    return (*found, *_of_one_paragraph(data))


def _of_one_paragraph(data: SpanSet) -> Iterator[Pair]:
    by_paragraph: dict[str, list[str]] = {}
    for query, spans in sorted(data.spans.items()):
        by_paragraph.setdefault(spans[0][0], []).append(query)
    for paragraph, queries in by_paragraph.items():
        for one in queries:
            for other in queries:
                (_, a), (_, b) = data.spans[one][0], data.spans[other][0]
                texts = data.queries[one], data.queries[other]
                if texts[0].strip() != texts[1].strip() and (a.end <= b.start or b.end <= a.start):
                    yield Pair(*texts, "paragraph", half(paragraph))


Make = Callable[[str, random.Random, Sequence[str]], Iterator[str]]


def _courtesy(text: str, rng: random.Random, _: Sequence[str]) -> Iterator[str]:
    form = rng.choice(_COURTESIES)
    within = not form.startswith("{}")
    yield form.format(text[0].lower() + text[1:] if within else text.rstrip("? "))


def _form(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    for pattern, instead in _FORMS:
        made = re.sub(pattern, instead, text, count=1, flags=re.IGNORECASE)
        if "|" in made:  # what stood last comes first
            rest, front = made.split("|")
            made = f"{front}{rest[0].lower()}{rest[1:]}?"
        if made != text:
            yield made


def _reworded(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    yield from _swapped(text, _SYNONYMS)


def _opposite(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    yield from _swapped(text, (*_OPPOSITES, *((b, a) for a, b in _OPPOSITES)))


def _asks(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    yield from _swapped(text, _ASKS)


def _tense(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    yield from _swapped(text, _TENSES)


def _number(text: str, rng: random.Random, _: Sequence[str]) -> Iterator[str]:
    if re.search(r"\d", text):
        yield re.sub(r"\d+", lambda found: str(int(found[0]) + rng.randint(1, 9)), text, count=1)


def _negation(text: str, _: random.Random, __: Sequence[str]) -> Iterator[str]:
    made = re.sub(r"\b(did|does|do|is|are|was|were|can|has)\b((?: the| an?)? \w+)?", r"\1\2 not", text, count=1)
    if made != text:
        yield made


def _name(text: str, rng: random.Random, names: Sequence[str]) -> Iterator[str]:
    own = _names(text)
    if own:
        yield text.replace(rng.choice(own), rng.choice([name for name in names if name not in text]), 1)


def _names(text: str) -> list[str]:
    return re.findall(r"(?<=\s)[A-Z][a-z]{3,}\b", text)


def _swapped(text: str, words: Sequence[tuple[str, str]]) -> Iterator[str]:
    for one, other in words:
        made = re.sub(rf"\b{one}\b", other, text, count=1, flags=re.IGNORECASE)
        if made != text:
            yield made[0].upper() + made[1:]


_MADE: dict[Kind, Make] = {
    "courtesy": _courtesy, "form": _form, "reworded": _reworded, "number": _number, "negation": _negation,
    "opposite": _opposite, "name": _name, "asks": _asks, "tense": _tense,
}  # fmt: skip
