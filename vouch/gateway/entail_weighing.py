"""From what the network says of a claim's sentences, and what is counted of the whole, one probability.

The weights are fitted on claims that the network was not trained on (`evals/fit_entail.py`) and lie as plain numbers
beside its own. Lengths are among what is weighed: a term that is found in a whole page says less than one that is found
in a paragraph, and of three sentences the worst is worse than of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from vouch.gateway.entail import Judged
from vouch.gateway.entail_reading import Counted

_SUREST = 1e-5
"""Nothing is held to be surer than by this."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """``weights``: of what :func:`traits` tells, by its name. Without any the worst sentence decides, as it stands."""

    bias: float = 0.0
    weights: Mapping[str, float] = field(default_factory=lambda: {"worst": 1.0})

    def __call__(self, sentences: Sequence[Judged], counted: Counted) -> Judged:
        told = traits(sentences, counted)
        logit = self.bias + sum(weight * told[name] for name, weight in self.weights.items())
        supported = 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))
        worst = min(sentences, key=lambda one: one.supported)
        against = worst.contradicted / max(worst.contradicted + worst.not_enough, 1e-9)
        return Judged(supported, (1 - supported) * against, (1 - supported) * (1 - against))


def traits(sentences: Sequence[Judged], counted: Counted) -> dict[str, float]:
    """``worst`` and ``mean``: the logit of support, of the claim's least supported sentence and of all."""
    logits = [_logit(one.supported) for one in sentences]
    return {"worst": min(logits), "mean": sum(logits) / len(logits), **asdict(counted)}


def _logit(share: float) -> float:
    sure = min(max(share, _SUREST), 1 - _SUREST)
    return math.log(sure / (1 - sure))
