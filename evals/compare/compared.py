"""What differs between two kept runs, question by question.

Every figure of every set that both runs have is compared over the same questions: means, the difference with its
interval and p (`vouch/core/bootstrap.py`), how many questions won, lost and were even. One figure of each set decides:
nDCG@10, or the recall of evidence where the set knows evidence; of answers whether they are right. **B is worse** when
on any set the deciding figure fell and its p, held against the number of sets (Holm), is at most .05. A set of fewer
than twenty questions never decides: so few that happen to agree would pass for certainty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean as mean
from typing import Literal

from evals.judged.figures import DECIDES, is_judged, paired
from evals.ranked import Asked, Ranked
from evals.runs import KeptSet, Run
from evals.spans import MEASURES as OF_EVIDENCE
from vouch.core.bootstrap import SEED, holm, interval
from vouch.core.errors import BadEvalRun

SIGNIFICANT = 0.05
FEWEST = 20
"""Questions that a set must have to decide."""
WORST = 20
_EVEN = 1e-9

Verdict = Literal["better", "worse", "even"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one set. ``p_of_all``: p held against the number of sets, where the figure decides."""

    set: str
    measure: str
    queries: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    wins: int
    losses: int
    ties: int
    p_of_all: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Of B. ``even`` where the figure does not decide."""
        if self.p_of_all is None or self.p_of_all > SIGNIFICANT or self.difference == 0:
            return "even"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Pair:
    """A question in both runs, and by how much B gained on the deciding measure."""

    set: str
    a: Asked
    b: Asked
    gain: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """``pairs`` by set, in its own order. ``alone``: sets that one run has only; ``moved``: sets whose texts differ."""

    a: Run
    b: Run
    differences: tuple[Difference, ...]
    pairs: dict[str, tuple[Pair, ...]]
    alone: tuple[str, ...]
    moved: tuple[str, ...]

    @property
    def deciding(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.measure == decides(self.b.sets[one.set].ranked))

    @property
    def worse(self) -> tuple[Difference, ...]:
        """Where B is significantly worse."""
        return tuple(one for one in self.differences if one.verdict == "worse")

    @property
    def worst(self) -> tuple[Pair, ...]:
        """The questions on which B lost most, of all sets; none on which it did not lose."""
        lost = [pair for pairs in self.pairs.values() for pair in pairs if pair.gain < -_EVEN]
        return tuple(sorted(lost, key=lambda pair: pair.gain)[:WORST])


def compare(a: Run, b: Run, seed: int = SEED) -> Comparison:
    """``b`` against ``a``. Raises :class:`BadEvalRun` where a set has other questions, or none is shared."""
    shared = [name for name in b.sets if name in a.sets]
    if not shared:
        raise BadEvalRun(f"{a.folder} and {b.folder} have no set in common", reason="nothing_shared")
    for name in shared:
        _same_questions(name, a.sets[name], b.sets[name])
    found = [one for name in shared for one in _differences(a.sets[name].ranked, b.sets[name].ranked, seed)]
    return Comparison(
        a=a,
        b=b,
        differences=_held_together(found, {name: decides(b.sets[name].ranked) for name in shared}),
        pairs={name: tuple(_pairs(a.sets[name].ranked, b.sets[name].ranked)) for name in shared},
        alone=tuple(name for name in dict.fromkeys((*a.sets, *b.sets)) if name not in shared),
        moved=tuple(name for name in shared if a.sets[name].documents != b.sets[name].documents),
    )


def decides(ranked: Ranked) -> str:
    """The measure that a set is decided by: of evidence, where it is known of every question, and one of answers."""
    if is_judged(ranked):
        return DECIDES
    return OF_EVIDENCE[0] if all(one.evidence for one in ranked.asked) else "ndcg_10"


def _same_questions(name: str, a: KeptSet, b: KeptSet) -> None:
    if a.questions != b.questions:
        raise BadEvalRun(
            f"the two runs asked other questions of {name!r}, or judged them otherwise", reason="other_set"
        )


def _differences(a: Ranked, b: Ranked, seed: int) -> Iterator[Difference]:
    if is_judged(b):
        yield from _of_answers(a, b, seed)
        return
    before = {one.query: one for one in a.asked}
    for measure in b.means:
        told = [one for one in b.asked if measure in one.measures]
        pairs = [(before[one.query].measures[measure], one.measures[measure]) for one in told]
        gains = [after - value for value, after in pairs]
        found = interval(gains, seed)
        wins, losses = sum(gain > _EVEN for gain in gains), sum(gain < -_EVEN for gain in gains)
        yield Difference(
            set=b.name,
            measure=measure,
            queries=len(pairs),
            a=mean([value for value, _ in pairs]),
            b=mean([value for _, value in pairs]),
            difference=found.mean,
            low=found.low,
            high=found.high,
            p=found.p,
            wins=wins,
            losses=losses,
            ties=len(gains) - wins - losses,
        )


def _of_answers(a: Ranked, b: Ranked, seed: int) -> Iterator[Difference]:
    for one in paired(a, b, seed):
        found = one.difference
        yield Difference(
            set=b.name,
            measure=one.name,
            queries=one.queries,
            a=one.a,
            b=one.b,
            difference=found.mean,
            low=found.low,
            high=found.high,
            p=found.p,
            wins=one.wins,
            losses=one.losses,
            ties=one.ties,
        )


def _held_together(found: Sequence[Difference], deciding: dict[str, str]) -> tuple[Difference, ...]:
    """With the p of those that decide held against how many they are."""
    counted = [one for one in found if one.measure == deciding[one.set] and one.queries >= FEWEST]
    adjusted = dict(zip(((one.set, one.measure) for one in counted), holm([one.p for one in counted]), strict=True))
    return tuple(replace(one, p_of_all=adjusted.get((one.set, one.measure))) for one in found)


def _pairs(a: Ranked, b: Ranked) -> Iterator[Pair]:
    before, measure = {one.query: one for one in a.asked}, decides(b)
    for one in b.asked:
        yield Pair(b.name, before[one.query], one, one.measures[measure] - before[one.query].measures[measure])
