"""The evaluation of demoting and dropping, on the small set of our own."""

from __future__ import annotations

import random
from itertools import count

import pytest

from evals import aging
from evals.datasets import RawDocument, RetrievalSet
from tests.evals import data
from vouch.gateway.embed import Embedder


def _made_of() -> RetrievalSet:
    """Each kind of question, for a kind goes by the id."""
    ids = {
        next(name for n in count() if aging.KINDS[aging._hash(name := f"{key}{n}") % 3] == kind): key
        for key, kind in zip(data.TOPICS, (*aging.KINDS, *aging.KINDS[1:]), strict=True)
    }
    documents = (
        RawDocument(key, f"{key}.txt", title, f"{text} {data.FILLER}".encode())
        for key, (title, text) in data.TOPICS.items()
    )
    queries = {name: data.QUESTIONS[key] for name, key in ids.items()}
    return RetrievalSet("small", tuple(documents), queries, {name: {key: 1} for name, key in ids.items()})


@pytest.fixture(scope="module")
def aged() -> aging.Aged:
    return aging.aged(_made_of())


def test_every_query_is_of_one_kind_and_only_its_kind_has_older_copies(aged: aging.Aged) -> None:
    assert set(aged.kinds) == set(aged.data.queries) == set(aged.data.qrels)
    ids = {one.id for one in aged.data.documents}
    for query, kind in aged.kinds.items():
        (wanted,) = aged.data.qrels[query]
        assert (wanted in aged.old) == (kind == "old alone")
        assert (f"{wanted} (older)" in ids & aged.old) == (kind == "current beside an older copy")
    assert set(aged.kinds.values()) == set(aging.KINDS)
    assert aged == aging.aged(_made_of())


def test_an_older_copy_says_other_figures() -> None:
    new = RawDocument("a", "a.txt", "Hotels", b"Up to 140 euros." + b" Ask us." * 20)
    old = aging.older(new, random.Random(1))
    assert old.id == "a (older)" and "140" not in old.data.decode() and len(old.data) < len(new.data)


@pytest.mark.parametrize("rerank", [False, True])
def test_what_is_dropped_is_never_met_and_what_is_demoted_comes_second(
    aged: aging.Aged, embedder: Embedder, rerank: bool
) -> None:
    outcomes = aging.run(aged, embedder, rerank=rerank)
    assert list(outcomes) == ["keep", *(f"demote to {float(share):.2f}" for share in aging.SHARES), "drop"]
    assert outcomes["drop"].ndcg_10["old alone"] == 0 < outcomes["demote to 0.80"].ndcg_10["old alone"]
    assert outcomes["drop"].current_first == outcomes["demote to 0.80"].current_first == 1
