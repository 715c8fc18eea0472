"""What differs between two runs of the same questions: the paired bootstrap, as `vouch eval compare` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session, col, select

from vouch.catalog.tables import EvalRun, EvalSet
from vouch.core.bootstrap import holm, interval
from vouch.core.ranking import DECIDES
from vouch.core.types import Json

SIGNIFICANT = 0.05
FEWEST = 20
"""Questions that decide: so few less that happen to agree would pass for certainty."""
_CHOICES = ("generation", "recipe", "profile", "missing")
Verdict = Literal["better", "worse", "even", "too_few"]


@dataclass(frozen=True, slots=True)
class Former:
    """A run that another is held against."""

    role: Literal["before", "baseline"]
    run: EvalRun


def formers(session: Session, own: EvalSet, run: EvalRun) -> list[Former]:
    """The last run before this one that succeeded with the same questions, and the baseline, where it asked these."""
    same = select(EvalRun).where(
        col(EvalRun.tenant_id) == own.tenant_id,
        col(EvalRun.set_id) == own.id,
        col(EvalRun.state) == "succeeded",
        col(EvalRun.digest) == run.digest,
        col(EvalRun.id) < run.id,
    )
    before = session.exec(same.order_by(col(EvalRun.id).desc()).limit(1)).first()
    found = [Former("before", before)] if before is not None else []
    if own.baseline is not None and (before is None or own.baseline != before.id):
        baseline = session.exec(same.where(col(EvalRun.id) == own.baseline)).first()
        found += [Former("baseline", baseline)] if baseline is not None else []
    return found


def drift(run: EvalRun, against: Sequence[Former]) -> list[Json]:
    """One comparison each. Their p are held against their number (Holm)."""
    pairs = [(one, _paired(one.run.measured, run.measured)) for one in against]
    found = [(one, values, interval(values)) for one, values in pairs if values]
    adjusted = holm([about.p for _, _, about in found])
    return [
        {
            "against": one.role,
            "run_id": one.run.id,
            "measure": DECIDES,
            "difference": about.mean,
            "low": about.low,
            "high": about.high,
            "p": p,
            "questions": len(values),
            "won": sum(value > 0 for value in values),
            "lost": sum(value < 0 for value in values),
            "verdict": _verdict(about.mean, p, len(values)),
            "changed": [name for name in _CHOICES if getattr(one.run, name) != getattr(run, name)],
        }
        for (one, values, about), p in zip(found, adjusted, strict=True)
    ]


def _paired(a: Mapping[str, Mapping[str, float]], b: Mapping[str, Mapping[str, float]]) -> list[float]:
    return [b[question][DECIDES] - a[question][DECIDES] for question in b if question in a]


def _verdict(difference: float, p: float, questions: int) -> Verdict:
    if questions < FEWEST:
        return "too_few"
    if p > SIGNIFICANT or difference == 0:
        return "even"
    return "better" if difference > 0 else "worse"
