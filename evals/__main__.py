"""``python -m evals [search|answers] [--set NAME] [--data FOLDER] [--json]``: figures and gates; 1 when one fails."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from evals.answers import AnswerReport
from evals.run import RUNS, Gate, Reference, Report, failed, figures, gates, to_json
from evals.search import SearchReport
from vouch.core.errors import VouchError
from vouch.core.settings import Settings


def main() -> int:
    """Exit status: 0 all gates hold, 1 one does not or a run failed, 2 wrong use."""
    arguments = _arguments()
    wanted, references = gates()
    reports: list[Report] = []
    for kind, (names, run) in RUNS.items():
        if arguments.kind not in (None, kind):
            continue
        for name in names:
            if arguments.set not in (None, name):
                continue
            began = time.monotonic()
            reports.append(run(name, Settings(), data=arguments.data))
            print(f"{kind} {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if not reports:
        print(f"no run has a set called {arguments.set!r}", file=sys.stderr)
        return 2
    found = {name: value for report in reports for name, value in figures(report).items()}
    partial = arguments.kind is not None or arguments.set is not None
    wrong = failed(found, tuple(g for g in wanted if not partial or g.figure in found))
    if arguments.json:
        print(json.dumps({"reports": [to_json(r) for r in reports], "failed": wrong}, indent=2))
    else:
        print(table(found, wanted, references))
        for report in reports:
            print(remarks(report), end="")
        print("\n".join(f"FAILED  {line}" for line in wrong) or "all gates hold")
    return 1 if wrong else 0


def table(found: dict[str, float], wanted: tuple[Gate, ...], references: dict[str, Reference]) -> str:
    """One line a figure: its value, its gate, and what to compare it with."""
    by_figure = {gate.figure: str(gate) for gate in wanted}
    width = max(map(len, found))
    lines = []
    for name, value in found.items():
        reference = references.get(name)
        beside = f"{value / reference.value:.2f} × {reference.value:.3f}, {reference.of}" if reference else ""
        lines.append(f"{name:{width}}  {value:6.3f}  {by_figure.get(name, ''):8}  {beside}".rstrip())
    return "\n".join(lines)


def remarks(report: Report) -> str:
    """What a table of figures does not show: what the reranker is worth, and the trade-off of the threshold."""
    if isinstance(report, SearchReport):
        gained = report.figures["hybrid+reranker"].ndcg_10 - report.figures["hybrid"].ndcg_10
        return f"{report.name}: the lexical reranker is worth {gained:+.3f} nDCG@10\n"
    if isinstance(report, AnswerReport):
        head = f"{report.name}: threshold {report.threshold:.2f} over {report.items} held-out items\n"
        rows = (f"  {t:.1f}  P {d.precision:.3f}  R {d.recall:.3f}  F1 {d.f1:.3f}\n" for t, d in report.curve.items())
        return head + "".join(rows)
    return f"{report.name}: {report.answerable} answerable, {report.unanswerable} unanswerable questions\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evals", description="Measure quality and hold it against gates.")
    parser.add_argument("kind", nargs="?", choices=tuple(RUNS), help="only these runs")
    parser.add_argument("--set", help="only this set")
    parser.add_argument("--data", type=Path, help="the evaluation folder (default: VOUCH_EVAL_DATA)")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VouchError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        sys.exit(1)
