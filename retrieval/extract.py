"""Extract: answer with the best-supported sentences of the evidence, verbatim, or abstain.

    passages ─▶ sentences and rows ─▶ measure ─▶ score ─▶ choose ─▶ confident? ─▶ claims, each with its quote
                                                                        └─ no ─▶ no claims, and what is missing

A superseded document is read only when nothing else answers. No model writes anything here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.extract_features import Array, Measured, Sentence, answer_features, measure
from retrieval.extract_model import Model, load
from retrieval.terms import key_terms, numbers, stems
from retrieval.types import Draft, DraftClaim, Passage, Quote
from vouch.core.sentences import ROW_SEPARATOR
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

MOST_SENTENCES = 4
WRITER = "extractive"
_SAME_COSINE = 0.93
_SAME_SHARE = 0.8
_LONGEST_LIST = 800
"""Characters of a list that is quoted with the sentence that announces it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """Indexes into ``found.sentences``, best first, their probabilities, and how likely they answer."""

    found: Measured
    chosen: tuple[int, ...]
    scores: Array
    confidence: float


def extract(
    question: str, passages: tuple[Passage, ...], embedder: Embedder, *, abstain_below: float | None = None
) -> Draft:
    """Answer ``question`` with one to four verbatim sentences of ``passages``, best document first.

    ``abstain_below`` replaces the calibrated threshold. A draft without claims abstains; ``missing`` then
    names the question's terms that no passage holds.
    """
    model = load()
    threshold = model.threshold if abstain_below is None else abstain_below
    current = tuple(p for p in passages if p.freshness.state != "superseded")
    answer = _answer(question, current, embedder, model)
    if len(current) < len(passages) and (answer is None or answer.confidence < threshold):
        older = tuple(p for p in passages if p.freshness.state == "superseded")
        fallback = _answer(question, older, embedder, model)
        if fallback is not None and fallback.confidence >= threshold:
            answer = fallback
    if answer is None:
        return Draft((), 0.0, WRITER, _missing(question, None))
    if answer.confidence < threshold:
        return Draft((), answer.confidence, WRITER, _missing(question, answer.found))
    return Draft(_claims(answer), answer.confidence, WRITER)


def choose(found: Measured, scores: Array, model: Model) -> tuple[int, ...]:
    """Indexes of the sentences to answer with, best first; near-duplicates of a better one are left out."""
    order = np.argsort(-scores, kind="stable")
    floor = max(model.keep_share * scores[order[0]], model.keep_above)
    chosen = [int(order[0])]
    for i in map(int, order[1:]):
        if len(chosen) == MOST_SENTENCES or scores[i] < floor:
            break
        if not any(_same(found, i, j) for j in chosen):
            chosen.append(i)
    return tuple(chosen)


def _answer(question: str, passages: tuple[Passage, ...], embedder: Embedder, model: Model) -> _Answer | None:
    found = measure(question, passages, embedder)
    if found is None:
        return None
    scores = model.sentence(found.features)
    chosen = choose(found, scores, model)
    return _Answer(found, chosen, scores, float(model.answer(answer_features(found, chosen))))


def _same(found: Measured, i: int, j: int) -> bool:
    """Whether two sentences say one thing. Other numbers are another statement, however alike the rest."""
    a, b = found.sentences[i].text, found.sentences[j].text
    if numbers(a) != numbers(b):
        return False
    shared, either = found.stems[i] & found.stems[j], found.stems[i] | found.stems[j]
    alike = len(shared) / len(either) if either else 1.0
    return alike >= _SAME_SHARE or float(found.vectors[i] @ found.vectors[j]) >= _SAME_COSINE


def _claims(answer: _Answer) -> tuple[DraftClaim, ...]:
    """Best document first, then in the document's own order."""
    found = answer.found
    rank: dict[str, int] = {}
    for i in answer.chosen:
        rank.setdefault(found.sentences[i].passage.document_id, len(rank))
    ordered = sorted(
        answer.chosen, key=lambda i: (rank[found.sentences[i].passage.document_id], found.sentences[i].span.start)
    )
    claims: list[DraftClaim] = []
    for i in ordered:
        sentence = found.sentences[i]
        span = _with_list(sentence)
        quote = Quote(sentence.passage.n, span, _at(sentence.passage, span))
        if not any(q.passage == quote.passage and q.span.end >= span.end for c in claims for q in c.quotes):
            claims.append(DraftClaim(quote.text, (quote,), float(answer.scores[i])))
    return tuple(claims)


def _with_list(sentence: Sentence) -> Span:
    """A sentence that announces a list (it ends with a colon) is quoted with the list, if that is short."""
    passage, span = sentence.passage, sentence.span
    if not sentence.text.endswith(":") or ROW_SEPARATOR in sentence.text:
        return span
    start = span.end - passage.span.start
    body = start + len(passage.text[start:]) - len(passage.text[start:].lstrip())
    end = passage.text.find("\n\n", body)
    end = len(passage.text.rstrip()) if end < 0 else end
    if not body < end <= start + _LONGEST_LIST:
        return span
    return Span(span.start, passage.span.start + end)


def _at(passage: Passage, span: Span) -> str:
    return passage.text[span.start - passage.span.start : span.end - passage.span.start]


def _missing(question: str, found: Measured | None) -> str | None:
    """The question's key terms that no passage holds, as the question writes them; None when all are held."""
    held = found.all_stems if found is not None else frozenset()
    return ", ".join(word for word in key_terms(question) if not stems(word) & held) or None
