"""``python -m evals.twins``: how near signatures come to the truth on the public documents, and what of seeded
contradictions is found, and of what only looks like one.

Near-duplicates are those of the handbook and of the quarterly reports, each pair's exact similarity beside what the
signatures say. For conflicts a copy of each page of the handbook is made in which some figures are changed, which is to
be found, and much else is, which is not: numbers and dates written in another way, headings and lists numbered anew,
footers, dates of the last change, sentences about something else. Which sentences are changed is chosen by a pattern of
its own, that knows nothing of how figures are read.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from ingestion.parse import parse
from ingestion.twins.compare import NEAR
from ingestion.twins.conflicts import conflicts
from ingestion.twins.minhash import bands, estimate, signature
from ingestion.twins.shingles import jaccard, shingles
from vouch.core.errors import DocumentRejected
from vouch.core.sentences import sentences

SEED = 20
_COUNT = re.compile(r"(?<=\s)(\d{1,4})(?=\s[a-z]{2,})")
_LARGE = re.compile(r"(?<=\s)([1-9]\d{3})(?=\s[a-z]{2,})")
_DAY = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_SUBJECT = re.compile(r"\b(?:the|a|our|all)\b")
_PROSE = re.compile(r"(?:[A-Za-z’']+\W+){5}.*[.!?]\Z", re.DOTALL)
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Seeded:
    """``found`` of ``changed`` figures; ``wrong``: flagged, and not changed so as to contradict."""

    pages: int
    changed: int
    found: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """``near`` by exact similarity, ``found`` of them by bands; ``error`` of estimates; ``flagged`` as conflicts."""

    texts: int
    near: int
    found: int
    error: float
    flagged: int
    sign_ms: float


def texts(folder: Path) -> dict[str, str]:
    """What is read of the files below."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        try:
            found[str(path.relative_to(folder))] = parse(path.read_bytes(), path.name).text
        except DocumentRejected:
            continue
    return found


def pairs(given: Mapping[str, str]) -> Pairs:
    """Compare every text with every other, and with what the bands propose."""
    began = time.process_time()
    signed = {name: (s, signature(s)) for name, text in given.items() if (s := shingles(text)) is not None}
    spent = time.process_time() - began
    sharing: dict[int, list[str]] = defaultdict(list)
    for name, (_, own) in signed.items():
        for band in set(bands(own)):
            sharing[band].append(name)
    proposed = {pair for names in sharing.values() for pair in combinations(sorted(names), 2)}
    exact = {(a, b): jaccard(signed[a][0], signed[b][0]) for a, b in combinations(sorted(signed), 2)}
    near = [pair for pair, similarity in exact.items() if similarity >= NEAR]
    alike = [pair for pair, similarity in exact.items() if similarity >= 0.3]
    errors = [estimate(signed[a][1], signed[b][1]) - exact[a, b] for a, b in alike]
    return Pairs(
        len(signed),
        len(near),
        sum(pair in proposed for pair in near),
        float(np.sqrt(np.mean(np.square(errors)))) if errors else 0.0,
        sum(len(conflicts(given[a], given[b])) for a, b in near),
        1_000 * spent / max(len(signed), 1),
    )


def seeded(given: Mapping[str, str]) -> Seeded:
    """Copies with changes, and what is flagged in them."""
    drawn = random.Random(SEED)  # noqa: S311 - a measurement that can be repeated
    pages = changed = found = 0
    wrong: list[str] = []
    for text in given.values():
        if shingles(text) is None:
            continue
        copy, places = _copy(text, drawn)
        flagged = conflicts(text, copy)
        right = {at for at in places for one in flagged if one.b.span.start <= at < one.b.span.end}
        pages, changed, found = pages + 1, changed + len(places), found + len(right)
        wrong += [
            f"{one.kind}: {one.a.quote} / {one.b.said}"
            for one in flagged
            if not any(one.b.span.start <= at < one.b.span.end for at in places)
        ]
    return Seeded(pages, changed, found, tuple(wrong))


def _copy(text: str, drawn: random.Random) -> tuple[str, list[int]]:
    """The copy, and where in it a figure was changed so as to contradict: at most three, one to a sentence."""
    parts: list[str] = []
    places: list[int] = []
    at = length = 0
    for span in sentences(text):
        between, sentence = text[at : span.start], span.of(text)
        if len(places) < 3 and _PROSE.match(sentence) and text.count(sentence) == 1 and drawn.random() < 0.5:
            new, place = _contradicting(sentence, drawn)
            if place is not None:
                places.append(length + len(between) + place)
        else:
            new = _harmless(sentence, drawn)
        parts += [between, new]
        length += len(between) + len(new)
        at = span.end
    day, year, last = drawn.randrange(1, 28), drawn.randrange(10, 30), drawn.randrange(9)
    footer = f"\n\nLast updated: {day} March 20{year}\n\nPage 3 of {last}"
    return "".join((*parts, text[at:], footer)), places


def _contradicting(sentence: str, drawn: random.Random) -> tuple[str, int | None]:
    found = [match for match in _COUNT.finditer(sentence) if int(match[1]) < 1_900]
    if not found:
        return sentence, None
    one = drawn.choice(found)
    return f"{sentence[: one.start()]}{int(one[1]) + drawn.randrange(1, 10)}{sentence[one.end() :]}", one.start()


def _harmless(sentence: str, drawn: random.Random) -> str:
    """The same said in another way, or something else."""
    written = _LARGE.sub(lambda m: f"{int(m[1]):,}" if not m[1].startswith(("19", "20")) else m[1], sentence)
    written = _DAY.sub(lambda m: f"{int(m[3])} {_MONTHS[(int(m[2]) - 1) % 12]} {m[1]}", written)
    draw = drawn.random()
    other = _SUBJECT.sub("another", written, count=1)
    if draw < 0.05 and other != written:  # about another thing, and so with another number
        return _COUNT.sub(lambda m: str(int(m[1]) + 3), other)
    if draw < 0.1 and len(written) < 60 and not _PROSE.match(written):
        return f"{drawn.randrange(1, 9)}.{drawn.randrange(1, 9)} {written}"
    if draw < 0.12:
        return f"{written} Ask the front desk about {drawn.randrange(2, 99)} more such cases."
    return written


def _lines(data: Path) -> Iterator[str]:
    handbook = texts(data / "handbook-sourcegraph" / "files")
    for name, given in (("handbook", handbook), ("10-Q reports", texts(data / "sec-10q" / "files"))):
        one = pairs(given)
        yield (
            f"{name}: {one.texts} texts, {one.near} near pairs, {one.found} found by bands, estimates off by"
            f" {one.error:.3f}, {one.flagged} conflicts flagged, {one.sign_ms:.1f} ms CPU to sign a text"
        )
    copies = seeded(handbook)
    precise = copies.found / max(copies.found + len(copies.wrong), 1)
    yield (
        f"seeded: {copies.pages} pages, {copies.changed} contradictions, {copies.found} found,"
        f" {len(copies.wrong)} wrong: precision {precise:.3f}, recall {copies.found / max(copies.changed, 1):.3f}"
    )
    yield from (f"  wrong: {line[:200]}" for line in copies.wrong[:20])


def main() -> None:
    data = Path(os.environ.get("VOUCH_EVAL_DATA") or Path(__file__).parents[2] / "shared" / "data")
    for line in _lines(data):
        print(line, flush=True)


if __name__ == "__main__":
    main()
