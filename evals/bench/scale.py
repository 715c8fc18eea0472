"""What an index of a size costs: disk, memory, time to build, and hybrid search by how much the asker sees.

One index holds every asker of `evals/bench/askers.py`; those who see 50, 10, 1 and .1 % are measured, spread at random
and by topic, through one group and through twenty. Each question is asked as planned and then exactly under the same
filter, beside two references that do not change with the index: one scan of 10^5 vectors by numpy, and the embedding
of one question. `--way graph:512` holds other plans against the chosen one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evals.bench.askers import Asker, Population
from evals.bench.corpus import DIMENSIONS, MadeUp
from evals.bench.footprint import Built, Ground, built, disk_bytes, host, memory
from evals.bench.live import timed
from evals.bench.recall import GENERATION, SEED, TOP
from evals.bench.report import Report, as_table
from evals.bench.words import Words
from retrieval.depth import SHALLOWEST
from retrieval.fuse import fuse
from vouch.core.settings import Settings
from vouch.core.types import IndexHits, IndexQuery
from vouch.gateway.embed import load_embedder
from vouch.index import plan
from vouch.index.edge import EdgeIndex

MILLION = 1_000_000
SHARES = (0.5, 0.1, 0.01, 0.001)
WAYS = ("one group", "20 groups")
REACH = 0.98
SLOWEST_MS = {100_000: 60.0, MILLION: 150.0}
"""What p95 must keep under, at the sizes that it is promised for."""
SCANNED = 100_000
HOST_QUESTIONS = 5
HEADER = ("asker", "plan", "recall@10: fused, dense", "p50, p95; of CPU, ms", "words alone p50; CPU", "exact", "scan")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chunks", type=int, default=100_000, help="size of the index (default 100000)")
    parser.add_argument("--questions", type=int, default=60, help="questions for each asker (default 60)")
    parser.add_argument("--index", type=Path, help="keep the index in this folder, or use the one that is there")
    parser.add_argument("--without-graph", action="store_true", help="build none: exact search, and words, alone")
    parser.add_argument("--way", action="append", default=[], help="hold this plan against the chosen one: graph:512")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Build, weigh, search."""
    folder = arguments.index or Path(tempfile.mkdtemp(prefix="vouch-bench-"))
    try:
        ground = laid(arguments.chunks)
        cost = built(folder, ground, graph=not arguments.without_graph)
        _weigh(folder, cost, ground, report)
        ways = [_plan(way) for way in arguments.way]
        planner = Told()
        with closing(EdgeIndex(folder / GENERATION, GENERATION, choose=planner)) as index:
            bench = Bench(index, planner, ground, ways, _to_scan())
            rows = [bench.ask(asker, arguments.questions) for asker in askers(ground)]
    finally:
        if not arguments.index:
            shutil.rmtree(folder)
    print(as_table((*HEADER, *arguments.way), (row.cells() for row in rows)))
    _summarise(rows, arguments.chunks, report)


def laid(chunks: int) -> Ground:
    corpus = MadeUp(chunks, SEED)
    return Ground(corpus, Population(corpus.subject, SEED), Words(SEED))


def askers(ground: Ground) -> list[Asker]:
    return [a for a in ground.population.askers if a.share in SHARES and a.name.endswith(WAYS)]


def queries(ground: Ground, asker: Asker, count: int) -> list[IndexQuery]:
    """Half about what the asker sees, half about the rest, which is harder."""
    rng = np.random.default_rng((SEED, 2))
    halves = [rng.choice(np.flatnonzero(side), count // 2) for side in (asker.sees, ~asker.sees)]
    rows = np.concatenate([ground.corpus.questions(half, rng) for half in halves])
    words = ground.words.questions(len(rows), rng)
    return [IndexQuery(row, own, SHALLOWEST, asker.where) for row, own in zip(rows, words, strict=True)]


class Told:
    """Plans as the product does, unless told how."""

    def __init__(self) -> None:
        self.plan: plan.DensePlan | None = None

    def __call__(self, points: int, visible: Callable[[], int]) -> plan.DensePlan:
        return plan.choose(points, visible) if self.plan is None else self.plan


T = TypeVar("T")

Took = tuple[float, float]
"""Seconds by the clock, and of CPU: what other work on the same cores adds to the first, it does not to the second."""


@dataclass(frozen=True, slots=True)
class Row:
    """One asker. Arrays have an entry a question; ``seconds`` (questions, ways, 2), as planned first, then exactly."""

    asker: Asker
    plans: tuple[str, ...]
    fused: NDArray[np.float64]
    """(questions, ways) recall of the first ten after fusion; ``dense`` of the vectors' own ten."""
    dense: NDArray[np.float64]
    seconds: NDArray[np.float64]
    lexical: NDArray[np.float64]
    """(questions, 2), as ``scan``: words alone, and the reference."""
    scan: NDArray[np.float64]

    def worse(self, recall: NDArray[np.float64]) -> NDArray[np.float64]:
        """By way, the mean of the worse half of the questions: about what the asker sees, about the rest."""
        seen, unseen = (np.asarray(half.mean(axis=0), np.float64) for half in np.array_split(recall, 2))
        return np.minimum(seen, unseen)

    def cells(self) -> tuple[str, ...]:
        fused, dense = self.worse(self.fused), self.worse(self.dense)
        middle, slow = np.percentile(self.seconds * 1e3, (50, 95), axis=0)
        took = [
            f"{half[0]:.1f}, {most[0]:.1f}; {half[1]:.1f}, {most[1]:.1f}"
            for half, most in zip(middle, slow, strict=True)
        ]
        others = zip(took[2:], dense[2:], strict=True)
        return (
            self.asker.name,
            ", ".join(sorted(set(self.plans))),
            f"{fused[0]:.3f}, {dense[0]:.3f}",
            took[0],
            _both(self.lexical),
            took[1],
            _both(self.scan),
            *(f"{ms} ({recall:.3f})" for ms, recall in others),
        )


@dataclass(frozen=True, slots=True)
class Bench:
    index: EdgeIndex
    planner: Told
    ground: Ground
    others: list[plan.DensePlan]
    scanned: NDArray[np.float32]
    """What the reference scans."""

    def ask(self, asker: Asker, count: int) -> Row:
        """Every question by every way, one after another, so that noise falls on all of them."""
        plans, found, seconds, lexical, scan = list[str](), list[list[IndexHits]](), list[list[Took]](), [], []
        for query in queries(self.ground, asker, count):
            some, took = self._by_each(query, asker, turned=len(found) % 2 == 1)
            plans.append(" ".join(map(str, some[0].plan["dense"].values())))
            found.append(some)
            seconds.append(took)
            words = IndexQuery(None, query.lexical, query.limit, query.where)
            lexical.append(_took(partial(self.index.search, words, asker.access))[1])
            scan.append(_took(partial(_scan, self.scanned, query))[1])
        fused = [_kept([_fused(hits) for hits in some]) for some in found]
        dense = [_kept([_nearest(hits) for hits in some]) for some in found]
        arrays = map(np.array, (fused, dense, seconds, lexical, scan))
        row = Row(asker, tuple(plans), *arrays)
        print("  " + " | ".join(row.cells()), file=sys.stderr, flush=True)
        return row

    def _by_each(self, query: IndexQuery, asker: Asker, *, turned: bool) -> tuple[list[IndexHits], list[Took]]:
        """``turned``: the last way first. What comes first finds caches colder."""
        ways = (None, plan.EXACT, *self.others)
        found, spent = dict[int, IndexHits](), dict[int, Took]()
        for n in sorted(range(len(ways)), reverse=turned):
            self.planner.plan = ways[n]
            found[n], spent[n] = _took(partial(self.index.search, query, asker.access))
        return [found[n] for n in range(len(ways))], [spent[n] for n in range(len(ways))]


Keys = set[tuple[str, int]]


def _fused(hits: IndexHits) -> Keys:
    return {(c.document_id, c.ordinal) for c in fuse(hits)[:TOP]}


def _nearest(hits: IndexHits) -> Keys:
    return {(hit.document_id, hit.ordinal) for hit in hits.dense[:TOP]}


def _kept(ways: list[Keys]) -> list[float]:
    """What of the exact way, the second, each has."""
    exact = ways[1]
    return [len(way & exact) / len(exact) if exact else 1.0 for way in ways]


def _both(took: NDArray[np.float64]) -> str:
    clock, cpu = np.median(took * 1e3, axis=0)
    return f"{clock:.1f}; {cpu:.1f}"


def _took(work: Callable[[], T]) -> tuple[T, Took]:
    began, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, (time.perf_counter() - began, time.process_time() - cpu)


def _to_scan() -> NDArray[np.float32]:
    return np.random.default_rng(SEED).standard_normal((SCANNED, DIMENSIONS), dtype=np.float32)


def _scan(rows: NDArray[np.float32], query: IndexQuery) -> NDArray[np.int64]:
    assert query.dense is not None
    return np.argpartition(rows @ query.dense, -TOP)[-TOP:]


def _plan(way: str) -> plan.DensePlan:
    mode, _, width = way.partition(":")
    if mode == "graph" and width.isdigit():
        return plan.DensePlan("graph", int(width))
    if mode == "acorn" and width.isdigit():
        return plan.DensePlan("acorn", int(width))
    raise SystemExit(f"{way!r} is no way to search: graph:512, acorn:256")


def _weigh(folder: Path, cost: Built, ground: Ground, report: Report) -> None:
    """What does not depend on the question."""
    per = MILLION / cost.points
    report.add(f"{cost.points:,} chunks written in", cost.write_s, "s")
    report.add("  graph built in", cost.graph_s, "s")
    report.add("  CPU of building it", cost.graph_cpu_s, "s")
    report.add("  memory of building it, at most", cost.graph_bytes / 2**30, "GiB")
    report.add("writing and graph, for a million", (cost.write_s + cost.graph_s) * per, "s")
    parts = disk_bytes(folder)
    for part, taken in sorted(parts.items(), key=lambda item: -item[1]):
        if taken > 10 * cost.points:
            report.add(f"  disk, {part}", taken / cost.points, "B/chunk")
    report.add("disk for a million", sum(parts.values()) * per / 2**30, "GiB")
    with host(folder) as hosted:
        empty = memory(hosted.process)
        for asker in askers(ground):
            for query in queries(ground, asker, HOST_QUESTIONS * 2):
                hosted.index.search(query, asker.access)
        full = memory(hosted.process)
    report.add("index host before its first question, resident", empty.resident / 2**30, "GiB")
    report.add("index host that was asked, resident", full.resident / 2**30, "GiB")
    report.add("  of that anonymous", full.anonymous / 2**30, "GiB")
    report.add("resident for a million", (full.resident - empty.resident) * per / 2**30, "GiB")
    embedder = load_embedder(Settings())
    took = [timed(partial(embedder.embed, [f"how is travel number {n} reimbursed"])) for n in range(60)]
    report.add("embedding of one question, p50", float(np.median(took)) * 1e3, "ms")


def _summarise(rows: list[Row], chunks: int, report: Report) -> None:
    """What is promised is held to the clock, and to the slowest of the ways to hold the same share."""
    for share in SHARES:
        some = [row for row in rows if row.asker.share == share]
        seconds = np.concatenate([row.seconds for row in some])
        half, p95 = (np.percentile(seconds[:, 0], percent, axis=0) for percent in (50, 95))
        words = np.median(np.concatenate([row.lexical for row in some]), axis=0)
        scan = float(np.median(np.concatenate([row.scan for row in some]), axis=0)[0])
        slowest = max((np.percentile(row.seconds[:, 0], 95, axis=0) for row in some), key=lambda p: float(p[1]))
        report.add(f"seeing {share:.1%}: hybrid, p50 of {len(some)} ways", half[0] * 1e3, "ms")
        report.add("  p95", p95[0] * 1e3, "ms", at_most=SLOWEST_MS.get(chunks))
        report.add("  p95 of the slowest way", slowest[0] * 1e3, "ms", at_most=SLOWEST_MS.get(chunks))
        report.add("  CPU: p50", half[1] * 1e3, "ms")
        report.add("  CPU: p95", p95[1] * 1e3, "ms")
        report.add("  CPU: p95 of the slowest way", slowest[1] * 1e3, "ms")
        report.add("  CPU: of that words, p50", words[1] * 1e3, "ms")
        report.add(f"  p95 ÷ scan of {SCANNED:,} vectors, p50", p95[0] / scan, "")
        report.add("  p50 ÷ exact", float(half[0] / np.median(seconds[:, 1, 0])), "")
        report.add("  recall@10 fused, worst", min(float(row.worse(row.fused)[0]) for row in some), "", at_least=REACH)
        report.add("  recall@10 dense, worst", min(float(row.worse(row.dense)[0]) for row in some), "", at_least=REACH)
