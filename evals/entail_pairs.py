"""Pairs of evidence and claim to learn entailment from: `train/groundedness`, `train/answer-sentences`, and rules.

Nothing here is of an evaluation set. A pair says, where that is known, which words of the claim the evidence does not
support: rules know what they have changed, WiCE has it marked, and of a summary that was edited it is what differs from
the one it was made of.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

from evals.datasets import json_lines
from evals.entail_edits import Edited, edited, reworded
from evals.entail_groups import group_of, kept_apart, source_of
from evals.entail_words import LISTS, Words
from vouch.core.sentences import sentences
from vouch.core.types import Json, Span
from vouch.gateway.entail_reading import WORDS, Text
from vouch.gateway.entail_reading import lines as lines_of

Label = Literal["supported", "contradicted", "not_enough", "not_supported"]
"""``not_supported``: one of the two before it, nobody knows which."""
REWORDED = 0.5
"""Share of claims told in other words."""
ALSO_IN_EVIDENCE = 0.5
"""Share of the claims with a word replaced whose evidence has it replaced as well, where it says it."""
MOST = 16
"""Pairs of one text in a cycle: the summaries of one are alike, and would be learnt by heart."""
WIDTHS = (60, 80, WORDS)
"""Words of evidence taken of a long text."""
AROUND = ((-1, 0, 1), (0,), (-1, 0), (0, 1))
"""Sentences beside the one that supports."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``group``: what must not be torn apart. ``wrong``: spans of the claim that are not supported; None: not known."""

    group: str
    source: str
    evidence: str
    claim: str
    label: Label
    wrong: tuple[Span, ...] | None

    @property
    def held_out(self) -> bool:
        return kept_apart(self.group)


def rows(data: Path) -> Iterator[Json]:
    """What people wrote and judged, as it lies there."""
    return json_lines(data / "train" / "groundedness" / "pairs.jsonl.gz")


def written(data: Path, cycle: int = 0) -> list[Pair]:
    """The pairs made of that, the same every time; each ``cycle`` with other sentences about the evidence, and others
    of the many that are told of one text."""
    found: dict[str, list[Pair]] = {}
    for row in rows(data):
        rng = random.Random(f"{row['id']} {cycle}")  # noqa: S311
        found.setdefault(group_of(row), []).extend(told_of(row, rng))
    rng = random.Random(cycle)  # noqa: S311
    cut = (its if len(its) <= MOST or kept_apart(group) else rng.sample(its, MOST) for group, its in found.items())
    return list(dict.fromkeys(pair for its in cut for pair in its))


def told_of(row: Json, rng: random.Random) -> Iterator[Pair]:
    """The pairs of one row."""
    return _MAKERS[source_of(row)](row, rng)


def told(evidence: str, claim: str, change: Edited, rng: random.Random) -> tuple[str, str, Label, tuple[Span, ...]]:
    """Evidence, claim, label and wrong words of an edited claim. Where the evidence says the replaced words too, they
    are now and then replaced there as well: then the edited claim is right and the claim as it was is wrong, so how a
    claim sounds by itself tells nothing."""
    label: Label = "contradicted" if change.contradicted else "not_supported"
    if change.was is not None and len(change.was.of(claim)) > 2 and rng.random() < ALSO_IN_EVIDENCE:
        old, new = change.was.of(claim), change.wrong[0].of(change.text)
        otherwise = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, evidence)
        if otherwise != evidence:
            right = rng.random() < 0.5
            return (otherwise, change.text, "supported", ()) if right else (otherwise, claim, label, (change.was,))
    return evidence, change.text, label, change.wrong


def made(found: Sequence[Pair], rng: random.Random, words: Words = LISTS) -> Iterator[Pair]:
    """Made by rule of the supported ones: one made wrong each, of some in other words, which are told as well."""
    supported = [pair for pair in found if pair.label == "supported"]
    for pair in supported:
        claim = reworded(pair.claim, rng, words) if rng.random() < REWORDED else pair.claim
        if claim != pair.claim:
            yield Pair(pair.group, f"{pair.source} reworded", pair.evidence, claim, "supported", ())
        change = edited(claim, pair.evidence, rng.choice(supported).evidence, rng, words)
        if change is not None:
            yield Pair(pair.group, f"{pair.source} edited", *told(pair.evidence, claim, change, rng))


def _fool_me_twice(row: Json, rng: random.Random) -> Iterator[Pair]:
    """As it is, or amid sentences that were found for the claim as well; and with those alone, which do not say it."""
    group, claim, context = group_of(row), row["claim_or_answer"], row["context"]
    label: Label = row["label"]
    wrong = () if label == "supported" else None
    around = rng.sample(row["distractors"], min(len(row["distractors"]), rng.choice((0, 1, 2))))
    parts = [context, *around]
    rng.shuffle(parts)
    yield Pair(group, "fool-me-twice", " ".join(parts), claim, label, wrong)
    if label == "supported" and len(row["distractors"]) > 2 and rng.random() < 0.5:
        yield Pair(group, "fool-me-twice less it", " ".join(row["distractors"][:3]), claim, "not_enough", None)


def _scifact(row: Json, rng: random.Random) -> Iterator[Pair]:
    label: Label = "not_enough" if row["label"] == "not_enough_info" else row["label"]
    group, claim, lines = group_of(row), row["claim_or_answer"], row["context_sentences"]
    proof = [at for at in (_first(row["supporting_sentences"])) if at < len(lines)]
    wrong = () if label == "supported" else None
    if not proof:
        yield Pair(group, "scifact", Text.of(lines).beside(claim, rng.choice(WIDTHS)), claim, label, wrong)
        return
    near = {at + by for at in proof for by in rng.choice(AROUND)}
    evidence = " ".join(lines[at] for at in sorted(near) if 0 <= at < len(lines))
    yield Pair(group, "scifact", evidence, claim, label, wrong)
    without = [line for at, line in enumerate(lines) if at not in near]
    if len(without) > 2:
        yield Pair(
            group, "scifact less it", Text.of(without).beside(claim, rng.choice(WIDTHS)), claim, "not_enough", None
        )


def _summedits(row: Json, rng: random.Random) -> Iterator[Pair]:
    """A pair for each sentence of a summary; of one that was edited, those that differ are what is wrong with it."""
    group = group_of(row)
    lines = lines_of(row["context"])
    summary, original = row["claim_or_answer"], row["meta"]["original_summary"] or row["claim_or_answer"]
    differing = differences(original, summary)
    for span in sentences(summary):
        claim = span.of(summary)
        inside = [s for s in differing if span.start <= s.start < span.end]
        evidence = Text.of(lines).beside(claim, rng.choice(WIDTHS))
        if row["label"] == "supported":
            yield Pair(group, "summedits", evidence, claim, "supported", ())
        elif inside:
            wrong = tuple(Span(s.start - span.start, min(s.end, span.end) - span.start) for s in inside)
            # Of several edits one may be harmless, so only a single one is known to be what is wrong.
            yield Pair(group, "summedits", evidence, claim, "not_supported", wrong if len(wrong) == 1 else None)


def _wice(row: Json, rng: random.Random) -> Iterator[Pair]:
    """The claim with its unsupported words marked; without them, it is supported; without its evidence, it is not."""
    lines, claim, group = row["context_sentences"], row["claim_or_answer"], group_of(row)
    at = 0
    wrong: list[Span] = []
    kept: list[Span] = []
    for token, bad in zip(row["claim_tokens"], row["non_supported_tokens"], strict=True):
        start = claim.find(token, at)
        if start < 0:
            return
        at = start + len(token)
        (wrong if bad else kept).append(Span(start, at))
    proof = [n for n in _first(row.get("supporting_sentences")) if n < len(lines)]
    near = sorted({n + by for n in proof for by in rng.choice(AROUND) if 0 <= n + by < len(lines)})
    evidence = " ".join(lines[n] for n in near) if proof else Text.of(lines).beside(claim)
    yield Pair(group, "wice", evidence, claim, "not_supported", tuple(wrong))
    yield Pair(group, "wice", Text.of(lines).beside(claim, rng.choice(WIDTHS)), claim, "not_supported", tuple(wrong))
    rest = " ".join(span.of(claim) for span in kept)
    if len(kept) >= 5:
        yield Pair(group, "wice less wrong", evidence, rest, "supported", ())


_MAKERS = {"fool-me-twice": _fool_me_twice, "scifact": _scifact, "summedits": _summedits, "wice": _wice}


def differences(before: str, after: str) -> list[Span]:
    """What of ``after`` is not in ``before``, by words; where words are only missing, the word before the gap."""
    old, new = [_words(text) for text in (before, after)]
    found: list[Span] = []
    matcher = SequenceMatcher(None, [s.of(before).lower() for s in old], [s.of(after).lower() for s in new], False)
    for kind, _, _, first, last in matcher.get_opcodes():
        if kind in ("replace", "insert"):
            found.append(Span(new[first].start, new[last - 1].end))
        elif kind == "delete" and first:
            found.append(new[first - 1])
    return found


def _words(text: str) -> list[Span]:
    found, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        found.append(Span(start, at))
    return found


def _first(supporting: list[Any] | None) -> list[int]:
    """The first of several sets of sentences that suffice, or the one set there is."""
    if not supporting:
        return []
    return list(supporting[0]) if isinstance(supporting[0], list) else list(supporting)
