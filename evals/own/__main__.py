"""``python -m evals.own FOLDER --as USER``: make an evaluation set of one's own; 1 when it failed, 2 on wrong use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from evals.own.folder import OwnSet
from evals.own.review import OFFERED, Review, decision, standing, undecided
from evals.own.scripted import decide_from
from evals.own.terminal import OwnTerminal
from vouch.client.client import Client
from vouch.client.evals import Proposals
from vouch.client.reach import connect, user_name
from vouch.client.results import Hit
from vouch.core.errors import InvalidInput, VouchError
from vouch.core.types import Json


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when what was decided is kept."""
    given = _parser().parse_args(arguments)
    try:
        told = _run(given)
    except VouchError as error:
        said = json.dumps(error.problem(), ensure_ascii=False, indent=2) if given.json else f"error: {error.detail}"
        print(said, file=sys.stderr)
        return 2 if isinstance(error, InvalidInput) else 1
    print(json.dumps(told, ensure_ascii=False, indent=2) if given.json else told["standing"])
    return 0


def _run(given: argparse.Namespace) -> Json:
    user = user_name(given.user)
    scripted = given.accept_all or given.from_file is not None
    if not scripted and not given.json and not sys.stdin.isatty():
        raise InvalidInput("Standard input is no terminal: decide with --accept-all or --from FILE.", field="stdin")
    with connect(user) as vouch:
        found = vouch.evals.proposals(limit=given.limit, seed=given.seed, asked=given.from_feedback)
        own = OwnSet.open(given.folder, user)
        if given.accept_all:
            for one in undecided(own, found.proposals):
                if one.evidence:
                    own.decide(decision(one, "accepted"))
        elif given.from_file is not None:
            decide_from(given.from_file, own, found.proposals)
        elif not given.json:
            _say_of(found)
            Review(own, found.proposals, lambda question: _look(vouch, question), OwnTerminal()).run()
    return {
        "folder": str(own.folder),
        "user": own.user,
        "accepted": len(own.accepted),
        "standing": standing(own),
        "undecided": [one.model_dump(mode="json") for one in undecided(own, found.proposals)],
        "dropped": found.dropped,
    }


def _look(vouch: Client, question: str) -> Sequence[Hit]:
    return vouch.search(question, limit=OFFERED * 4, syntax="plain").hits


def _say_of(found: Proposals) -> None:
    dropped = ", ".join(f"{count} {reason}" for reason, count in found.dropped.items())
    passed = f" ({dropped} passed over)" if dropped else ""
    print(f"{len(found.proposals)} proposed of {found.considered} candidates{passed}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.own", description="Make an evaluation set of one's own.")
    parser.add_argument("folder", type=Path, help="the set, begun or taken up again")
    parser.add_argument("--as", dest="user", required=True, help="the user whose documents and questions it is of")
    parser.add_argument("--limit", type=int, default=200, help="questions proposed at most")
    parser.add_argument("--seed", type=int, default=0, help="another one proposes others")
    parser.add_argument("--from-feedback", action="store_true", help="propose only what the user asked")
    parser.add_argument("--accept-all", action="store_true", help="accept what has evidence, asking nobody")
    parser.add_argument("--from", dest="from_file", type=Path, help="decisions as JSON lines")
    parser.add_argument("--json", action="store_true", help="print what is undecided as JSON, and ask nobody")
    return parser


if __name__ == "__main__":
    sys.exit(main())
