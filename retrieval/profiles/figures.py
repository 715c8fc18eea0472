"""What an answer came to, as numbers: the same of one that was shown and of one that nobody sees."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.types import Claim, Verified

Cited = tuple[str, int, int, int]
"""Document, version, and where in it a quote begins and ends."""


@dataclass(frozen=True, slots=True)
class Figures:
    """``supported``: claims that verification found supported; ``rejected``: claims and quotes that it refused. ``ms``:
    of writing and checking, without the search that is before both."""

    supported: int
    rejected: int
    abstained: bool
    cost: float
    ms: float

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def figures(verified: Verified, usage: Mapping[str, Any], ms: float) -> Figures:
    """Of what verification and the output guard left of a draft."""
    supported = sum(claim.verdict == "supported" for claim in verified.claims)
    return Figures(supported, len(verified.rejected), supported == 0, float(usage.get("cost", 0)), round(ms, 1))


def cited(claims: Sequence[Claim]) -> frozenset[Cited]:
    """Every quote's place."""
    return frozenset(
        (one.passage.document_id, one.passage.version, one.span.start, one.span.end)
        for claim in claims
        for one in claim.evidence
    )


def overlap(ours: Collection[Cited], theirs: Collection[Cited]) -> float | None:
    """The characters that both cite, as a share of those that either does; None where neither cites anything."""
    a, b = _characters(ours), _characters(theirs)
    return len(a & b) / len(a | b) if a or b else None


def _characters(places: Collection[Cited]) -> set[tuple[str, int, int]]:
    return {(document, version, at) for document, version, start, end in places for at in range(start, end)}
