"""``python -m evals.peers [quality] [ingestion] [latency] [--set NAME …] [--peer NAME …] [--json]``.

Without a name all three are measured. Exit status: 0 every figure reaches what it must, 1 one does not or a peer
failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evals import sets
from evals.bench.report import Report
from evals.peers import ingestion, latency, quality
from evals.peers.kinds import KINDS
from evals.peers.process import PeerFailed, PeerProcess, peers_python
from evals.peers.report import (
    ingestion_table,
    judge_ingestion,
    judge_quality,
    latency_table,
    margins_table,
    quality_table,
)
from evals.run import evaluation_embedder
from vouch.core.errors import VouchError
from vouch.core.settings import Settings

PARTS = ("quality", "ingestion", "latency")
SIZES = (1_000, 10_000)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    peers_python()
    settings, report, found = Settings(), Report(), dict[str, Any]()
    tables: list[str] = []
    for part in arguments.parts or PARTS:
        body, table = _PARTS[part](arguments, settings, report)
        found[part] = body
        tables.append(table)
    found["figures"] = [dict(zip(("figure", "measured", "bound", "reached"), row, strict=True)) for row in report.rows]
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join([*tables, report.table()]))
    return 0 if report.reached else 1


def _quality(arguments: argparse.Namespace, settings: Settings, report: Report) -> tuple[Any, str]:
    embedder, compared = evaluation_embedder(settings), list[quality.Compared]()
    with ExitStack() as stack:
        peers = [stack.enter_context(PeerProcess(name, embedder)) for name in arguments.peer]
        for name in arguments.set or quality.SETS:
            data = quality.smaller(sets.load(name, arguments.data), arguments.documents, arguments.queries)
            compared += quality.compare(data, embedder, peers, arguments.cut)
            print(quality_table(compared), file=sys.stderr, flush=True)
    judge_quality(compared, report)
    measures = ("ndcg_10", "recall_100", "mrr_10")
    sizes = "\n".join(f"{one.name}: {one.documents} documents, {one.queries} queries" for one in compared)
    tables = [quality_table(compared, measure) for measure in measures]
    return [asdict(one) for one in compared], "\n\n".join([sizes, *tables, margins_table(compared)])


def _ingestion(arguments: argparse.Namespace, settings: Settings, report: Report) -> tuple[Any, str]:
    embedding = [name for name in arguments.peer if name != "bm25"]
    paces = ingestion.measure(embedding, settings, passages=arguments.passages, data=arguments.data)
    judge_ingestion(paces, report)
    body = {name: {**asdict(pace), "per_second": pace.per_second} for name, pace in paces.items()}
    return body, ingestion_table(paces)


def _latency(arguments: argparse.Namespace, settings: Settings, report: Report) -> tuple[Any, str]:
    measured = latency.measure(
        arguments.peer, settings, sizes=arguments.sizes, queries=arguments.searches, data=arguments.data
    )
    return [{name: asdict(one) for name, one in size.items()} for size in measured], latency_table(measured)


_PARTS = {"quality": _quality, "ingestion": _ingestion, "latency": _latency}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evals.peers", description="Vouch beside its peers.")
    parser.add_argument("parts", nargs="*", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--set", nargs="+", choices=tuple(sets.SETS), help="quality: only these sets")
    parser.add_argument("--peer", nargs="+", choices=tuple(KINDS), default=list(KINDS), help="only these peers")
    parser.add_argument("--documents", type=int, help="quality: at most so many documents of a set")
    parser.add_argument("--queries", type=int, help="quality: at most so many queries of a set")
    parser.add_argument(
        "--cut", choices=("own", "alike"), default="own", help="long documents: by each peer's splitter"
    )
    parser.add_argument("--passages", type=int, default=300, help="ingestion: how many, all turns together")
    parser.add_argument("--searches", type=int, default=100, help="latency: queries of each system")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="latency: passages searched")
    parser.add_argument("--data", type=Path, help="the evaluation folder (default: VOUCH_EVAL_DATA)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args(argv)
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return arguments


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VouchError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        sys.exit(1)
    except PeerFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
