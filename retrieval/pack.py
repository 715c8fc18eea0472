"""Choose the evidence: the best hits, each statement once, with what is around them; numbered from 1."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from retrieval.terms import numbers, stems
from retrieval.texts import Texts
from retrieval.types import ChunkKey, Hit, Passage
from vouch.core.data_class import classes
from vouch.core.errors import Unavailable
from vouch.core.types import Span

log = logging.getLogger(__name__)

PASSAGES = 8
"""Hits packed unless the asker says otherwise."""
MAX_CHARACTERS = 24_000
ALIKE = 0.9
"""Jaccard similarity of two hits' words from which on the lesser adds nothing, unless it says other figures."""
_NONE: Mapping[ChunkKey, Sequence[Hit]] = {}


@dataclass(frozen=True, slots=True)
class Packed:
    """``digests`` names each passage's whole text in the blob store. ``withheld``: superseded documents left
    out because their successor is among the hits."""

    passages: tuple[Passage, ...]
    digests: dict[int, str]
    withheld: frozenset[str]

    @property
    def document_ids(self) -> frozenset[str]:
        return frozenset(passage.document_id for passage in self.passages)


def pack(
    texts: Texts,
    hits: Sequence[Hit],
    size: int,
    around: Mapping[ChunkKey, Sequence[Hit]] = _NONE,
    *,
    outdated: bool = False,
) -> Packed:
    """The first ``size`` hits that differ, and then what is ``around`` them, within :data:`MAX_CHARACTERS`. A
    superseded document gives way to its successor where both are among ``hits``, unless ``outdated`` asks for it
    too."""
    withheld = frozenset[str]() if outdated else _replaced(hits)
    passages: list[Passage] = []
    digests: dict[int, str] = {}
    chosen = _chosen([hit for hit in hits if hit.document_id not in withheld], size)
    for run in _runs(_widened(chosen, around)):
        passage = _passage(texts, run, len(passages) + 1)
        if passage is not None:
            passages.append(passage)
            digests[passage.n] = run[0].text_digest
    return Packed(tuple(passages), digests, withheld)


def packable(hits: Sequence[Hit], size: int) -> frozenset[str]:
    """The classes of data of all that :func:`pack` may take of ``hits``, superseded documents included: what is around
    a hit is of its document."""
    every = classes(hit.data_class for hit in hits)
    if len(every) < 2:
        return every
    replaced = _replaced(hits)
    current = [hit for hit in hits if hit.document_id not in replaced]
    return classes(hit.data_class for hit in (*_chosen(current, size), *_chosen(hits, size)))


def _replaced(hits: Sequence[Hit]) -> frozenset[str]:
    present = {hit.document_id for hit in hits}
    return frozenset(hit.document_id for hit in hits if hit.freshness.superseded_by in present)


def _chosen(hits: Iterable[Hit], size: int) -> list[Hit]:
    chosen: list[Hit] = []
    said: list[_Said] = []
    characters = 0
    for hit in hits:
        says = _Said.of(hit.text)
        if any(says.nothing_but(other) for other in said):
            continue
        if len(chosen) == size or (chosen and characters + len(hit.text) > MAX_CHARACTERS):
            break
        said.append(says)
        chosen.append(hit)
        characters += len(hit.text)
    return chosen


@dataclass(frozen=True, slots=True)
class _Said:
    words: str
    stems: frozenset[int]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(" ".join(text.split()).casefold(), stems(text), numbers(text))

    def nothing_but(self, other: _Said) -> bool:
        """Other figures are another statement, however alike the words: that documents disagree is to be seen."""
        shared, every = len(self.stems & other.stems), len(self.stems | other.stems)
        alike = bool(every) and shared >= ALIKE * every and self.numbers == other.numbers
        return self.words == other.words or alike


def _widened(chosen: Sequence[Hit], around: Mapping[ChunkKey, Sequence[Hit]]) -> list[Hit]:
    every = {hit.key: hit for hit in chosen}
    characters = sum(len(hit.text) for hit in chosen)
    for hit in chosen:
        for one in around.get(hit.key, ()):
            if one.key not in every and characters + len(one.text) <= MAX_CHARACTERS:
                every[one.key] = one
                characters += len(one.text)
    return list(every.values())


def _runs(hits: Iterable[Hit]) -> list[list[Hit]]:
    """Hits grouped into runs of consecutive chunks of one version; the run with the best hit first."""
    ranked = list(hits)
    rank = {hit.key: n for n, hit in enumerate(ranked)}
    runs: list[list[Hit]] = []
    for hit in sorted(ranked, key=lambda hit: hit.key):
        last = runs[-1][-1] if runs else None
        if last is not None and (*last.key[:2], last.ordinal + 1) == hit.key:
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return sorted(runs, key=lambda run: min(rank[hit.key] for hit in run))


def _passage(texts: Texts, run: Sequence[Hit], n: int) -> Passage | None:
    """None when the document's text cannot be read: what cannot be quoted cannot be evidence."""
    best = max(run, key=lambda hit: hit.score)
    span = Span(min(hit.span.start for hit in run), max(hit.span.end for hit in run))
    try:
        text = span.of(texts.of(best.text_digest))
    except Unavailable:
        log.exception("the text of document %s version %d cannot be read", best.document_id, best.version)
        return None
    return Passage(
        n=n,
        document_id=best.document_id,
        external_id=best.external_id,
        version=best.version,
        title=best.title,
        uri=best.uri,
        span=span,
        text=text,
        heading_path=best.heading_path,
        places=tuple(place for hit in run for place in hit.places),
        score=best.score,
        modified_at=best.freshness.modified_at,
        freshness=best.freshness,
        owner=best.owner,
        data_class=best.data_class,
    )
