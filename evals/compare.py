"""``python -m evals.compare BEFORE.json AFTER.json``: what changed between two runs of ``python -m evals --json``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from vouch.core.errors import InvalidInput
from vouch.core.types import Json

TOLERANCE = 0.005
"""A smaller fall is noise: one query of 300 is worth .003."""
LOWER_IS_BETTER = ("wrongly_answered",)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure, before and after; None where a run does not have it."""

    figure: str
    before: float | None
    after: float | None

    @property
    def gain(self) -> float | None:
        """Above 0 is better."""
        if self.before is None or self.after is None:
            return None
        rise = self.after - self.before
        return -rise if self.figure.endswith(LOWER_IS_BETTER) else rise

    @property
    def worse(self) -> bool:
        return self.gain is not None and self.gain < -TOLERANCE


def compare(before: Json, after: Json) -> list[Difference]:
    """Every figure of either run, in the order of ``after``. Raises :class:`InvalidInput` for what is no report."""
    old, new = _figures(before), _figures(after)
    return [Difference(name, old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old))]


def main() -> int:
    """Exit status 1 when a figure fell by more than :data:`TOLERANCE`."""
    parser = argparse.ArgumentParser(prog="python -m evals.compare", description="What changed between two runs.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args()
    found = compare(*(json.loads(path.read_text(encoding="utf-8")) for path in (arguments.before, arguments.after)))
    width = max((len(d.figure) for d in found), default=0)
    for d in found:
        values = "  ".join("     -" if v is None else f"{v:6.3f}" for v in (d.before, d.after))
        gain = "" if d.gain is None else f"{d.gain:+.3f}"
        print(f"{d.figure:{width}}  {values}  {gain}{'  WORSE' if d.worse else ''}")
    return 1 if any(d.worse for d in found) else 0


def _figures(report: Json) -> dict[str, float]:
    try:
        return {name: float(value) for part in report["reports"] for name, value in part["figures"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("this is not what `python -m evals --json` prints") from error


if __name__ == "__main__":
    sys.exit(main())
