"""Citation recall and precision as ALCE has them (Gao et al., EMNLP 2023), over an answer's claims.

    recall      of a claim: 1 if all that it cites supports it together, else 0
    precision   of a citation: 1 if its claim has recall 1 and it is not irrelevant, else 0
    irrelevant  it does not support the claim alone, and the others do without it

An answer's recall is the mean over its claims, its precision that over its citations. What supports what is for a
judge to say, as ALCE leaves it to a model; by default it is the platform's own verification (`retrieval/verify.py`).
Only what it calls ``supported`` counts: a claim that is carried in part is not carried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from retrieval.types import Verdict

Judge = Callable[[str, Sequence[str]], tuple[Verdict, float]]
"""A claim and quotes → the verdict on it, and how sure that is."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim as a reader gets it, and the words that it cites."""

    text: str
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Citing:
    """Of one answer. ``precision`` is 0 where nothing is cited."""

    recall: float
    precision: float


def citing(statements: Sequence[Statement], judge: Judge) -> Citing:
    """Of an answer with at least one claim."""
    recalls: list[float] = []
    precisions: list[float] = []
    for one in statements:
        carried = bool(one.quotes) and _supports(judge, one.text, one.quotes)
        recalls.append(float(carried))
        precisions += [float(carried and not _irrelevant(judge, one, n)) for n in range(len(one.quotes))]
    return Citing(fmean(recalls), fmean(precisions) if precisions else 0.0)


def _irrelevant(judge: Judge, statement: Statement, n: int) -> bool:
    others = (*statement.quotes[:n], *statement.quotes[n + 1 :])
    alone = _supports(judge, statement.text, statement.quotes[n : n + 1])
    return not alone and bool(others) and _supports(judge, statement.text, others)


def _supports(judge: Judge, claim: str, quotes: Sequence[str]) -> bool:
    return judge(claim, quotes)[0] == "supported"
