"""A bar for each state, as inline SVG: no script, no file besides. Where a mail client takes it out, nothing is lost,
for the numbers stand in the text too."""

from __future__ import annotations

from collections.abc import Mapping

from vouch.core.freshness import State

COLOURS: Mapping[State, str] = {
    "fresh": "#2e7d32",
    "ownerless": "#6a5a8c",
    "due": "#b8860b",
    "stale": "#c75b12",
    "source_gone": "#7a4a2b",
    "expired": "#b3261e",
    "superseded": "#5f6b76",
}
"""Each dark enough to be read on white."""
_WIDTH, _ROW, _LABEL, _NUMBER = 560, 26, 110, 60


def bars(counts: Mapping[State, int], labels: Mapping[State, str]) -> str:
    """The states that have documents, in the order of ``counts``; lengths in proportion to the longest."""
    shown = [(state, n) for state, n in counts.items() if n]
    longest = max((n for _, n in shown), default=1)
    drawn = "".join(_bar(at * _ROW, state, labels[state], (n, longest)) for at, (state, n) in enumerate(shown))
    height = max(len(shown), 1) * _ROW
    said = ", ".join(f"{n} {labels[state]}" for state, n in shown) or "no documents"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{said}" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}" style="max-width:100%;height:auto;display:block">{drawn}</svg>'
    )


def _bar(top: int, state: State, label: str, of: tuple[int, int]) -> str:
    n, longest = of
    length = max(round((_WIDTH - _LABEL - _NUMBER) * n / longest), 2)
    text = f'y="{top + 17}" font-family="sans-serif" font-size="13" fill="#1f2328"'
    return (
        f'<text x="{_LABEL - 8}" text-anchor="end" {text}>{label}</text>'
        f'<rect x="{_LABEL}" y="{top + 4}" width="{length}" height="18" rx="2" fill="{COLOURS[state]}"/>'
        f'<text x="{_LABEL + length + 6}" {text}>{n}</text>'
    )
