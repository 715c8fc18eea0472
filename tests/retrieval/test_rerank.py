"""What a reranker is shown of the candidates: those that gate 2 admitted, with the vectors that the catalog keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa

from tests.retrieval.world import World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank import Readable
from vouch.gateway.rerank_document import DocumentReranker, Signals

QUESTION = "How many weeks of paid parental leave may a parent take?"


@dataclass
class Shown:
    """Keeps what it is shown, and orders nothing."""

    by_vectors: bool = True
    seen: list[Readable] = field(default_factory=list)
    name: str = "shown"

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        self.seen += candidates
        return [candidate.fused for candidate in candidates]


def test_each_candidate_has_the_vector_of_its_text(world: World, embedder: Embedder) -> None:
    shown = Shown()
    world.use(reranker=shown)
    world.search("alice", QUESTION)
    assert {one.title for one in shown.seen} == {"Parental leave", "Travel", "Office"} and len(shown.seen) == 9
    for one in shown.seen:
        assert one.vector is not None
        assert float(one.vector @ embedder.embed([one.text])[0]) > 0.999


def test_what_the_asker_may_not_read_is_not_shown(world: World) -> None:
    hidden = world.search("alice", QUESTION)[0]["document_id"]
    shown = Shown()
    world.use(reranker=shown)
    world.search("bob", QUESTION)
    world.readers(hidden, ("group:hr",), project=False)
    world.member("hr", remove=["user:alice"])
    world.search("alice", QUESTION)
    assert len(shown.seen) == 12 and hidden not in {one.document for one in shown.seen}


def test_a_vector_that_is_not_kept_is_missing_and_the_search_goes_on(world: World) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        lost = "DELETE FROM embedding WHERE text_hash IN (SELECT text_hash FROM chunk WHERE text LIKE 'Hotel costs%')"
        session.execute(sa.text(lost))
    shown = Shown()
    world.use(reranker=shown)
    world.search("bob", "What is paid for a hotel?")
    assert [one.text.rpartition("\n")[2] for one in shown.seen if one.vector is None] == [
        "Hotel costs are reimbursed up to 140 euros per night."
    ]
    world.use(reranker=DocumentReranker(Signals(0, 0, 0, 0, 1.0)))
    assert len(world.search("bob", "What is paid for a hotel?")) == 6


def test_who_does_not_go_by_vectors_is_shown_none(world: World) -> None:
    shown = Shown(by_vectors=False)
    world.use(reranker=shown)
    world.search("bob", QUESTION)
    assert shown.seen and all(one.vector is None for one in shown.seen)


def test_a_passage_like_the_best_is_raised(world: World) -> None:
    fused = {hit["document_id"]: hit["scores"]["fused"] for hit in world.search("alice", QUESTION)}
    world.use(reranker=DocumentReranker(Signals(0, 0, 0, 0, 1.0)))
    hits = world.search("alice", QUESTION)
    scores = [hit["scores"]["rerank"] for hit in hits]
    assert fused and scores == sorted(scores, reverse=True)
    assert any(not np.isclose(hit["scores"]["rerank"], hit["scores"]["fused"]) for hit in hits)
