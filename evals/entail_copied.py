"""Claims copied from texts: sentences of them, said again, beside what they were taken of, and made wrong by rule.

There are thousands of texts to learn from besides what people judged, so each cycle has others. What a copy teaches is
where to look, and that one word can make the difference.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from evals.datasets import json_lines
from evals.entail_edits import edited, joined, reworded, shortened
from evals.entail_groups import group_of, kept_apart, source_of
from evals.entail_pairs import REWORDED, WIDTHS, Pair, rows, told
from evals.entail_words import LISTS, Words
from vouch.gateway.entail_reading import Text
from vouch.gateway.entail_reading import lines as lines_of

RIGHT = 0.45
"""Share of the copied claims that are left as they are."""
WITHOUT = 0.12
"""Share of them whose sentence is taken out of the evidence."""
JOINED = 0.25
"""Share of them, at most, that are two sentences in one."""
TIMES = {"wice": 4, "summedits": 20, "scifact": 1, "fool-me-twice": 0}
"""How often a text of the written pairs is among those that sentences are copied of."""
ANSWER_SENTENCES = Path("answer-sentences") / "items.jsonl.gz"


Source = tuple[str, tuple[str, ...]]
"""The group of a text, and its sentences."""


def copied(data: Path, rng: random.Random, most: int, words: Words = LISTS) -> Iterator[Pair]:
    """Sentences of texts, whole, shortened, in other words or two in one, as claims of what stands around them, or of
    the sentences that they are likest to; about every other one made wrong, or without its sentence in the evidence."""
    passages = texts(data)
    picked = rng.sample(passages, min(most, len(passages)))
    for (group, lines), (_, other) in zip(picked, rng.sample(passages, len(picked)), strict=True):
        at = rng.randrange(len(lines))
        if 6 <= len(lines[at].split()) <= 45:
            yield _copy((group, lines), at, other, rng, words)


def _copy(source: Source, at: int, other: Sequence[str], rng: random.Random, words: Words) -> Pair:
    group, lines = source
    claim, taken = shortened(lines[at], rng), [at]
    claim = reworded(claim, rng, words) if rng.random() < REWORDED else claim
    more = rng.choice([n for n in range(max(0, at - 6), min(len(lines), at + 7)) if n != at])
    second = None
    if rng.random() < JOINED and 4 <= len(lines[more].split()) <= 20 and len(claim.split()) <= 25:
        claim, second = joined(claim, shortened(lines[more], rng), rng)
        taken.append(more)
    if rng.random() < WITHOUT and len(lines) > 3:
        gone = taken[-1]
        rest = [line for line in lines if line != lines[gone]]
        return Pair(group, "passage less it", _beside(rest, min(at, len(rest) - 1), claim, rng), claim, "not_enough",
                    None if second is None else (second,))  # fmt: skip
    evidence = _beside(lines, at, claim, rng, taken)
    change = edited(claim, evidence, " ".join(other[:6]), rng, words)
    if change is None or rng.random() < RIGHT:
        return Pair(group, "passage", evidence, claim, "supported", ())
    return Pair(group, "passage edited", *told(evidence, claim, change, rng))


def _beside(lines: Sequence[str], at: int, claim: str, rng: random.Random, taken: Sequence[int] = ()) -> str:
    """What stands around, or of all the sentences those that the claim is likest to; with all that were ``taken``."""
    if rng.random() < 0.5:
        first, last = min((at, *taken)), max((at, *taken))
        lines = lines[max(0, first - rng.choice((0, 1, 2))) : last + rng.choice((1, 2, 3))]
    return Text.of(lines).beside(claim, rng.choice(WIDTHS))


@cache
def texts(data: Path) -> list[Source]:
    """Group and sentences of all that is to be learnt from, but for what is held out of the written pairs."""
    train = data / "train"
    found = [(f"passage {row['title']}", row["sentences"]) for row in json_lines(train / ANSWER_SENTENCES)]
    passages = json_lines(train / "reranker-medquad" / "passages.jsonl.gz")
    found += [(f"passage {row['title']}", lines_of(row["text"])) for row in passages]
    abstracts = json_lines(train / "pubmedqa" / "items.jsonl.gz")
    found += [
        (f"abstract {row['id']}", [line for text in row["contexts"] for line in lines_of(text)]) for row in abstracts
    ]
    pages = {row["context"]: row for row in rows(data) if not kept_apart(group_of(row))}
    for text, row in pages.items():
        found += [(f"text {text[:200]}", row.get("context_sentences") or lines_of(text))] * TIMES[source_of(row)]
    return [(group, tuple(lines[:80])) for group, lines in found if len(lines) > 2]


def concluded(data: Path, rng: random.Random, most: int, words: Words = LISTS) -> Iterator[Pair]:
    """What the authors of abstracts conclude, beside the rest of the abstract; and that made wrong."""
    items = list(json_lines(data / "train" / "pubmedqa" / "items.jsonl.gz"))
    for row in rng.sample(items, min(most, len(items))):
        lines = [line for text in row["contexts"] for line in lines_of(text)]
        fitting = [line for line in lines_of(row["long_answer"]) if 6 <= len(line.split()) <= 45]
        if not fitting:
            continue
        claim, group = rng.choice(fitting), f"abstract {row['id']}"
        evidence = Text.of(lines).beside(claim, rng.choice(WIDTHS))
        yield Pair(group, "pubmedqa", evidence, claim, "supported", None)
        change = edited(claim, evidence, " ".join(rng.choice(items)["contexts"]), rng, words)
        if change is not None:
            yield Pair(group, "pubmedqa edited", *told(evidence, claim, change, rng))
