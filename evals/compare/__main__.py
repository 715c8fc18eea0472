"""``python -m evals.compare A B [--html FILE] [--json]``: two kept runs; 1 when B is worse, 2 on wrong use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from evals.compare.compared import FEWEST, SIGNIFICANT, Comparison, Difference, Pair, compare
from evals.compare.page import page
from evals.embedding_cache import cache_folder
from evals.runs import Run, load
from vouch.core.bootstrap import RESAMPLES, SEED
from vouch.core.errors import VouchError
from vouch.core.types import Json

RULE = (
    f"B is worse where a deciding figure (marked *) fell and its p, held against the number of sets, is at most "
    f"{SIGNIFICANT:g}; sets of fewer than {FEWEST} questions do not decide."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when B is significantly worse on any set."""
    given = _parser().parse_args(arguments)
    try:
        found = compare(load(_folder(given.a)), load(_folder(given.b)), given.seed)
        if given.html is not None:
            given.html.write_text(page(found, RULE), encoding="utf-8")
    except (VouchError, OSError) as error:
        known = error if isinstance(error, VouchError) else VouchError(f"{given.html}: {error.strerror}")
        said = json.dumps(known.problem(), ensure_ascii=False, indent=2) if given.json else f"error: {known.detail}"
        print(said, file=sys.stderr)
        return 2
    print(json.dumps(as_json(found), ensure_ascii=False, indent=2) if given.json else "\n".join(_lines(found)))
    return 1 if found.worse else 0


def as_json(found: Comparison) -> Json:
    """All that the page says, without the rankings."""
    return {
        "a": _run(found.a),
        "b": _run(found.b),
        "differences": [{**asdict(one), "verdict": one.verdict} for one in found.differences],
        "worst": [_pair(pair) for pair in found.worst],
        "only_in_one": list(found.alone),
        "texts_differ": list(found.moved),
        "worse": bool(found.worse),
        "rule": RULE,
    }


def _lines(found: Comparison) -> Iterator[str]:
    yield f"A  {found.a.name}  {found.a.folder}"
    yield f"B  {found.b.name}  {found.b.folder}"
    width = max(len(_name(one)) for one in found.differences) + 1
    yield f"{'':{width}}  {'A':>6}  {'B':>6}  {'B - A':>6}  {'95 % interval':>16}  {'p':>6}  won/lost/even"
    for one in found.differences:
        between = f"{one.low:+.3f} to {one.high:+.3f}"
        name = _name(one) + ("*" if one.p_of_all is not None else "")
        verdict = "" if one.verdict == "even" else one.verdict.upper()
        values = f"{one.a:6.3f}  {one.b:6.3f}  {one.difference:+6.3f}  {between:>16}  {one.p:6.4f}"
        counts = f"{one.wins}/{one.losses}/{one.ties}"
        yield f"{name:{width}}  {values}  {counts}  {verdict}".rstrip()
    if found.alone:
        yield f"only in one of them: {', '.join(found.alone)}"
    if found.moved:
        yield f"the same questions, of other texts: {', '.join(found.moved)}"
    yield RULE


def _name(one: Difference) -> str:
    return f"{one.set}.{one.measure}"


def _run(run: Run) -> Json:
    return {"folder": str(run.folder), **{key: value for key, value in run.about.items() if key != "sets"}}


def _pair(pair: Pair) -> Json:
    return {"set": pair.set, "query": pair.b.query, "text": pair.b.text, "gain": pair.gain}


def _folder(given: str) -> Path:
    """A run's folder, or its name among those kept by default."""
    path = Path(given)
    return path if path.exists() or path.name != given else cache_folder() / "runs" / given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.compare", description="Hold one kept run against another.")
    parser.add_argument("a", help="folder of a run, or its name")
    parser.add_argument("b", help="the run to hold against it")
    parser.add_argument("--html", type=Path, help="write a page with charts and the questions that lost most")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the {RESAMPLES} resamples")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
