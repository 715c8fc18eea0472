"""Who may see which documents of a corpus: every share and layout, held in several ways, all in one index.

For each layout and share there are three ways to hold it: one group; twenty groups that divide it, by subject where
access follows topic; twenty groups that overlap, five on each document, so that sums of their sizes are far off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from acl.compile import compile_filter, compile_payload
from acl.resolve import Access
from evals.bench.corpus import Numbers
from vouch.core.types import AccessFilter, AccessPayload, Clause, SearchFilter

TENANT = "bench"
SOURCES = 50
SHARES = (0.8, 0.5, 0.1, 0.01, 0.001)
HALF = 0.5
GROUPS = 20
OVERLAP = 5
OVERLAP_UP_TO = 0.1
"""Nobody's groups overlap above this share: what the engine supposes of them is not far off there."""
EVERYONE = "authenticated"
FIRST, SECOND = "group:first", "group:second"
BOTH = 0.001
"""Share of the documents that two clauses let the same asker see, though each alone admits half of all."""


@dataclass(frozen=True, slots=True)
class Asker:
    """``sees`` (documents,) says what the filter and the narrowing admit together."""

    name: str
    share: float | None
    """None where that is not what the asker is here to show."""
    access: AccessFilter
    sees: NDArray[np.bool_]
    where: SearchFilter = field(default_factory=SearchFilter)


class Population:
    """The askers of a corpus, and what its documents carry for them."""

    def __init__(self, subject: Numbers, seed: int) -> None:
        """``subject`` as in :class:`evals.bench.corpus.Corpus`."""
        self._rng = np.random.default_rng((seed, 1))
        self._subject = subject
        self._sources = subject * SOURCES // (subject.max() + 1)
        self._allow: list[set[str]] = [set() for _ in subject]
        self._second = np.zeros(len(subject), np.bool_)
        held = [
            asker for share in SHARES for layout in ("random", "clustered") for asker in self._holding(share, layout)
        ]
        self.askers = (
            *held,
            self._narrowed(next(asker for asker in held if asker.share == HALF)),
            self._in_two_clauses(),
        )

    def source(self, document: int) -> str:
        """Sources follow the subject: narrowing by one is as clustered as access can be."""
        return f"source-{self._sources[document]}"

    def payload(self, document: int) -> AccessPayload:
        return compile_payload(self.clauses(document))

    def clauses(self, document: int) -> tuple[Clause, Clause]:
        second = {EVERYONE, SECOND} if self._second[document] else {EVERYONE}
        return Clause(frozenset(self._allow[document]), frozenset()), Clause(frozenset(second), frozenset())

    def _holding(self, share: float, layout: str) -> Iterator[Asker]:
        count = len(self._subject)
        if layout == "random":
            order = self._rng.permutation(count)
        else:  # whole subjects, neighbours first, from one at random
            start = self._rng.integers(self._subject.max() + 1)
            order = np.argsort((self._subject - start) % (self._subject.max() + 1), kind="stable")
        seen = order[: max(1, round(share * count))]
        prefix = f"group:{layout}-{share:g}"
        names = {way: [f"{prefix}-{way}-{n}" for n in range(GROUPS)] for way in ("part", "overlap")}
        for place, document in enumerate(seen):
            self._allow[document] |= {prefix, names["part"][place * GROUPS // len(seen)]}
            if share <= OVERLAP_UP_TO:
                several = self._rng.choice(GROUPS, OVERLAP, replace=False)
                self._allow[document] |= {names["overlap"][n] for n in several}
        sees = np.zeros(count, np.bool_)
        sees[seen] = True
        held = {"one group": [prefix], "20 groups": names["part"]}
        if share <= OVERLAP_UP_TO:
            held["20 overlapping"] = names["overlap"]
        for way, groups in held.items():
            yield Asker(f"{share:.1%} {layout}, {way}", share, _filter(EVERYONE, *groups), sees)

    def _narrowed(self, asker: Asker) -> Asker:
        where = SearchFilter(source=("source-0",))
        sees = asker.sees & (self._sources == 0)
        return Asker(f"{asker.name}, one source of {SOURCES}", None, asker.access, sees, where)

    def _in_two_clauses(self) -> Asker:
        order = self._rng.permutation(len(self._subject))
        half, both = len(order) // 2, max(1, round(BOTH * len(order)))
        for document in order[:half]:
            self._allow[document].add(FIRST)
        self._second[order[half - both :]] = True
        sees = np.zeros(len(order), np.bool_)
        sees[order[half - both : half]] = True
        return Asker(f"{BOTH:.1%} random, each of two clauses 50%", None, _filter(FIRST, SECOND), sees)


def _filter(*principals: str) -> AccessFilter:
    return compile_filter(Access(TENANT, "user:asker", frozenset(principals), epoch=1))
