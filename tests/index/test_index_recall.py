"""A real graph, walked under every kind of filter that the bench knows, loses next to nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from evals.bench.askers import Population
from evals.bench.corpus import MadeUp
from evals.bench.recall import GENERATION, REACH, SEED, Planner, fill, measured
from vouch.index.edge import EdgeIndex

pytestmark = pytest.mark.slow

POINTS = 24_000
"""A graph is built above 20,000."""
POINTS_PER_EF = 0
"""Nobody sees too little for the graph: here its plans are what is tested."""
QUESTIONS = 40


def test_graphs_keep_what_each_asker_may_see(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    corpus, planner = MadeUp(POINTS, SEED), Planner(points_per_ef=POINTS_PER_EF)
    population = Population(corpus.subject, SEED)
    with closing(EdgeIndex(tmp_path, GENERATION, choose=planner)) as index:
        fill(index, corpus, population)
        rows = [measured(index, planner, corpus, asker, QUESTIONS) for asker in population.askers]
    lost = [row.cells() for row in rows if min(row.halves()) < REACH]
    assert not lost, lost
    plans = {plan.split()[0] for row in rows for plan in row.plans}
    assert {"graph", "acorn"} <= plans
