"""The extractor's two logistic models and its thresholds, read from a versioned file beside the code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from retrieval.extract_features import ANSWER_FEATURES, SENTENCE_FEATURES, Array
from vouch.core.types import Json

VERSION = "extract.v1"


@dataclass(frozen=True, slots=True)
class Logistic:
    """``weights`` has one number a feature, on the features as measured (no scaling left to do)."""

    weights: Array
    bias: float

    def __call__(self, features: Array) -> Array:
        """Probabilities of rows; shape (n, features) → (n,), or (features,) → ()."""
        return np.asarray(1 / (1 + np.exp(-(features @ self.weights + self.bias))))


@dataclass(frozen=True, slots=True)
class Model:
    """``sentence`` says how likely a sentence belongs to the answer, ``answer`` how likely the best ones answer.

    ``keep_share`` and ``keep_above``: a further sentence joins the best one when its probability is at
    least that share of the best one's and at least that much. ``threshold``: abstain below this confidence.
    """

    version: str
    sentence: Logistic
    answer: Logistic
    keep_share: float
    keep_above: float
    threshold: float


@cache
def load() -> Model:
    """The model beside the code."""
    return read(Path(__file__).with_name(f"{VERSION}.json"))


def read(path: Path) -> Model:
    """Raises ValueError when ``path`` holds another version, or was fitted on other features than the code measures."""
    body: Json = json.loads(path.read_text(encoding="utf-8"))
    if body["version"] != VERSION:
        raise ValueError(f"{path.name} is of version {body['version']!r}; this code reads {VERSION!r}")
    return Model(
        VERSION,
        _logistic(body["sentence"], SENTENCE_FEATURES),
        _logistic(body["answer"], ANSWER_FEATURES),
        float(body["keep"]["share_of_best"]),
        float(body["keep"]["at_least"]),
        float(body["threshold"]),
    )


def _logistic(body: Json, names: tuple[str, ...]) -> Logistic:
    if tuple(body["features"]) != names:
        raise ValueError(f"weights for {body['features']}, but the code measures {list(names)}")
    return Logistic(np.array(list(body["features"].values()), dtype=np.float64), float(body["bias"]))
