"""What the entailer's judgements come to on claims that it was not trained on: weights, figures, and the trade-off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from evals.entail_shapes import WRITTEN, Item
from evals.groundedness import Truth, quality
from evals.measures import Floats
from vouch.core.types import Json
from vouch.gateway.entail import Judged
from vouch.gateway.entail_embedded import EmbeddedEntailer
from vouch.gateway.entail_reading import Counted
from vouch.gateway.entail_weighing import Calibration, traits

STEPS = tuple(round(0.01 * n, 2) for n in range(1, 100))


@dataclass(frozen=True, slots=True)
class Shape:
    """Claims of one shape, and what was read of each and its text."""

    truth: Truth
    told: Sequence[tuple[list[Judged], Counted]]

    def judged(self, calibrated: Calibration) -> tuple[Truth, Floats]:
        return self.truth, np.array([calibrated(*one).supported if one[0] else 0.0 for one in self.told])


def read(entailer: EmbeddedEntailer, apart: dict[str, list[Item]]) -> dict[str, Shape]:
    return {
        shape: Shape(np.array([i.supported for i in items]), entailer.read([i.stated for i in items]))
        for shape, items in apart.items()
    }


def calibration(held: dict[str, Shape]) -> Calibration:
    """Fitted on claims of every shape that are held out; what people wrote counts twice, else all shapes count alike,
    and in each either answer."""
    told, truth, weights = [], [], []
    for name, shape in held.items():
        sizes = Counter(shape.truth.tolist())
        for supported, (sentences, counted) in zip(shape.truth.tolist(), shape.told, strict=True):
            if sentences:
                told.append(traits(sentences, counted))
                truth.append(supported)
                weights.append((2 if name in WRITTEN else 1) / sizes[supported])
    names = list(told[0])
    table = np.array([[one[name] for name in names] for one in told])
    spread = table.std(axis=0)
    spread[spread == 0] = 1
    model = LogisticRegression(C=1.0)
    model.fit(table / spread, truth, sample_weight=np.array(weights) / np.mean(weights))
    found = {name: round(float(w), 4) for name, w in zip(names, model.coef_[0] / spread, strict=True)}
    return Calibration(round(float(model.intercept_[0]), 4), found)


def trade_off(judged: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[float, tuple[float, float]]:
    """Threshold → share of supported claims let through, share of the others let through; each source counts alike."""
    both = [judged[source] for source in judged if judged[source][0].any() and not judged[source][0].all()]
    return {
        step: (
            float(np.mean([(scores[truth] >= step).mean() for truth, scores in both])),
            float(np.mean([(scores[~truth] >= step).mean() for truth, scores in both])),
        )
        for step in STEPS
    }


def told(curve: dict[float, tuple[float, float]], *chosen: float) -> Json:
    """The curve by tenths, and at what was chosen of it."""
    steps = sorted({*(step for step in curve if round(step * 100) % 10 == 0), *chosen} & curve.keys())
    return {str(step): [round(share, 3) for share in curve[step]] for step in steps}


def measured(truth: Truth, scores: Floats, threshold: float) -> Json:
    found = quality(truth, scores, threshold)
    return {"items": len(truth), **{name: round(value, 3) for name, value in asdict(found).items()}}
