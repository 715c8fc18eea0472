"""Answers and abstentions on public sets, on the half of each that nothing was fitted on.

clapnq, chunk-spans, xquad   can it be answered, and with which sentences?
conflicts                    of two documents that disagree, are both shown? (`evals/judged/conflicts.py`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from evals import datasets
from evals.answer_items import AnswerItem, one_passage, searched
from evals.datasets import Evidence, RawDocument
from evals.judged.citations import Judge
from evals.judged.conflicts import planted, told
from evals.judged.outcome import Outcome, Wanted, judged
from evals.judged.walk import Walk
from evals.measures import Detection, detection, sentence_f1
from evals.ranked import Asked, Ranked
from vouch.core.errors import InvalidInput
from vouch.gateway.embed import Embedder

SEED = 20_260_301
SEARCHED = {"xquad": "xquad-multilingual/en", "chunk-spans": "chunk-spans"}
"""Sets whose passages are searched for among all their texts: name → folder."""
CONFLICTS = "conflicts"
CURVE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """``curve``: threshold → detection, where the writer goes by one. ``documents``: what the passages are of."""

    name: str
    ranked: Ranked
    documents: tuple[RawDocument, ...]
    threshold: float | None
    curve: dict[float, Detection]


@dataclass(frozen=True, slots=True)
class _Answered:
    item: AnswerItem
    outcome: Outcome
    more: Mapping[str, float] = field(default_factory=dict)


def run(
    name: str, data: Path, embedder: Embedder, answering: tuple[Walk, Judge], *, limit: int | None = None
) -> AnswerReport:
    """Answer the held-out items of a set. ``embedder``: what searches for passages. Raises :class:`InvalidInput` on
    another name."""
    walk, judge = answering
    found = list(islice(_answered(name, data, embedder, walk), limit))
    asked = tuple(_judged(one, judge) for one in found)
    texts = {document: text for one in found for document, text in one.item.texts.items()}
    documents = tuple(RawDocument(id_, f"{id_}.txt", "", text.encode()) for id_, text in texts.items())
    threshold = walk.writer.threshold
    curve = {} if threshold is None else _curve(found)
    return AnswerReport(name, Ranked(name, asked), documents, threshold, curve)


def _answered(name: str, data: Path, embedder: Embedder, walk: Walk) -> Iterator[_Answered]:
    if name == CONFLICTS:
        for one in planted(datasets.evidence_spans(data, SEARCHED["xquad"]), embedder, seed=SEED):
            outcome = _walked(walk, one.item)
            yield _Answered(one.item, outcome, told(one, outcome))
        return
    for item in _items(name, data, embedder):
        if datasets.half(item.id) == "held out":
            yield _Answered(item, _walked(walk, item))


def _items(name: str, data: Path, embedder: Embedder) -> Iterable[AnswerItem]:
    if name == "clapnq":
        return map(one_passage, datasets.clapnq(data))
    folder = SEARCHED.get(name)
    if folder is None:
        raise InvalidInput(f"{name!r} is not one of {', '.join(('clapnq', *SEARCHED, CONFLICTS))}", field="name")
    return searched(datasets.evidence_spans(data, folder), embedder, most=500, seed=SEED)


def _walked(walk: Walk, item: AnswerItem) -> Outcome:
    return walk(item.question, item.passages, item.texts)


def _judged(one: _Answered, judge: Judge) -> Asked:
    item = one.item
    documents = {passage.n: passage.document_id for passage in item.passages}
    marked = tuple(Evidence(documents[n], span) for n, span in sorted(item.gold, key=lambda g: (g[0], g[1].start)))
    relevant = dict.fromkeys((place.document for place in marked), 1)
    wanted = Wanted(item.id, item.question, item.answerable, relevant, marked)
    gold = frozenset(i for i, place in enumerate(item.sentences) if place in item.gold)
    return judged(wanted, one.outcome, sentence_f1(_cited(item, one.outcome), gold), judge, **one.more)


def _cited(item: AnswerItem, found: Outcome) -> frozenset[int]:
    """The item's sentences that any quote touches."""
    document: Callable[[int], str] = {passage.n: passage.document_id for passage in item.passages}.__getitem__
    return frozenset(
        i
        for i, (n, span) in enumerate(item.sentences)
        if any(document(n) == c.document and span.start < c.span.end and span.end > c.span.start for c in found.cited)
    )


def _curve(found: Iterable[_Answered]) -> dict[float, Detection]:
    both = [(one.item.answerable, one.outcome.confidence) for one in found]
    truth, scores = np.array([a for a, _ in both], np.bool_), np.array([c for _, c in both], np.float64)
    return {threshold: detection(truth, scores >= threshold) for threshold in CURVE}
