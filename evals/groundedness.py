"""Does the entailer see what a text does not support? WiCE's claims on web pages, SummEdits' edited summaries.

Neither was trained on, nor was anything chosen by them: the model, its threshold and the way long texts are cut come
from `train/` alone (`evals/fit_entail.py`). A claim is judged beside the whole text, of which an entailer reads
what it can. Beside it stands overlap: the share of the claim's terms that the text has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evals.datasets import json_lines
from evals.entail_shapes import Item
from evals.measures import Floats, area
from vouch.core.errors import InvalidInput
from vouch.gateway.entail import Entailer
from vouch.index.lexical import english_terms

SETS = ("wice", "summedits")
Truth = npt.NDArray[np.bool_]
TENTHS = tuple(n / 10 for n in range(1, 10))


@dataclass(frozen=True, slots=True)
class Quality:
    """``balanced_accuracy``: mean of the shares of supported claims let through and of others refused."""

    balanced_accuracy: float
    best_balanced_accuracy: float
    auc: float


@dataclass(frozen=True, slots=True)
class GroundednessReport:
    """``overlap`` is judged at its best threshold: nobody has calibrated one. ``curve``: the shares of supported claims
    and of others that are let through, by threshold."""

    name: str
    entailer: str
    items: int
    supported: int
    threshold: float
    found: Quality
    overlap: Quality
    curve: Mapping[float, tuple[float, float]]

    def figures(self) -> dict[str, float]:
        parts = {**asdict(self.found), **{f"overlap.{name}": value for name, value in asdict(self.overlap).items()}}
        return {f"groundedness.{self.name}.{name}": value for name, value in parts.items()}

    def remarks(self) -> str:
        head = f"{self.name}: {self.supported} of {self.items} claims are supported; {self.entailer}\n"
        rows = (
            f"  {at:.2f}  supported {kept:.3f}  others {wrong:.3f}{'  threshold' if at == self.threshold else ''}\n"
            for at, (kept, wrong) in self.curve.items()
        )
        return head + "".join(rows)


def run(name: str, data: Path, entailer: Entailer, *, limit: int | None = None) -> GroundednessReport:
    """Judge one of :data:`SETS`. Raises :class:`InvalidInput` on another name."""
    if name not in SETS:
        raise InvalidInput(f"{name!r} is not one of {', '.join(SETS)}", field="name")
    found = [Item.of(row) for row in islice(json_lines(data / name / "pairs.jsonl.gz"), limit)]
    truth = np.array([item.supported for item in found])
    scores, shared = support(entailer, found), np.array([overlap(item) for item in found])
    at = entailer.threshold
    return GroundednessReport(
        name=name,
        entailer=entailer.name,
        items=len(found),
        supported=int(truth.sum()),
        threshold=at,
        found=quality(truth, scores, at),
        overlap=quality(truth, shared, None),
        curve={step: let_through(truth, scores, step) for step in sorted({*TENTHS, at})},
    )


def support(entailer: Entailer, found: Sequence[Item]) -> Floats:
    return np.array([one.supported for one in entailer.entail([item.stated for item in found])])


def overlap(item: Item) -> float:
    said = english_terms(item.claim)
    return len(said & english_terms(" ".join(item.lines))) / max(len(said), 1)


def quality(truth: Truth, scores: Floats, threshold: float | None) -> Quality:
    best = max(balanced_accuracy(truth, scores >= step) for step in np.unique(scores))
    at = best if threshold is None else balanced_accuracy(truth, scores >= threshold)
    return Quality(at, best, area(truth, scores))


def let_through(truth: Truth, scores: Floats, threshold: float) -> tuple[float, float]:
    """The shares of supported claims and of others."""
    return float((scores[truth] >= threshold).mean()), float((scores[~truth] >= threshold).mean())


def balanced_accuracy(truth: Truth, called: Truth) -> float:
    right, wrong = float(called[truth].mean()), float(called[~truth].mean())
    return (right + 1 - wrong) / 2
