"""Claims beside whole texts, to calibrate the entailer by: of the shapes that it is asked about, and not trained on.

What people wrote is taken as it lies there: a claim beside a page, a summary beside all that it tells of. Too few
of either are held out, so more is made of the texts: sentences of one, in other words, as a claim or a
summary of it, every other time with one of them made wrong or without what it was taken of.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.datasets import json_lines
from evals.entail_copied import copied, texts
from evals.entail_edits import edited, reworded, shortened
from evals.entail_groups import group_of, kept_apart, source_of
from evals.entail_pairs import rows, told_of
from vouch.core.types import Json
from vouch.gateway.entail import Stated
from vouch.gateway.entail_reading import lines

QUOTE = "quote"
"""The shape that a chat model's claims have: one sentence beside a quote and what stands around it."""
WRITTEN = frozenset({"fool-me-twice", "scifact", "summedits", "wice"})
"""The shapes of what people wrote and judged."""
MADE = 600
"""Texts of each made shape."""
WRONG = 0.55
"""Share of the made claims that something is done to, and of those whose sentence is taken out of the text."""
WITHOUT = 0.3
REWORDED = 0.7
WORDS = (6, 35)
"""Of a sentence that is told again, at least and at most."""


@dataclass(frozen=True, slots=True)
class Item:
    """A claim and the whole text, by its sentences, that supports it or does not."""

    lines: tuple[str, ...]
    claim: str
    supported: bool

    @classmethod
    def of(cls, row: Json) -> Item:
        """A row of WiCE, SummEdits or their like; ``distractors`` are of the same page."""
        split = row.get("context_sentences") or lines(row["context"])
        return cls((*split, *row.get("distractors", ())), row["claim_or_answer"], row["label"] == "supported")

    @property
    def stated(self) -> Stated:
        return Stated("\n".join(self.lines), self.claim)


def shapes(data: Path, seed: int) -> dict[str, list[Item]]:
    """What is held out, by its shape."""
    rng = random.Random(seed)  # noqa: S311
    found: dict[str, list[Item]] = {}
    for row in rows(data):
        if kept_apart(group_of(row)):
            found.setdefault(source_of(row), []).extend(_written(row, rng))
    apart = [lines for group, lines in texts(data) if kept_apart(group)]
    for shape, sentences in (("claim", (1,)), ("summary", (2, 3))):
        picked = rng.sample(apart, 2 * MADE)
        others = zip(picked[:MADE], picked[MADE:], strict=True)
        made = (_told(lines, other, rng.choice(sentences), rng) for lines, other in others)
        found[shape] = [item for item in made if item is not None]
    found[QUOTE] = [
        Item(tuple(lines(pair.evidence)), pair.claim, pair.label == "supported")
        for pair in copied(data, rng, len(texts(data)))
        if pair.held_out
    ][:MADE]
    return {**found, "conclusion": list(_concluded(data, rng))}


def _written(row: Json, rng: random.Random) -> Iterator[Item]:
    """WiCE's are all wrong in part; without that part they are right."""
    item = Item.of(row)
    yield item
    if source_of(row) == "wice":
        rest = [pair.claim for pair in told_of(row, rng) if pair.label == "supported"]
        yield from (Item(item.lines, claim, True) for claim in rest)


def _told(text: Sequence[str], other: Sequence[str], count: int, rng: random.Random) -> Item | None:
    fitting = [at for at, line in enumerate(text) if WORDS[0] <= len(line.split()) <= WORDS[1]]
    if len(fitting) < count + 2:
        return None
    taken = sorted(rng.sample(fitting, count))
    told = [shortened(text[at], rng) for at in taken]
    told = [reworded(part, rng) if rng.random() < REWORDED else part for part in told]
    kept, n = tuple(text), rng.randrange(count)
    if rng.random() >= WRONG:
        return Item(kept, " ".join(told), True)
    if rng.random() < WITHOUT:
        return Item((*kept[: taken[n]], *kept[taken[n] + 1 :]), " ".join(told), False)
    change = edited(told[n], " ".join(kept), " ".join(other[:6]), rng)
    if change is not None:
        told[n] = change.text
    return Item(kept, " ".join(told), change is None)


def _concluded(data: Path, rng: random.Random) -> Iterator[Item]:
    """The conclusion of an abstract beside the rest of it, as it is and with a sentence made wrong."""
    items = list(json_lines(data / "train" / "pubmedqa" / "items.jsonl.gz"))
    for row in items:
        if not kept_apart(f"abstract {row['id']}"):
            continue
        text = tuple(line for context in row["contexts"] for line in lines(context))
        told = lines(row["long_answer"])
        yield Item(text, " ".join(told), True)
        n = rng.randrange(len(told))
        change = edited(told[n], " ".join(text), " ".join(rng.choice(items)["contexts"]), rng)
        if change is not None:
            yield Item(text, " ".join((*told[:n], change.text, *told[n + 1 :])), False)
