"""Measures of how well each sentence, and the evidence as a whole, answers a question.

The same code serves `retrieval/extract.py` and the script that fits its weights, so what is measured
when fitting is what is measured when answering.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rank_bm25 import BM25Plus

from retrieval.answer_type import expected
from retrieval.terms import stems
from retrieval.types import Passage
from vouch.core.sentences import ROW_SEPARATOR, sentences
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

Array = npt.NDArray[np.float64]

MOST_EMBEDDED = 40
"""Sentences embedded for one question, each alone and under its title and headings."""

SENTENCE_FEATURES = (
    "cosine",
    "cosine_in_context",
    "cosine_below_best",
    "cosine_of_neighbours",
    "bm25_of_best",
    "coverage",
    "coverage_in_context",
    "type_absent",
    "first_in_passage",
    "passage_rank",
    "length",
    "is_question",
)
ANSWER_FEATURES = (
    "cosine_best",
    "cosine_in_context_best",
    "cosine_mean_of_passage",
    "coverage_by_chosen",
    "coverage_by_all",
    "terms_missing",
    "bm25_of_chosen",
    "type_absent",
)

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_FEWEST_WORDS = 3
_LONGEST_HEADING = 80
_BM25_K1 = 1.5


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or table row of a passage; ``span`` is in the document's text, ``order`` counts within the passage.

    ``context`` is what it stands under: title and headings, outermost first.
    """

    passage: Passage
    span: Span
    text: str
    order: int
    context: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Candidates of one question. ``features`` has shape (sentences, len(SENTENCE_FEATURES)), ``vectors``
    (sentences, dimensions); ``weights`` is the rarity of each of the question's stems; ``stems`` are each
    sentence's, ``context_stems`` those of its title and headings, and ``all_stems`` those of every passage whole."""

    sentences: tuple[Sentence, ...]
    features: Array
    vectors: npt.NDArray[np.float32]
    weights: dict[int, float]
    stems: tuple[frozenset[int], ...]
    context_stems: tuple[frozenset[int], ...]
    all_stems: frozenset[int]


def gather(passages: Sequence[Passage]) -> list[Sentence]:
    """Every sentence that could stand in an answer: no headings, no fragments of a word or two.

    A passage made of several chunks holds headings of its own; what follows one stands under it.
    """
    found: list[Sentence] = []
    for passage in passages:
        steps = tuple(dict.fromkeys((passage.title, *passage.heading_path)))
        known = {_folded(step) for step in steps}
        context = " — ".join(steps)
        for order, span in enumerate(sentences(passage.text)):
            text = span.of(passage.text)
            if _folded(text) in known or _is_heading(passage.text, span):
                if _folded(text) not in known:
                    context = " — ".join((*steps, text))
                continue
            if ROW_SEPARATOR not in text and len(_WORD.findall(text)) < _FEWEST_WORDS:
                continue
            at = passage.span.start
            found.append(Sentence(passage, Span(at + span.start, at + span.end), text, order, context))
    return found


def measure(question: str, passages: Sequence[Passage], embedder: Embedder) -> Measured | None:
    """Embed and measure at most :data:`MOST_EMBEDDED` sentences, one batch; None when there are none."""
    everything = gather(passages)
    if not everything:
        return None
    asked = dict.fromkeys(_tokens(question))
    tokens = [_tokens(s.text) for s in everything]
    weights = _rarity(asked, tokens)
    scores = _bm25(list(asked), tokens)
    kept = _prefilter(everything, scores)
    chosen = [everything[i] for i in kept]
    contexts = [s.context for s in chosen]
    batch = [question, *(s.text for s in chosen), *(f"{c}: {s.text}" for c, s in zip(contexts, chosen, strict=True))]
    vectors = embedder.embed(batch)
    own = tuple(frozenset(tokens[i]) for i in kept)
    under = {context: stems(context) for context in set(contexts)}
    above = tuple(under[context] for context in contexts)
    cosines = (vectors[1:] @ vectors[0]).astype(np.float64).reshape(2, len(chosen))
    features = _features(question, chosen, cosines, scores[kept], _coverages(weights, own, above))
    everywhere = frozenset().union(*under.values(), *(stems(p.text) for p in passages))
    return Measured(tuple(chosen), features, vectors[1 : len(chosen) + 1], weights, own, above, everywhere)


def answer_features(found: Measured, chosen: Sequence[int]) -> Array:
    """:data:`ANSWER_FEATURES` of the sentences ``chosen`` (indexes, best first) out of ``found``; shape (n,)."""
    column = {name: found.features[:, i] for i, name in enumerate(SENTENCE_FEATURES)}
    best = chosen[0]
    same = [i for i, s in enumerate(found.sentences) if s.passage.n == found.sentences[best].passage.n]
    covered = frozenset[int]().union(*(found.stems[i] | found.context_stems[i] for i in chosen))
    total = max(len(found.weights), 1)
    return np.array(
        (
            column["cosine"].max(),
            column["cosine_in_context"].max(),
            column["cosine"][same].mean(),
            share(found.weights, covered),
            share(found.weights, found.all_stems),
            sum(stem not in found.all_stems for stem in found.weights) / total,
            share(found.weights, found.stems[best]),
            column["type_absent"][list(chosen)].min(),
        )
    )


def share(weights: dict[int, float], have: frozenset[int]) -> float:
    """The part of the question's terms, weighed by rarity, that ``have`` covers; 0 for a question without terms."""
    total = sum(weights.values())
    return sum(w for stem, w in weights.items() if stem in have) / total if total else 0.0


def _folded(text: str) -> str:
    return " ".join(text.lstrip("# ").split()).casefold()


def _is_heading(text: str, span: Span) -> bool:
    """A short line without an end mark, alone between blank lines, with something below it. It may be numbered."""
    line, start = span.of(text), text.rfind("\n", 0, span.start) + 1
    alone = (start == 0 or text.endswith("\n\n", 0, start)) and text.startswith("\n\n", span.end)
    return alone and len(line) <= _LONGEST_HEADING and line[-1] not in ".!?:;" and ": " not in line


def _features(
    question: str, chosen: Sequence[Sentence], cosines: Array, bm25: Array, coverages: tuple[Array, Array]
) -> Array:
    """Columns in the order of :data:`SENTENCE_FEATURES`. ``cosines``: shape (2, sentences), alone and in context."""
    kind = expected(question)
    absent = [kind is not None and kind.given.search(s.text) is None for s in chosen]
    columns = (
        cosines[0],
        cosines[1],
        cosines[0] - cosines[0].max(),
        _neighbours(chosen, cosines[0]),
        bm25 / max(bm25.max(), 1e-9),
        *coverages,
        np.array(absent, float),
        np.array([s.order == 0 for s in chosen], float),
        _ranks(chosen),
        np.array([math.log1p(len(_WORD.findall(s.text))) for s in chosen]),
        np.array([s.text.rstrip().endswith("?") for s in chosen], float),
    )
    return np.stack(columns, axis=1)


def _coverages(
    weights: dict[int, float], own: Sequence[frozenset[int]], above: Sequence[frozenset[int]]
) -> tuple[Array, Array]:
    alone = np.array([share(weights, a) for a in own])
    return alone, np.array([share(weights, a | b) for a, b in zip(own, above, strict=True)])


def _neighbours(chosen: Sequence[Sentence], cosines: Array) -> Array:
    """The better cosine of the sentences right before and after, 0 where neither is a candidate."""
    at = {(s.passage.n, s.order): c for s, c in zip(chosen, cosines, strict=True)}
    pairs = (((s.passage.n, s.order - 1), (s.passage.n, s.order + 1)) for s in chosen)
    return np.array([max(at.get(a, 0.0), at.get(b, 0.0)) for a, b in pairs])


def _ranks(chosen: Sequence[Sentence]) -> Array:
    """Reciprocal rank of the passage, less the mean of the passages present: 0 where there is but one."""
    reciprocal = {s.passage.n: 1 / s.passage.n for s in chosen}
    mean = sum(reciprocal.values()) / len(reciprocal)
    return np.array([reciprocal[s.passage.n] - mean for s in chosen])


@lru_cache(maxsize=50_000)
def _word_stems(word: str) -> tuple[int, ...]:
    return tuple(stems(word))


def _tokens(text: str) -> list[int]:
    return [stem for word in _WORD.findall(text) for stem in _word_stems(word)]


def _rarity(asked: Iterable[int], tokens: Sequence[Sequence[int]]) -> dict[int, float]:
    """BM25's IDF of each of the question's stems over the candidate sentences."""
    sets, count = [frozenset(t) for t in tokens], len(tokens)
    held = {stem: sum(stem in s for s in sets) for stem in asked}
    return {stem: math.log(1 + (count - n + 0.5) / (n + 0.5)) for stem, n in held.items()}


def _bm25(question: Sequence[int], tokens: Sequence[Sequence[int]]) -> Array:
    if not question or not any(tokens):
        return np.zeros(len(tokens))
    # delta=0 leaves Okapi's formula with the IDF that cannot turn negative on a handful of sentences.
    model = BM25Plus([list(t) for t in tokens], k1=_BM25_K1, delta=0)
    return np.asarray(model.get_scores(list(question)), dtype=np.float64)


def _prefilter(found: Sequence[Sentence], scores: Array) -> list[int]:
    """Indexes of the sentences worth embedding, ascending: by BM25 and by passage, reciprocal ranks added."""
    if len(found) <= MOST_EMBEDDED:
        return list(range(len(found)))
    by_score = np.empty(len(found))
    by_score[np.argsort(-scores, kind="stable")] = np.arange(len(found))
    by_passage = np.array([10.0 * (s.passage.n - 1) + s.order for s in found])
    merged = 1 / (10 + by_score) + 1 / (10 + by_passage)
    return sorted(int(i) for i in np.argsort(-merged, kind="stable")[:MOST_EMBEDDED])
