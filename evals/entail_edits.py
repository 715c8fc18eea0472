"""Claims made wrong by rule: what a small model is to learn to see, and people seldom write down.

Each rule changes one thing in a supported claim, as models and hurried readers do: a number, a date, a name, a unit, a
negation, a quantifier, a modal, a word for its opposite. It says which words are wrong now, so a model can be taught to
point at them. :func:`shortened`, :func:`reworded` and :func:`joined` are the counterpart: a claim that says less, the
same in other words, or two things at once, and so stays supported.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from evals.entail_words import LISTS, Words
from vouch.core.types import Span


@dataclass(frozen=True, slots=True)
class Edited:
    """``wrong``: what of ``text`` is no longer supported. ``contradicted``: the evidence says otherwise, for sure.
    ``was``: where a single thing was replaced, its place in the claim as it was."""

    text: str
    wrong: tuple[Span, ...]
    contradicted: bool
    was: Span | None = None


Rule = Callable[[str, str, random.Random], Edited | None]
"""A claim, a text whose names and numbers are at hand, chance → the claim made wrong; None where nothing fits."""

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")
_NAME = re.compile(r"(?<!^)(?<![.!?:\"'“‘] )\b[A-Z][\w'’-]+(?: (?:of |the |de )?[A-Z][\w'’-]+)*")
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|will|would|can|could|should|must|may|might|has|have|had|does|did|do)\b(?! not\b|n't)"
)
_NEGATED = re.compile(
    r"\b(?P<aux>is|are|was|were|will|would|can|could|should|must|may|might|has|have|had|does|did|do)(?: not\b|n['’]t\b)"
)
_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_WORDED = "one two three four five six seven eight nine ten eleven twelve"
_ORDERED = "first second third fourth fifth sixth seventh eighth ninth tenth"
_UNITS = "seconds minutes hours days weeks months years decades"
_CIRCLES = [part.split() for part in (_MONTHS, _DAYS, _WORDED, _ORDERED, _UNITS)]


_FIGURES = {word: str(n) for n, word in enumerate(_WORDED.split(), 1) if n > 1}
_INSTEAD = {**{figure: word for word, figure in _FIGURES.items()}, " percent": "%", " per cent": "%", "%": " percent"}
_WRITTEN = re.compile(
    rf"\b(?:{'|'.join(_FIGURES)})\b|(?<=\d) per ?cent\b|(?<=\d)%|(?<![\w.,$£€])(?:[2-9]|1[0-2])(?![\w.,%]|\.\d)|"
    r"(?<![\w.,])\d{1,3},\d{3}(?![\w,])",
    re.I,
)
_TWO_NAMES = re.compile(r"(?<![\w.] )\b([A-Z][a-z]+) ([A-Z][a-z]{2,})(?! [A-Z])\b")
_LEADS = "The A An It He She They This These Those In On At His Her Their There Some Many All We You"
_ROUND = {word: circle for circle in _CIRCLES for word in circle}
_CIRCLED = re.compile(r"\b(?:" + "|".join(_ROUND) + r")\b")


def number(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """A number becomes another: one of the text's, or one like it."""
    place = _any(_NUMBER, claim, rng)
    if place is None:
        return None
    others = [n for n in _NUMBER.findall(at_hand) if n != place[0] and n not in claim]
    new = rng.choice(others) if others and rng.random() < 0.5 else _like(place[0], rng)
    return _replaced(claim, place, new, contradicted=True) if new != place[0] else None


def calendar(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """A month, a day, a worded number, an ordinal or a unit of time becomes another of its kind."""
    place = _any(_CIRCLED, claim, rng)
    if place is None:
        return None
    new = rng.choice([word for word in _ROUND[place[0]] if word != place[0]])
    return _replaced(claim, place, new, contradicted=True)


def name(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """A name becomes another of the text."""
    place = _any(_NAME, claim, rng)
    if place is None:
        return None
    others = [n for n in _NAME.findall(at_hand) if n not in claim and place[0] not in n and n not in place[0]]
    return _replaced(claim, place, rng.choice(others), contradicted=False) if others else None


def exchanged(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """Two names of the claim change places."""
    places = list(re.finditer(r"\b[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*", claim))
    if len(places) < 2:
        return None
    first, second = sorted(rng.sample(places, 2), key=lambda place: place.start())
    if first[0] == second[0] or " and " in claim[first.end() : second.start() + 1]:
        return None
    text = claim[: first.start()] + second[0] + claim[first.end() : second.start()] + first[0] + claim[second.end() :]
    moved = len(second[0]) - len(first[0])
    wrong = (
        Span(first.start(), first.start() + len(second[0])),
        Span(second.start() + moved, second.start() + moved + len(first[0])),
    )
    return Edited(text, wrong, contradicted=False)


def negation(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """What is said is denied, or the other way round."""
    place = _any(_NEGATED, claim, rng)
    if place is not None:
        return _replaced(claim, place, place["aux"], contradicted=True)
    place = _any(_AUXILIARY, claim, rng)
    if place is None:
        return None
    return _replaced(claim, place, f"{place[0]} {rng.choice(('not', 'not', 'never', 'no longer'))}", contradicted=True)


def opposite(claim: str, at_hand: str, rng: random.Random, words: Words = LISTS) -> Edited | None:
    """A word becomes its opposite, or another of its kind."""
    place = _any(words.some_unlike, claim, rng)
    if place is None:
        return None
    others = words.unlike.get(place[0]) or words.unlike.get(place[0].lower())
    if not others:
        return None
    new = rng.choice(others)
    return _replaced(claim, place, new.capitalize() if place[0][0].isupper() else new, contradicted=True)


def put_in(claim: str, at_hand: str, rng: random.Random) -> Edited | None:
    """Something is added that the evidence does not say: a piece of another text."""
    pieces = [
        piece.strip() for piece in re.split(r"[,;:]| (?=(?:in|on|at|by|from|with|during|after|for|to) )", at_hand)
    ]
    pieces = [piece for piece in pieces if 2 <= len(piece.split()) <= 8 and piece not in claim]
    if not pieces:
        return None
    piece = rng.choice(pieces)
    end = len(claim.rstrip(".!? "))
    places = [m.end() for m in re.finditer(r",(?= )", claim)] + [end, end]
    at = rng.choice(places)
    joint = " " if re.match(r"(?:in|on|at|by|from|with|during|after|for|to) ", piece) else rng.choice((", ", " and "))
    comma = "," if at < end else ""
    text = f"{claim[:at]}{joint}{piece}{comma}{claim[at:]}"
    return Edited(text, (Span(at + len(joint), at + len(joint) + len(piece)),), contradicted=False)


RULES: Sequence[Rule] = (number, calendar, name, name, exchanged, negation, opposite, opposite, opposite)


def edited(claim: str, at_hand: str, elsewhere: str, rng: random.Random, words: Words = LISTS) -> Edited | None:
    """``claim`` by one rule that fits. ``elsewhere``: another text, of which something may be put in."""
    rules = [*(partial(opposite, words=words) if rule is opposite else rule for rule in RULES), put_in]
    rng.shuffle(rules)
    for rule in rules:
        found = rule(claim, elsewhere if rule is put_in or (rule is name and rng.random() < 0.4) else at_hand, rng)
        if found is not None and found.text.lower() != claim.lower():
            return found
    return None


def shortened(claim: str, rng: random.Random) -> str:
    """The claim less a bracket, a relative clause or what leads it in; the claim itself where there is none."""
    ways = [
        re.sub(r"\s*\([^()]{1,80}\)", "", claim),
        re.sub(r", (?:which|who|where|although|while|as well as|including)\b[^,.;]{3,80}(?=[,.;])", "", claim, count=1),
        re.sub(r"^(?:In|On|At|By|After|During|For|However|Also|Then|As|Since)\b[^,.;]{0,50}, (\w)", _leading, claim),
        re.sub(r",? (?:and|but) [^,.;]{12,80}\.$", ".", claim),
    ]
    fitting = [way for way in ways if way != claim and len(way.split()) >= 4]
    return rng.choice(fitting) if fitting else claim


def reworded(claim: str, rng: random.Random, words: Words = LISTS) -> str:
    """The claim in other words, up to three of them; the claim itself where none is known to have another."""
    for _ in range(rng.choice((1, 2, 3))):
        way = rng.choice((partial(_alike, words=words),) * 3 + (_by_last_name, _otherwise_written))
        claim = way(claim, rng)
    return claim


def _alike(claim: str, rng: random.Random, words: Words) -> str:
    place = _any(words.some_alike, claim, rng)
    if place is None or (place.start() > 0 and not place[0].islower()):  # else it is of a name
        return claim
    new = rng.choice(words.alike[place[0].lower()])
    return _put(claim, place, new[0].upper() + new[1:] if place[0][0].isupper() else new)


def _by_last_name(claim: str, rng: random.Random) -> str:
    """Of two names that it begins with the second: as people are called once they have been introduced."""
    place = _any(_TWO_NAMES, claim, rng)
    return claim if place is None else _put(claim, place, place[2])


def _otherwise_written(claim: str, rng: random.Random) -> str:
    """A number in the other way of writing it."""
    place = _any(_WRITTEN, claim, rng)
    if place is None:
        return claim
    return _put(claim, place, _FIGURES.get(place[0].lower()) or _INSTEAD.get(place[0]) or place[0].replace(",", ""))


def joined(first: str, second: str, rng: random.Random) -> tuple[str, Span]:
    """Two sentences in one, and where the second stands in it."""
    lead = first.rstrip(".!? ") + rng.choice((", and ", " and ", "; ", ", while "))
    second = second[0].lower() + second[1:] if second.split()[0] in _LEADS.split() else second
    return lead + second, Span(len(lead), len(lead) + len(second.rstrip()))


def _leading(match: re.Match[str]) -> str:
    return match[1].upper()


def _put(claim: str, place: re.Match[str], new: str) -> str:
    return claim[: place.start()] + new + claim[place.end() :]


def _any(pattern: re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    places = list(pattern.finditer(text))
    return rng.choice(places) if places else None


def _replaced(claim: str, place: re.Match[str], new: str, *, contradicted: bool) -> Edited:
    text = claim[: place.start()] + new + claim[place.end() :]
    return Edited(text, (Span(place.start(), place.start() + len(new)),), contradicted, Span(*place.span()))


def _like(number: str, rng: random.Random) -> str:
    """Another number that could stand there: a year stays near, anything else changes a digit or its size."""
    plain = number.replace(",", "")
    if "." not in plain and len(plain) == 4 and plain[0] in "12":
        return str(int(plain) + rng.choice((-20, -10, -3, -2, -1, 1, 2, 3, 5, 10, 20)))
    if "." not in plain and rng.random() < 0.5:
        return f"{max(1, round(int(plain) * rng.choice((0.5, 1.5, 2, 3, 10))) + rng.choice((0, 1))):,}"
    digits = [at for at, char in enumerate(number) if char.isdigit()]
    at = rng.choice(digits)
    return number[:at] + rng.choice([d for d in "123456789" if d != number[at]]) + number[at + 1 :]
