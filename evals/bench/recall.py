"""Recall and latency of dense search under access filters, against exact search under the same filter.

One index holds every asker of `evals/bench/askers.py`. Both searches are the product's own, `EdgeIndex.search` with a
compiled filter, one after the other; only the plan differs. Half of the questions are about what the asker sees,
half about the rest, which is harder: the nearest points that the graph may walk are far away.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.bench.askers import SHARES, TENANT, Asker, Population
from evals.bench.corpus import DIMENSIONS, PER_DOCUMENT, Corpus, Kept, MadeUp
from evals.bench.report import Report, as_table
from evals.bench.words import Words
from evals.embedding_cache import cache_folder
from vouch.core.ids import point_id
from vouch.core.types import IndexHit, IndexHits, IndexQuery, Matrix, Point, SparseVector
from vouch.index import plan
from vouch.index.edge import EdgeIndex
from vouch.index.protocol import UpsertPoints

SEED = 7
GENERATION = "bench"
TOP = 10
REACH = 0.98
HEADER = ("asker", "sees", "estimated", "plan", "recall@10: inside, outside", "p50, p95 ms", "exact p50, p95 ms", "÷")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", type=int, default=100_000, help="size of the made-up corpus (default 100000)")
    parser.add_argument("--real", action="store_true", help="search the vectors that `make eval` has kept instead")
    parser.add_argument("--questions", type=int, default=60, help="questions for each asker (default 60)")
    parser.add_argument("--index", type=Path, help="keep the index in this folder, or use the one that is there")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """One line for each asker, and into the report the worst of each share."""
    corpus = _corpus(arguments)
    population = Population(corpus.subject, SEED)
    planner = Planner()
    folder = arguments.index or Path(tempfile.mkdtemp(prefix="vouch-bench-"))
    try:
        with closing(EdgeIndex(folder, GENERATION, choose=planner)) as index:
            points = len(corpus.subject) * PER_DOCUMENT
            if index.state().points != points:
                print(f"  building an index of {points} points, seed {SEED}", file=sys.stderr, flush=True)
                started = time.monotonic()
                fill(index, corpus, population)
                report.add(f"index of {points} points built in", time.monotonic() - started, "s")
            rows = [measured(index, planner, corpus, asker, arguments.questions) for asker in population.askers]
    finally:
        if not arguments.index:
            shutil.rmtree(folder)
    print(as_table(HEADER, (row.cells() for row in rows)))
    for share in SHARES:
        ways = [row for row in rows if row.asker.share == share]
        report.add(f"recall@10 seeing {share:.1%}, worst of {len(ways)} ways", _worst(ways), "", at_least=REACH)
    others = [row for row in rows if row.asker.share is None]
    report.add("recall@10 where conditions depend on each other, worst", _worst(others), "", at_least=REACH)


class Planner:
    """Plans as the product does, or exactly when told to; and remembers the estimate."""

    def __init__(self, points_per_ef: int = plan.POINTS_PER_EF) -> None:
        self.exactly = False
        self.visible: int | None = None
        self._points_per_ef = points_per_ef

    def __call__(self, points: int, visible: Callable[[], int]) -> plan.DensePlan:
        if self.exactly:
            return plan.EXACT
        return plan.choose(points, partial(self._remembered, visible), points_per_ef=self._points_per_ef)

    def _remembered(self, visible: Callable[[], int]) -> int:
        self.visible = visible()
        return self.visible


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured for one asker. Arrays have one entry a question, those about what the asker sees first."""

    asker: Asker
    estimates: NDArray[np.float64]
    plans: tuple[str, ...]
    recall: NDArray[np.float64]
    seconds: NDArray[np.float64]
    """(questions, 2): as planned, exact."""

    def halves(self) -> tuple[float, float]:
        """Mean recall of questions about what the asker sees, and about the rest."""
        inside, outside = np.array_split(self.recall, 2)
        return float(inside.mean()), float(outside.mean())

    def cells(self) -> tuple[str, ...]:
        inside, outside = self.halves()
        middle, slow = np.percentile(self.seconds * 1e3, (50, 95), axis=0)
        return (
            self.asker.name,
            f"{self.asker.sees.sum() * PER_DOCUMENT:,}",
            f"{np.median(self.estimates):,.0f}" if len(self.estimates) else "",
            ", ".join(sorted(set(self.plans))),
            f"{inside:.3f}, {outside:.3f}",
            f"{middle[0]:.1f}, {slow[0]:.1f}",
            f"{middle[1]:.1f}, {slow[1]:.1f}",
            f"{middle[0] / middle[1]:.2f}",
        )


def _corpus(arguments: argparse.Namespace) -> Corpus:
    if not arguments.real:
        return MadeUp(arguments.points, SEED)
    kept = sorted((cache_folder() / "vectors").glob("*/values.f32"))
    if not kept:
        raise SystemExit(f"no vectors in {cache_folder()}: run `make eval` first")
    return Kept(kept[0], SEED)


def fill(index: EdgeIndex, corpus: Corpus, population: Population) -> None:
    """Write every point of the corpus and build the graph."""
    write(index, corpus, population)
    index.maintain()


def write(index: EdgeIndex, corpus: Corpus, population: Population, words: Words | None = None) -> None:
    """Without ``words`` points have none, for what is measured by vectors alone."""
    document = 0
    for number, block in enumerate(corpus.vectors()):
        lexical = words.chunks(number, len(block)) if words else repeat(SparseVector((), ()))
        made: list[Point] = []
        for vectors in block.reshape(-1, PER_DOCUMENT, DIMENSIONS):
            made += _points(document, vectors, lexical, population)
            document += 1
        index.apply([UpsertPoints(tuple(made))], upto=document)


def _points(document: int, vectors: Matrix, lexical: Iterator[SparseVector], population: Population) -> list[Point]:
    access, name = population.payload(document), str(document)
    return [
        Point(
            id=point_id(TENANT, name, 1, ordinal, GENERATION),
            tenant=TENANT,
            document_id=name,
            version=1,
            ordinal=ordinal,
            source_id=population.source(document),
            dense=vector,
            lexical=own,
            access=access,
            mime="text/plain",
            language="en",
            owner="user:owner",
            modified_at=0,
        )
        for ordinal, (vector, own) in enumerate(zip(vectors, lexical, strict=False))
    ]


def measured(index: EdgeIndex, planner: Planner, corpus: Corpus, asker: Asker, count: int) -> Row:
    """Search ``count`` times as ``asker``, each time as planned and then exactly. ``planner`` is the index's own."""
    rng = np.random.default_rng((SEED, 2))
    halves = [rng.choice(np.flatnonzero(side), count // 2) for side in (asker.sees, ~asker.sees)]
    plans, recall, seconds, estimates = list[str](), list[float](), list[tuple[float, float]](), list[float]()
    for vector in np.concatenate([corpus.questions(half, rng) for half in halves]):
        query = IndexQuery(vector, None, TOP, asker.where)
        found, taken = _timed(index, query, asker)
        planner.exactly = True
        exact, exactly_taken = _timed(index, query, asker)
        planner.exactly = False
        plans.append(" ".join(map(str, found.plan["dense"].values())))
        recall.append(len(_ids(found.dense) & _ids(exact.dense)) / len(exact.dense))
        seconds.append((taken, exactly_taken))
        estimates += [] if planner.visible is None else [planner.visible]
    row = Row(asker, np.array(estimates), tuple(plans), np.array(recall), np.array(seconds))
    print("  " + " | ".join(row.cells()), file=sys.stderr, flush=True)
    return row


def _timed(index: EdgeIndex, query: IndexQuery, asker: Asker) -> tuple[IndexHits, float]:
    started = time.perf_counter()
    hits = index.search(query, asker.access)
    return hits, time.perf_counter() - started


def _ids(hits: tuple[IndexHit, ...]) -> set[tuple[str, int]]:
    return {(hit.document_id, hit.ordinal) for hit in hits}


def _worst(rows: list[Row]) -> float:
    """The lowest mean recall, questions about what the asker sees and about the rest taken apart."""
    return min(min(row.halves()) for row in rows)
