"""Recall of the index under access filters."""

from __future__ import annotations

import argparse

from evals.bench.report import Report


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", type=int, default=100_000)


def measure(arguments: argparse.Namespace, report: Report) -> None:
    report.add("points", arguments.points, "")
