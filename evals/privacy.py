"""How much of the personal data in text is found, by kind, and how much is taken for personal data that is none.

``python -m evals.privacy``. A span counts as found where something of its kind that was found overlaps it. What has no
form (names, places, organisations) needs a language model, and there is none: its recall is reported as it is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from evals import sets
from evals.datasets import json_lines
from vouch.core.types import Json, Span
from vouch.gateway.privacy.find import find
from vouch.gateway.privacy.kinds import SECRETS, Found, Kind

STRUCTURED: dict[str, Kind] = {
    "CREDIT_CARD": "card",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
    "US_DRIVER_LICENSE": "document_number",
    "US_SSN": "national_id",
}
"""The set's kinds that have a form of their own → ours."""
LOOSE: dict[str, Kind] = {"DATE_TIME": "date_of_birth", "STREET_ADDRESS": "address", "ZIP_CODE": "address"}
"""Of these a part has one: of all dates those of birth are sought, of places those written as an address."""
PAGES = 300
T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class PrivacyReport:
    """``recall`` by the set's kinds, ``precision`` by ours; both of all structured kinds together too.

    ``alarms``: secrets found in a million characters of a public handbook, which should have none."""

    name: str
    spans: dict[str, int]
    recall: dict[str, float]
    precision: dict[str, float]
    alarms: float
    missed: tuple[str, ...] = field(repr=False)

    def figures(self) -> dict[str, float]:
        recalls = {f"privacy.pii.{name.lower()}.recall": value for name, value in self.recall.items()}
        precisions = {f"privacy.pii.{name}.precision": value for name, value in self.precision.items()}
        return {**recalls, **precisions, "privacy.handbook.secrets_per_million": self.alarms}

    def remarks(self) -> str:
        found = ", ".join(f"{name} {n}" for name, n in self.spans.items())
        return f"{self.name}: {found}\n" + "".join(f"  not found: {one}\n" for one in self.missed)


@dataclass
class _Tally:
    spans: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    found: Counter[Kind] = field(default_factory=Counter)
    right: Counter[Kind] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def add(self, row: Json) -> None:
        found = find(row["text"])
        ours = {**STRUCTURED, **LOOSE}
        for one in row["spans"]:
            name, span = one["type"], Span(one["start"], one["end"])
            self.spans[name] += 1
            hit = any(ours.get(name) == other.kind for other in found if _overlap(other.span, span))
            self.hits[name] += hit
            if name in STRUCTURED and not hit:
                self.missed.append(f"{name} in {row['text'][:120]!r}")
        for other in found:
            self.found[other.kind] += 1
            self.right[other.kind] += _meant(other, row["spans"], ours)


def run(data: Path) -> PrivacyReport:
    """Over all sentences of the set, and the first pages of the handbook."""
    tally = _Tally()
    for row in json_lines(data / "pii-presidio" / "items.jsonl"):
        tally.add(row)
    structured = [kind for kind in tally.found if kind in STRUCTURED.values()]
    recall = {name: tally.hits[name] / n for name, n in sorted(tally.spans.items())}
    precision: dict[str, float] = {kind: tally.right[kind] / n for kind, n in sorted(tally.found.items())}
    recall["structured"] = _share(tally.hits, tally.spans, STRUCTURED)
    precision["structured"] = _share(tally.right, tally.found, structured)
    return PrivacyReport("pii", dict(tally.spans), recall, precision, _alarms(data), tuple(tally.missed))


def _alarms(data: Path) -> float:
    pages = [page.data.decode("utf-8", "replace") for page in sets.handbook_pages(data)[:PAGES]]
    return 1_000_000 * sum(len(find(page, SECRETS)) for page in pages) / sum(map(len, pages))


def _share(hits: Counter[T], of: Counter[T], names: Iterable[T]) -> float:
    chosen = list(names)
    return sum(hits[name] for name in chosen) / sum(of[name] for name in chosen)


def _meant(found: Found, spans: Iterable[Json], ours: dict[str, Kind]) -> bool:
    return any(
        ours.get(one["type"]) == found.kind for one in spans if _overlap(found.span, Span(one["start"], one["end"]))
    )


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


if __name__ == "__main__":
    sys.exit(import_module("evals.__main__").main(["guards", "--set", "pii", *sys.argv[1:]]))
