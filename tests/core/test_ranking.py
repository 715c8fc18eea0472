"""The measures that the platform takes of rankings are those of trec_eval."""

from __future__ import annotations

import random

import pytest

from evals import measures
from vouch.core.ranking import judged


def test_they_are_what_trec_eval_computes() -> None:
    chance = random.Random(11)
    documents = [f"d{n}" for n in range(150)]
    for round_ in range(60):
        relevant = {one: chance.choice([1, 1, 2, 3]) for one in chance.sample(documents, chance.randint(1, 12))}
        ranking = chance.sample(documents, chance.randint(0, 140))
        run = {one: 1.0 / place for place, one in enumerate(ranking, 1)}
        expected = measures.by_query({"q": relevant}, {"q": run})["q"]
        assert judged(relevant, ranking) == pytest.approx(expected, abs=1e-4), round_
