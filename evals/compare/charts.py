"""Charts as inline SVG: no script, nothing fetched. Colours are the page's own, so they follow light and dark.

What a chart shows stands in the page's tables too.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from evals.compare.compared import Difference

_WIDTH = 760
_LABEL = 230
_BAR = 11
_ROW = 2 * _BAR + 14
_BINS = 20
_HIGH = 120


def bars(rows: Sequence[tuple[str, Sequence[tuple[float, float, float]]]]) -> str:
    """Of each name one bar for A and one for B (mean, low, high), all between 0 and 1, with their intervals."""
    drawn = "".join(_row(at * _ROW, name, values) for at, (name, values) in enumerate(rows))
    height = len(rows) * _ROW + 22
    ticks = "".join(_tick(share / 4, height - 22) for share in range(5))
    return _svg(_WIDTH, height, "Means of A and B with 95 % intervals", ticks + drawn)


def histogram(one: Difference, gains: Sequence[float]) -> str:
    """How the gains of single questions are spread, from -1 to 1, without those that are 0."""
    moved = [gain for gain in gains if abs(gain) > 1e-9]
    counts = [0] * _BINS
    for gain in moved:
        counts[min(int((gain + 1) / 2 * _BINS), _BINS - 1)] += 1
    highest = max(counts, default=0) or 1
    wide = 380 / _BINS
    inner = "".join(
        f'<rect class="{"b" if place >= _BINS // 2 else "lost"}" x="{10 + place * wide + 1:.1f}"'
        f' y="{_HIGH - count / highest * (_HIGH - 20):.1f}" width="{wide - 2:.1f}"'
        f' height="{count / highest * (_HIGH - 20):.1f}"><title>{count}</title></rect>'
        for place, count in enumerate(counts)
        if count
    )
    inner += f'<line class="axis" x1="10" x2="390" y1="{_HIGH}" y2="{_HIGH}"/>'
    inner += f'<line class="axis" x1="200" x2="200" y1="14" y2="{_HIGH}"/>'
    inner += "".join(
        f'<text x="{x}" y="{_HIGH + 15}" text-anchor="middle">{label}</text>'
        for x, label in ((20, "-1"), (200, "0"), (380, "+1"))
    )
    said = f"{one.set}: {one.wins} questions won, {one.losses} lost, {one.ties} even; highest bar {max(counts)}"
    return _svg(400, _HIGH + 20, said, inner)


def _row(top: float, name: str, values: Sequence[tuple[float, float, float]]) -> str:
    label = f'<text x="{_LABEL - 8}" y="{top + _ROW / 2 + 1}" text-anchor="end">{escape(name)}</text>'
    return label + "".join(_bar(top + 4 + at * (_BAR + 1), "ab"[at], value) for at, value in enumerate(values))


def _bar(top: float, kind: str, value: tuple[float, float, float]) -> str:
    mean, low, high = (_x(one) for one in value)
    middle = top + _BAR / 2
    return (
        f'<rect class="{kind}" x="{_LABEL}" y="{top}" width="{max(mean - _LABEL, 0):.1f}" height="{_BAR}">'
        f"<title>{kind.upper()} {value[0]:.3f}, {value[1]:.3f} to {value[2]:.3f}</title></rect>"
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
    )


def _tick(share: float, height: float) -> str:
    x = _x(share)
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>'
        f'<text x="{x:.1f}" y="{height + 16}" text-anchor="middle">{share:g}</text>'
    )


def _x(share: float) -> float:
    return _LABEL + max(0.0, min(1.0, share)) * (_WIDTH - _LABEL - 20)


def _svg(width: int, height: float, said: str, inner: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(said)}" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}">{inner}</svg>'
    )
