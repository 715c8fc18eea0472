"""The table that every measurement of the bench writes into."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence


class Report:
    """The table: figure, unit, what it must reach, whether it did. Details are printed as they come."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []
        self.reached = True

    def add(
        self, name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        good = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        bound = f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}" if at_most is not None else ""
        self.reached &= good
        self.rows.append((name, f"{value:.4g} {unit}".strip(), bound, "" if not bound else "yes" if good else "NO"))
        print(f"  {name}: {value:.4g} {unit}", file=sys.stderr, flush=True)

    def table(self) -> str:
        return as_table(("figure", "measured", "must reach", "reached"), self.rows)


def as_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
