"""How good a ranking of documents is, by question: the measures that evaluations and the platform share.

As trec_eval has them, with grades as gains; a test holds them against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

DECIDES = "ndcg_10"
"""The measure by which two runs are told apart."""


def judged(relevant: Mapping[str, int], ranking: Sequence[str]) -> dict[str, float]:
    """Every measure, by the name that figures have. ``relevant``: grades above 0, of one document at least."""
    return {
        DECIDES: ndcg(relevant, ranking, 10),
        "recall_100": len(relevant.keys() & {*ranking[:100]}) / len(relevant),
        "mrr_10": next((1 / place for place, one in enumerate(ranking[:10], 1) if one in relevant), 0.0),
        "success_5": float(not relevant.keys().isdisjoint(ranking[:5])),
    }


def ndcg(relevant: Mapping[str, int], ranking: Sequence[str], best: int) -> float:
    """Normalised discounted cumulative gain of the first ``best``."""
    gains = [relevant.get(one, 0) for one in ranking[:best]]
    ideal = _gain(sorted(relevant.values(), reverse=True)[:best])
    return _gain(gains) / ideal if ideal else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))
