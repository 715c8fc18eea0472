"""Gates: the figures that must hold, read from `evals/gates.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

GATES = Path(__file__).with_name("gates.toml")


@dataclass(frozen=True, slots=True)
class Gate:
    """``above`` and ``below`` are exclusive; None is no bound."""

    figure: str
    above: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)

    def __str__(self) -> str:
        bounds = ((">", self.above), ("<", self.below))
        return " and ".join(f"{sign} {bound:.3f}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Reference:
    value: float
    of: str


def gates(path: Path = GATES) -> tuple[tuple[Gate, ...], dict[str, Reference]]:
    """Gates and references. Raises TypeError when a gate has a key it should not have."""
    body = tomllib.loads(path.read_text(encoding="utf-8"))
    references = {name: Reference(**row) for name, row in body["reference"].items()}
    return tuple(Gate(**row) for row in body["gate"]), references


def failed(found: dict[str, float], wanted: tuple[Gate, ...]) -> list[str]:
    """A line for each gate that does not hold. A gate on a figure that was not measured does not hold either."""
    lines: list[str] = []
    for gate in wanted:
        value = found.get(gate.figure)
        if value is None:
            lines.append(f"{gate.figure} was not measured; it should be {gate}")
        elif not gate.holds(value):
            lines.append(f"{gate.figure} is {value:.4f}; it should be {gate}")
    return lines
