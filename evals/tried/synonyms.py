"""Related words as further lexical terms: to each word of a question those whose token vectors in the packaged model
are nearest to its own, at a low weight. The vectors are fixed, so no document has a say in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import numpy as np

from evals.datasets import RetrievalSet
from evals.search import DEPTH, Ranking, Searchable, ranking, read, reranked
from evals.tried.rows import Rankings, Row, judged, questions
from retrieval.spelling import read_as
from retrieval.terms import key_terms
from vouch.core.types import IndexQuery, Matrix, SparseVector
from vouch.gateway.rerank_document import DocumentReranker
from vouch.gateway.weights import packaged_folder
from vouch.index.lexical import query_vector

TRIED = ((1, 0.1), (1, 0.3), (3, 0.1))
"""How many words to one of the question, and what each weighs where that one weighs 1."""
NEAREST = 0.5
"""Cosine below which a word is not related."""
SHORTEST = 4
_MATRIX = "embeddings.word_embeddings.weight"


def rows(found: Searchable, data: RetrievalSet, plain: Rankings) -> Iterator[Row]:
    asked, before = questions(data), judged(data, plain)
    yield Row(data.name, "no related words", before)
    for count, weight in TRIED:
        figures = judged(data, {query: _with(found, text, count, weight) for query, text in asked.items()})
        yield Row(data.name, f"{count} related, weight {weight}", figures, before)


def _with(found: Searchable, question: str, count: int, weight: float) -> Ranking:
    question = read_as(question, read(found, question))
    own = dict.fromkeys(query_vector(question).indices, 1.0)
    terms = [term for word in key_terms(question) for other in related(word.lower(), count) for term in _terms(other)]
    weighed = sorted({**dict.fromkeys(terms, weight), **own}.items())
    words = SparseVector(tuple(term for term, _ in weighed), tuple(value for _, value in weighed))
    vector = found.embedder.embed([question])[0]
    hits = found.index.search(IndexQuery(vector, words or None, DEPTH), found.access)
    return reranked(found, DocumentReranker(), question, ranking(hits, "hybrid"))


@cache
def related(word: str, count: int) -> tuple[str, ...]:
    """The words nearest to ``word``, other forms of it left out; none for a word that the model does not know whole."""
    words, vectors = _known()
    place = words.get(word)
    if place is None:
        return ()
    near = vectors @ vectors[place]
    names, own = list(words), set(_terms(word))
    ordered = (n for n in np.argsort(-near)[: 10 * count + 10] if near[n] >= NEAREST and n != place)
    return tuple(names[n] for n in ordered if own.isdisjoint(_terms(names[n])))[:count]


def _terms(word: str) -> tuple[int, ...]:
    return query_vector(word).indices


@cache
def _known() -> tuple[dict[str, int], Matrix]:
    """The model's whole words, and their token vectors at unit length."""
    pieces = (packaged_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    rows = [n for n, piece in enumerate(pieces) if piece.isalpha() and len(piece) >= SHORTEST]
    vectors = _token_vectors()[rows]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return {pieces[row]: n for n, row in enumerate(rows)}, vectors


def _token_vectors() -> Matrix:
    """As the weights have them: a length, a header in JSON, the numbers."""
    file = packaged_folder() / "model.safetensors"
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        of = json.loads(opened.read(length))[_MATRIX]
    assert of["dtype"] == "F32"
    start, end = of["data_offsets"]
    return np.fromfile(file, "<f4", (end - start) // 4, offset=8 + length + start).reshape(of["shape"])
