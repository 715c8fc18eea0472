"""Questions with the passages an answerer is shown, and the spans that ought to be cited."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from evals.datasets import SentenceItem, SpanSet, half
from retrieval.types import Freshness, Passage
from vouch.core.sentences import sentences
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

SHOWN = 6
"""Passages an item of a searched set has."""
_CHUNK = 900
_FRESH = Freshness("fresh", None, None)


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """``gold``: (passage number, span in the document) of each sentence that answers; empty when none does.
    ``texts``: the whole text of each passage's document."""

    id: str
    source: str
    question: str
    passages: tuple[Passage, ...]
    sentences: tuple[tuple[int, Span], ...]
    gold: frozenset[tuple[int, Span]]
    answerable: bool
    texts: Mapping[str, str]


def one_passage(item: SentenceItem) -> AnswerItem:
    """The item's sentences as one passage, a sentence a line."""
    spans: list[tuple[int, Span]] = []
    at = 0
    for text in item.sentences:
        spans.append((1, Span(at, at + len(text))))
        at += len(text) + 1
    text = "\n".join(item.sentences)
    found = _passage(1, item.id, item.title, text, 0)
    gold = frozenset(spans[i] for i in item.gold)
    return AnswerItem(
        item.id, item.source, item.question, (found,), tuple(spans), gold, item.answerable, {item.id: text}
    )


def without_answer(item: SentenceItem) -> SentenceItem:
    """The same passage less the sentences that answer: what is left is as plausible as can be."""
    kept = tuple(text for i, text in enumerate(item.sentences) if i not in item.gold)
    return replace(item, sentences=kept, gold=frozenset(), answerable=False, source=f"{item.source} less answer")


def searched(data: SpanSet, embedder: Embedder, *, most: int, seed: int) -> Iterator[AnswerItem]:
    """At most ``most`` questions, each with the :data:`SHOWN` chunks nearest by embedding.

    A fixed half of them is made unanswerable by taking away every chunk that holds evidence. Questions
    whose evidence the search missed are left out: nobody knows whether the rest answers them. Every other
    question's passages are shuffled: these sets were written from their texts, so the first hit is nearly
    always right, while on an organisation's own pages it is right little more than half of the time.
    """
    chunks = [chunk for text_id, (title, text) in data.texts.items() for chunk in _chunks(text_id, title, text)]
    texts = {text_id: text for text_id, (_, text) in data.texts.items()}
    rng = random.Random(seed)  # noqa: S311
    queries = rng.sample(sorted(data.spans), min(most, len(data.spans)))
    matrix = embedder.embed([f"{c.title}\n{c.text}" for c in chunks])
    nearness = embedder.embed([data.queries[q] for q in queries]) @ matrix.T
    for query, row in zip(queries, nearness, strict=True):
        evidence = data.spans[query]
        answerable = half(f"{query} answerable") == "fit"
        order = (chunks[int(i)] for i in np.argsort(-row, kind="stable"))
        kept = (c for c in order if answerable or not _holds(c, evidence))
        nearest = list(islice(kept, SHOWN))
        if rng.random() < 0.5:
            rng.shuffle(nearest)
        shown = tuple(replace(c, n=n) for n, c in enumerate(nearest, 1))
        spans = tuple((p.n, s) for p in shown for s in sentences_of(p))
        by_number = {p.n: p for p in shown}
        gold = frozenset((n, s) for n, s in spans if _overlaps(by_number[n].document_id, s, evidence))
        if bool(gold) == answerable:
            yield AnswerItem(query, data.name, data.queries[query], shown, spans, gold, answerable, texts)


def _chunks(text_id: str, title: str, text: str) -> Iterator[Passage]:
    spans = sentences(text)
    start = 0
    for i, span in enumerate(spans):
        if i + 1 == len(spans) or spans[i + 1].end - spans[start].start > _CHUNK:
            at = spans[start].start
            yield _passage(1, text_id, title, text[at : span.end], at)
            start = i + 1


def _passage(n: int, document: str, title: str, text: str, at: int) -> Passage:
    span = Span(at, at + len(text))
    return Passage(n, document, document, 1, title, document, span, text, (), (), 1 / n, None, _FRESH)


def sentences_of(passage: Passage) -> list[Span]:
    at = passage.span.start
    return [Span(at + s.start, at + s.end) for s in sentences(passage.text)]


def _holds(passage: Passage, evidence: list[tuple[str, Span]]) -> bool:
    return _overlaps(passage.document_id, passage.span, evidence)


def _overlaps(document: str, span: Span, evidence: list[tuple[str, Span]]) -> bool:
    return any(d == document and s.start < span.end and s.end > span.start for d, s in evidence)
