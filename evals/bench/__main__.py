"""``python -m evals.bench [MEASUREMENT]``, ``speed`` or another of :data:`MEASUREMENTS`: measure and print the table.

The exit status is 1 when a figure is missed. Without a name every measurement runs, as in `make bench`. Machines are
noisy: the ratios are what counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from evals.bench import access, crowd, entail, recall, rerank, scale, served, sources, speed, streams
from evals.bench.report import Report


class Measurement(Protocol):
    """A module of this package."""

    def options(self, parser: argparse.ArgumentParser) -> None: ...

    def measure(self, arguments: argparse.Namespace, report: Report) -> None: ...


MEASUREMENTS: dict[str, Measurement] = {
    "speed": speed,
    "sources": sources,
    "access": access,
    "recall": recall,
    "scale": scale,
    "served": served,
    "rerank": rerank,
    "entail": entail,
    "streams": streams,
    "crowd": crowd,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 every figure reaches what it must, 1 one does not, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m evals.bench")
    commands = parser.add_subparsers(dest="name")
    own: dict[str, argparse.ArgumentParser] = {}
    for name, measurement in MEASUREMENTS.items():
        own[name] = commands.add_parser(name, description=measurement.__doc__)
        measurement.options(own[name])
    chosen = parser.parse_args(argv)
    report = Report()
    for name, measurement in MEASUREMENTS.items():
        if chosen.name in (None, name):
            measurement.measure(chosen if chosen.name else own[name].parse_args([]), report)
    print(report.table())
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
