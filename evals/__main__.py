"""``python -m evals [search|answers|guards|groundedness|reuse]``: figures, gates, runs kept as files; 1 when a gate
fails, 2 on wrong use.

python -m evals                                        every set, standing profiles, every gate
python -m evals search --data FOLDER --profile NAME    one's own set in BEIR's layout, by one profile
python -m evals answers --model NAME                   answers of a chat model that is configured
python -m evals search --data FOLDER                   a set that `vouch eval mine` made, put to the platform that runs
python -m evals answers --data FOLDER                  the same, answered
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evals import profiles, sets
from evals.answers import AnswerReport
from evals.gates import Gate, Reference, failed, gates
from evals.groundedness import GroundednessReport
from evals.guards import GUARDS, GuardReport
from evals.handbook_answers import HandbookReport
from evals.own import asking
from evals.own import platform as own
from evals.profiles import Profile
from evals.reuse import ReuseReport
from evals.run import (
    ANSWERS,
    GROUNDEDNESS,
    Report,
    SearchReport,
    answer_choices,
    figures,
    run_answers,
    run_groundedness,
    run_reuse,
    run_search,
    to_json,
)
from evals.run import kept as kept_of
from evals.runs import Writer
from retrieval.verify import judge as verified
from vouch.core.clock import now
from vouch.core.errors import InvalidInput, VouchError
from vouch.core.settings import Settings
from vouch.core.types import Json

BESIDE: dict[str, tuple[tuple[str, ...], Callable[[str, Path], Report]]] = {
    "guards": (tuple(GUARDS), lambda name, data: GUARDS[name](data)),
    "groundedness": (GROUNDEDNESS, lambda name, data: run_groundedness(name, Settings(), data=data)),
    "reuse": (("paraphrases",), lambda _, data: run_reuse(Settings(), data=data)),
}
"""The kinds of runs that are of our own data alone: their sets, and what runs one."""
KINDS = ("search", "answers", *BESIDE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all gates hold, 1 one does not or a run failed, 2 wrong use."""
    given = _parser().parse_args(arguments)
    try:
        return _run(given)
    except VouchError as error:
        said = json.dumps(error.problem(), ensure_ascii=False, indent=2) if given.json else f"error: {error.detail}"
        print(said, file=sys.stderr)
        return 2 if isinstance(error, InvalidInput) else 1


def _run(given: argparse.Namespace) -> int:
    source = sets.source(given.data)
    beside = [*ANSWERS, *(name for names, _ in BESIDE.values() for name in names)] if source.answers else []
    if given.set is not None and given.set not in (*source.names, *beside):
        raise InvalidInput(f"no run has a set called {given.set!r}", field="set")
    names = dict.fromkeys(given.profile or (own.STANDING if source.own else profiles.STANDING))
    chosen = tuple(profiles.profile(name, given.profiles) for name in names)
    reports: list[Report] = []
    kept: list[Path] = []
    if given.kind in (None, "search"):
        searches = [name for name in source.names if given.set in (None, name)]
        searched, kept = _searches(source, searches, chosen, given.out)
        reports += searched
    if given.kind in (None, "answers") and not given.profile:
        answered, judged = _answers(source, given)
        reports, kept = reports + answered, kept + judged
    if given.kind not in ("search", "answers") and source.answers and not given.profile:
        reports += _beside(source.answers, [kind for kind in BESIDE if given.kind in (None, kind)], given.set)
    if not reports:
        raise InvalidInput("this leaves nothing to run: profiles are of searches, and all else of our own data")
    ours = source.answers is not None or given.data in sets.SETS
    wanted, references = gates() if ours else ((), {})
    found = {name: value for report in reports for name, value in figures(report).items()}
    partial = bool(given.kind or given.set or given.data in sets.SETS or given.profile)
    held = tuple(gate for gate in wanted if not partial or gate.figure in found)
    wrong = failed(found, held)
    if given.json:
        body = {"reports": [to_json(r) for r in reports], "runs": [str(path) for path in kept], "failed": wrong}
        print(json.dumps(body, ensure_ascii=False, indent=2))
    else:
        print(table(found, wanted, references))
        print("".join(remarks(report) for report in reports), end="")
        print("".join(f"kept in {path}\n" for path in kept), end="")
        said = [f"FAILED  {line}" for line in wrong]
        print("\n".join(said or ["all gates hold" if held else "no gate is on these figures"]))
    return 1 if wrong else 0


def _searches(
    source: sets.Source, names: Sequence[str], chosen: Sequence[Profile], out: Path | None
) -> tuple[list[SearchReport], list[Path]]:
    """Every set by every profile, and the folders of the runs, one a profile; made once a set has been searched."""
    writers: dict[str, Writer] = {}
    at = now()
    reports: list[SearchReport] = []
    for name in names:
        began = time.monotonic()
        data = source.load(name)
        report = run_search(data, chosen, Settings()) if source.own is None else own.run(source.own, data, chosen)
        for result in report.results:
            if result.profile.name not in writers:
                writers[result.profile.name] = Writer(result.profile.name, out, at)
            writers[result.profile.name].add(data, result)
        reports.append(report)
        _took(f"search {name}", began)
    return reports, [writer.close() for writer in writers.values()]


def _answers(source: sets.Source, given: argparse.Namespace) -> tuple[list[Report], list[Path]]:
    """Every set, and the folder of the run, which is made once a set has been answered."""
    reports: list[Report] = []
    writer: Writer | None = None
    for report, choices in _answered(source, given):
        writer = writer or Writer(f"answers-{choices['writer']}", given.out)
        writer.add(*kept_of(report, choices))
        reports.append(report)
    return reports, [writer.close()] if writer is not None else []


def _answered(source: sets.Source, given: argparse.Namespace) -> Iterator[tuple[AnswerReport | HandbookReport, Json]]:
    """A company's own set only where answers are asked for: without a kind its questions are searches."""
    if source.own is not None and given.kind == "answers":
        yield asking.run(source.own, verified)
    for name in ANSWERS if source.answers is not None else ():
        if given.set in (None, name):
            began = time.monotonic()
            report = run_answers(name, Settings(), data=source.answers, model=given.model)
            yield report, answer_choices(Settings(), given.model)
            _took(f"answers {name}", began)


def _beside(data: Path, kinds: Sequence[str], only: str | None) -> Iterator[Report]:
    for kind in kinds:
        names, run = BESIDE[kind]
        for name in names:
            if only in (None, name):
                began = time.monotonic()
                yield run(name, data)
                _took(f"{kind} {name}", began)


def _took(what: str, began: float) -> None:
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def table(found: dict[str, float], wanted: tuple[Gate, ...], references: dict[str, Reference]) -> str:
    """One line a figure: its value, its gate, and what to compare it with."""
    by_figure = {gate.figure: str(gate) for gate in wanted}
    width = max(map(len, found), default=0)
    lines = []
    for name, value in found.items():
        reference = references.get(name)
        beside = f"{value / reference.value:.2f} × {reference.value:.3f}, {reference.of}" if reference else ""
        lines.append(f"{name:{width}}  {value:6.3f}  {by_figure.get(name, ''):8}  {beside}".rstrip())
    return "\n".join(lines)


def remarks(report: Report) -> str:
    """What a table of figures does not show: what could not be read, and the trade-off of the threshold."""
    if isinstance(report, SearchReport):
        rejected = report.results[0].rejected
        return f"{report.name}: not read: {', '.join(rejected)}\n" if rejected else ""
    if isinstance(report, AnswerReport):
        if report.threshold is None or not report.curve:
            return ""
        head = f"{report.name}: threshold {report.threshold:.2f} over {len(report.ranked.asked)} items\n"
        rows = (f"  {t:.1f}  P {d.precision:.3f}  R {d.recall:.3f}  F1 {d.f1:.3f}\n" for t, d in report.curve.items())
        return head + "".join(rows)
    if isinstance(report, GuardReport | ReuseReport | GroundednessReport):
        return report.remarks()
    return f"{report.name}: {report.answerable} answerable, {report.unanswerable} unanswerable questions\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals", description="Measure quality and hold it against gates.")
    parser.add_argument("kind", nargs="?", choices=KINDS, help="only these runs")
    parser.add_argument("--set", help="only this set")
    parser.add_argument(
        "--data", help="a set's name, a folder in BEIR's layout, or the evaluation folder (unset: VOUCH_EVAL_DATA)"
    )
    parser.add_argument(
        "--model", help="who writes the answers, of the models that are configured (default: extractive)"
    )
    parser.add_argument("--profile", action="append", default=[], help="search by this profile; may be repeated")
    parser.add_argument("--profiles", type=Path, default=profiles.FILE, help="file of profiles (default: our own)")
    parser.add_argument("--out", type=Path, help="folder that runs are kept in (default: runs in VOUCH_EVAL_CACHE)")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
