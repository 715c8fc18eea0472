"""Dated documents that disagree, planted by rule: is a reader shown both, and the newer one first?

Of XQuAD's questions whose answer is a figure, each is shown a second document beside the one that answers: its copy,
dated up to two years before or after, in which that figure is another. In one of three the figure is left as it is
and a sentence is added, so that the two documents agree: a conflict that is told there is a false one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from evals.answer_items import AnswerItem, searched, sentences_of
from evals.datasets import Evidence, SpanSet
from evals.judged.outcome import Outcome
from retrieval.types import Passage
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

_FIGURE = re.compile(r"\d[\d,.]*")
_WRITTEN = datetime(2024, 3, 1, tzinfo=UTC)
_AGREEING = " The editors have looked this page over."
_MOST_DAYS = 730


@dataclass(frozen=True, slots=True)
class Planted:
    """A question of two documents. ``pair``: what they say differently, the newer first; None where they agree."""

    item: AnswerItem
    pair: tuple[Evidence, Evidence] | None


def planted(data: SpanSet, embedder: Embedder, *, seed: int) -> Iterator[Planted]:
    """Of ``data``, whose evidence is the few words that answer."""
    rng = random.Random(seed)  # noqa: S311
    for item in searched(data, embedder, most=len(data.spans), seed=seed):
        spans = data.spans[item.id]
        if not item.answerable or len(spans) != 1 or len(item.gold) != 1:
            continue
        document, span = spans[0]
        number, sentence = next(iter(item.gold))
        figure = _FIGURE.search(span.of(item.texts[document]))
        if figure is not None and sentence.start <= span.start and span.end <= sentence.end:
            at = Span(span.start + figure.start(), span.start + figure.end())
            yield _planted(item, number, (sentence, at), rng)


def told(one: Planted, found: Outcome) -> dict[str, float]:
    """The measures of this set: ``conflict_shown`` and, where it is, ``newer_first``; or ``false_conflict``."""
    if one.pair is None:
        return {"false_conflict": float(bool(found.conflicts))}
    shown = next((pair for pair in found.conflicts if _same(pair, one.pair) or _same(pair[::-1], one.pair)), None)
    if shown is None:
        return {"conflict_shown": 0.0}
    read = found.cited.index(shown[0]) < found.cited.index(shown[1])
    return {"conflict_shown": 1.0, "newer_first": float(_same(shown, one.pair) and read)}


def _planted(item: AnswerItem, number: int, where: tuple[Span, Span], rng: random.Random) -> Planted:
    sentence, figure = where
    original = next(one for one in item.passages if one.n == number)
    agrees = rng.random() < 1 / 3
    text = original.text + _AGREEING if agrees else _changed(original, figure)
    days = rng.randrange(1, _MOST_DAYS) * rng.choice((-1, 1))
    copy = replace(
        original,
        document_id=f"{original.document_id} copy for {item.id}",
        title=f"{original.title} (another page)",
        span=Span(0, len(text)),
        text=text,
        modified_at=_WRITTEN + timedelta(days=days),
    )
    ours = Evidence(original.document_id, sentence)
    theirs = Evidence(copy.document_id, Span(sentence.start - original.span.start, sentence.end - original.span.start))
    shown = [replace(one, modified_at=_WRITTEN) for one in item.passages]
    shown.insert(rng.randrange(len(shown) + 1), copy)
    pair = (theirs, ours) if days > 0 else (ours, theirs)
    return Planted(_item(item, shown, text, (ours, theirs)), None if agrees else pair)


def _changed(passage: Passage, figure: Span) -> str:
    """The passage's text with the figure's last digit another one."""
    at = next(n for n in range(figure.end - 1, figure.start - 1, -1) if passage.text[n - passage.span.start].isdigit())
    at -= passage.span.start
    return f"{passage.text[:at]}{(int(passage.text[at]) + 3) % 10}{passage.text[at + 1 :]}"


def _item(item: AnswerItem, shown: Sequence[Passage], text: str, marked: tuple[Evidence, Evidence]) -> AnswerItem:
    passages = tuple(replace(one, n=n) for n, one in enumerate(shown, 1))
    sentences = tuple((one.n, span) for one in passages for span in sentences_of(one))
    number = {one.document_id: one.n for one in passages if _shows(one, marked)}
    gold = frozenset((number[place.document], place.span) for place in marked)
    texts = {**item.texts, marked[1].document: text}
    return replace(item, passages=passages, sentences=sentences, gold=gold, texts=texts)


def _shows(passage: Passage, marked: tuple[Evidence, Evidence]) -> bool:
    return any(
        passage.document_id == place.document
        and passage.span.start <= place.span.start
        and place.span.end <= passage.span.end
        for place in marked
    )


def _same(pair: tuple[Evidence, ...], wanted: tuple[Evidence, ...]) -> bool:
    return all(
        a.document == b.document and a.span.start < b.span.end and b.span.start < a.span.end
        for a, b in zip(pair, wanted, strict=True)
    )
