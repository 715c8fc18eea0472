"""What `make bench-peers` prints: tables of every system, and by how much Vouch is above or below the best of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evals.bench.report import Report, as_table
from evals.peers.ingestion import Pace
from evals.peers.latency import Latency
from evals.peers.ours import HYBRID
from evals.peers.quality import SETS, Compared
from vouch.core.bootstrap import interval

PEER_HYBRIDS = ("haystack", "llamaindex", "txtai", "lancedb")
"""The peers that join words and vectors; the others are there to be seen beside."""
ABOVE, BELOW, FASTER = 1.05, 0.99, 2.0
"""What Vouch is to reach against the best hybrid peer: on the mean, on each set, and in passages per second."""


def best_hybrid(compared: Sequence[Compared]) -> str | None:
    """The hybrid peer with the highest mean nDCG@10 over the sets that count; None where none was run."""
    counted = _counted(compared)
    here = [name for name in PEER_HYBRIDS if counted and all(name in one.figures for one in counted)]
    return max(here, key=lambda name: mean(counted, name), default=None)


def mean(compared: Sequence[Compared], name: str, measure: str = "ndcg_10") -> float:
    return sum(one.figures[name][measure] for one in compared) / len(compared)


def quality_table(compared: Sequence[Compared], measure: str = "ndcg_10") -> str:
    """A line for each system, a column for each set, the mean over those that count last."""
    counted = _counted(compared)
    header = (measure, *(one.name for one in compared), f"mean of {len(counted)}")
    systems = list(dict.fromkeys(name for one in compared for name in one.figures))
    rows = []
    for name in systems:
        cells = [f"{one.figures[name][measure]:.3f}" if name in one.figures else "–" for one in compared]
        whole = counted and all(name in one.figures for one in counted)
        rows.append((name, *cells, f"{mean(counted, name, measure):.3f}" if whole else "–"))
    return as_table(header, rows)


def judge_quality(compared: Sequence[Compared], report: Report) -> None:
    """Vouch against the best hybrid peer, on the mean and set by set."""
    best = best_hybrid(compared)
    if best is None:
        return
    counted = _counted(compared)
    report.add(f"nDCG@10, mean: Vouch ÷ {best}", mean(counted, HYBRID) / mean(counted, best), "", at_least=ABOVE)
    for one in compared:
        if one.figures[best]["ndcg_10"] > 0:
            ratio = one.figures[HYBRID]["ndcg_10"] / one.figures[best]["ndcg_10"]
            report.add(f"  {one.name}: Vouch ÷ {best}", ratio, "", at_least=BELOW if one in counted else None)


def margins_table(compared: Sequence[Compared]) -> str:
    """How far Vouch is from the best hybrid peer, and what of that chance alone would show; nothing without peers."""
    best = best_hybrid(compared)
    if best is None:
        return ""
    rows = []
    for one in compared:
        pairs = zip(one.ndcg[HYBRID], one.ndcg[best], strict=True)
        found = interval([ours - theirs for ours, theirs in pairs])
        rows.append((one.name, f"{found.mean:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}", f"{found.p:.3f}"))
    return as_table((f"nDCG@10, Vouch − {best}", "mean", "95 % interval", "p"), rows)


def ingestion_table(paces: Mapping[str, Pace]) -> str:
    rows = [
        (name, str(pace.passages), f"{pace.per_second:.1f}", " ".join(f"{turn:.1f}" for turn in pace.turns))
        for name, pace in paces.items()
    ]
    return as_table(("pipeline", "passages", "passages/s", "in each turn"), rows)


def judge_ingestion(paces: Mapping[str, Pace], report: Report) -> None:
    peers = {name: pace.per_second for name, pace in paces.items() if name != HYBRID}
    if peers:
        fastest = max(peers, key=peers.__getitem__)
        ratio = paces[HYBRID].per_second / peers[fastest]
        report.add(f"ingestion: Vouch ÷ {fastest}, the fastest peer", ratio, "", at_least=FASTER)


def latency_table(measured: Sequence[Mapping[str, Latency]]) -> str:
    return as_table(
        ("passages", "system", "p50 / p95 ms", "hits that are forbidden", "queries short of hits"),
        [row for one in measured for row in _latency_rows(one)],
    )


def _latency_rows(measured: Mapping[str, Latency]) -> Iterator[tuple[str, ...]]:
    for name, one in measured.items():
        times = f"{one.p50_ms:.1f} / {one.p95_ms:.1f}"
        yield f"{one.passages:,}", name, times, f"{one.forbidden:.1%}", f"{one.short:.1%}"


def _counted(compared: Sequence[Compared]) -> list[Compared]:
    return [one for one in compared if one.name in SETS]
