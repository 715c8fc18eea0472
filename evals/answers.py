"""Extractive answers and abstention, on the half of each set that nothing was fitted on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from evals import datasets
from evals.answer_items import AnswerItem, one_passage, searched
from evals.measures import Detection, detection, sentence_f1
from retrieval.extract import extract
from retrieval.extract_model import load
from retrieval.types import Draft
from vouch.core.errors import InvalidInput
from vouch.gateway.embed import Embedder

SEED = 20_260_301
SEARCHED = {"xquad": "xquad-multilingual/en", "chunk-spans": "chunk-spans"}
"""Sets whose passages are searched for among all their texts: name → folder."""
CURVE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Answered:
    """``cited`` and ``gold``: indexes of the item's sentences. The draft was made without a threshold."""

    item: AnswerItem
    confidence: float
    cited: frozenset[int]
    gold: frozenset[int]


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """``curve``: threshold → detection. ``citation_f1``: mean over the answerable items that were answered;
    ``citation_f1_all``: over all answerable items, an abstention counting 0."""

    name: str
    items: int
    threshold: float
    at_threshold: Detection
    citation_f1: float
    citation_f1_all: float
    curve: dict[float, Detection]


def run(name: str, data: Path, embedder: Embedder, *, limit: int | None = None) -> AnswerReport:
    """Answer the held-out items of ``clapnq`` or of :data:`SEARCHED`. Raises :class:`InvalidInput` on another name."""
    held_out = (i for i in _items(name, data, embedder) if datasets.half(i.id) == "held out")
    answered = [answer(item, embedder) for item in islice(held_out, limit)]
    return report(name, answered, load().threshold)


def answer(item: AnswerItem, embedder: Embedder) -> Answered:
    """The product's own extractor, kept from abstaining so that every threshold can be read off one run."""
    draft = extract(item.question, item.passages, embedder, abstain_below=0.0)
    gold = frozenset(i for i, place in enumerate(item.sentences) if place in item.gold)
    return Answered(item, draft.confidence, _cited(item, draft), gold)


def report(name: str, answered: Iterable[Answered], threshold: float) -> AnswerReport:
    found = list(answered)
    truth = np.array([a.item.answerable for a in found])
    scores = np.array([a.confidence for a in found])
    cited = {a.item.id: sentence_f1(a.cited, a.gold) for a in found if a.item.answerable}
    told = [cited[a.item.id] for a in found if a.item.answerable and a.confidence >= threshold]
    return AnswerReport(
        name,
        len(found),
        threshold,
        detection(truth, scores >= threshold),
        float(np.mean(told)) if told else 0.0,
        sum(told) / max(len(cited), 1),
        {t: detection(truth, scores >= t) for t in CURVE},
    )


def _cited(item: AnswerItem, draft: Draft) -> frozenset[int]:
    """The item's sentences that any quote of ``draft`` touches."""
    quotes = [(q.passage, q.span) for claim in draft.claims for q in claim.quotes if q.span is not None]
    return frozenset(
        i
        for i, (n, span) in enumerate(item.sentences)
        if any(n == m and span.start < q.end and span.end > q.start for m, q in quotes)
    )


def _items(name: str, data: Path, embedder: Embedder) -> Iterable[AnswerItem]:
    if name == "clapnq":
        return map(one_passage, datasets.clapnq(data))
    folder = SEARCHED.get(name)
    if folder is None:
        raise InvalidInput(f"{name!r} is not one of {', '.join(('clapnq', *SEARCHED))}", field="name")
    return searched(datasets.evidence_spans(data, folder), embedder, most=500, seed=SEED)
