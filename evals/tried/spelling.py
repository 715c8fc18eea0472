"""Mistyped questions: what slips of the keyboard cost, and what reading them otherwise wins back.

The slips are seeded, in words of five letters or more. *In the hits* is what the product does; the others were tried
beside it: the words that were read for the lexical arm alone, and a fixed list of English words, the model's, ordered
by how frequent each is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from evals.datasets import RetrievalSet
from evals.search import DEPTH, Ranking, Searchable, ranking, read, reranked, texts_of
from evals.tried.rows import Rankings, Row, judged, questions
from evals.tried.typos import mistyped
from retrieval.folding import fold, pattern
from retrieval.spelling import SHORTEST, one_slip, read_as
from retrieval.types import Reading
from vouch.core.types import IndexQuery
from vouch.gateway.rerank_document import DocumentReranker
from vouch.gateway.weights import packaged_folder
from vouch.index.lexical import query_vector

SLIPS = (0, 1, 2)
Read = Callable[[Searchable, str], Sequence[Reading]]
Look = Callable[[Searchable, str, str], Ranking]
"""What is found for a question as it was typed, and as it was read."""


def rows(found: Searchable, data: RetrievalSet, _: Rankings) -> Iterator[Row]:
    """By each way, as typed and with slips. ``read``: questions read otherwise; ``right``: with the words meant."""
    meant = questions(data)
    for slips in SLIPS:
        typed = {query: mistyped(text, slips) for query, text in meant.items()}
        plain = {query: by_both(found, text, text) for query, text in typed.items()}
        before = judged(data, plain)
        yield Row(data.name, f"{slips} slips, as typed", before)
        for name, (way, look) in WAYS.items():
            seen = {query: one for query, text in typed.items() if (one := way(found, text))}
            ranked = {query: look(found, typed[query], read_as(typed[query], one)) for query, one in seen.items()}
            right = sum(all(_means(meant[query], one) for one in its) for query, its in seen.items())
            told = {"read": len(seen), "right": right}
            yield Row(data.name, f"{slips} slips, {name}", judged(data, {**plain, **ranked}), before, told)


def _means(question: str, one: Reading) -> bool:
    return pattern(one.instead).search(fold(question)) is not None


def by_both(found: Searchable, typed: str, words: str) -> Ranking:
    """Both arms go by what was read, as in the product."""
    return reranked(found, DocumentReranker(), words, ranking(found.hits(words), "hybrid"))


def by_words(found: Searchable, typed: str, words: str) -> Ranking:
    """The vector stays that of what was typed."""
    vector = found.embedder.embed([typed])[0]
    hits = found.index.search(IndexQuery(vector, query_vector(words) or None, DEPTH), found.access)
    return reranked(found, DocumentReranker(), words, ranking(hits, "hybrid"))


def in_a_list(found: Searchable, question: str) -> Sequence[Reading]:
    """A word that the list does not have and no hit holds, as the most frequent one a slip away."""
    texts = [fold(text) for text in texts_of(found, ranking(found.hits(question), "hybrid"))]
    seen: list[Reading] = []
    for word in dict.fromkeys(one for one in question.split() if one.isalpha() and len(one) >= SHORTEST):
        typed = fold(word)
        if typed in _by_frequency() or any(map(pattern(word).search, texts)):
            continue
        near = next((other for other in _by_frequency() if one_slip(typed, other)), None)
        if near is not None:
            seen.append(Reading(word, near))
    return seen


WAYS: dict[str, tuple[Read, Look]] = {
    "read in the hits": (read, by_both),
    "the same, for words alone": (read, by_words),
    "read in a list": (in_a_list, by_both),
}


@cache
def _by_frequency() -> dict[str, None]:
    """The model's whole words, which it numbers about as frequent as they are in English."""
    pieces = (packaged_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return dict.fromkeys(piece for piece in pieces if piece.isalpha() and len(piece) >= SHORTEST - 1)
