"""Search: what comes back, in what order, from which documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.retrieval.world import World


def titles(hits: list[dict[str, object]]) -> list[object]:
    return [hit["title"] for hit in hits]


def test_the_best_passage_is_first_and_its_text_stands_at_its_span(world: World) -> None:
    hit = world.search("alice", "how long is parental leave?")[0]
    assert hit["title"] == hit["external_id"] == "Parental leave"
    text = world.get(f"/documents/{hit['document_id']}/text", "alice").json()["text"]
    assert text[hit["span"]["start"] : hit["span"]["end"]] == hit["text"]
    assert hit["scores"].keys() == {"dense", "lexical", "fused", "rerank"}
    assert hit["freshness"]["state"] == "fresh"
    assert (hit["version"], hit["source_id"], hit["place"][:9]) == (1, "docs", "paragraph")


@pytest.mark.parametrize(("mode", "absent"), [("dense", "lexical"), ("lexical", "dense")])
def test_a_mode_searches_one_arm_alone(world: World, mode: str, absent: str) -> None:
    hits = world.search("bob", "hotel costs per night", mode=mode, rerank=False)
    assert hits[0]["title"] == "Travel"
    assert {hit["scores"][absent] for hit in hits} == {None}


def test_without_rerank_the_fused_score_orders(world: World) -> None:
    hits = world.search("bob", "hotel costs per night", rerank=False)
    assert [hit["score"] for hit in hits] == [hit["scores"]["fused"] for hit in hits]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert {hit["scores"]["rerank"] for hit in hits} == {None}


def test_stop_words_alone_find_nothing_lexically_and_do_not_fail(world: World) -> None:
    assert world.search("bob", "the of and", mode="lexical") == []


def test_the_limit_holds_and_the_page_is_full(world: World) -> None:
    for limit in (1, 4, 6):
        assert len(world.search("bob", "the desk", limit=limit)) == limit
    assert len(world.search("bob", "the desk", limit=100)) == 6


def test_filters_narrow(world: World) -> None:
    world.source("wiki")
    world.document(
        "Wiki", "The travel desk is on the ground floor.", source="wiki", modified_at=datetime(2025, 5, 1, tzinfo=UTC)
    )
    assert titles(world.search("bob", "travel desk", filter={"source": ["wiki"]})) == ["Wiki"]
    assert titles(world.search("bob", "travel desk", filter={"modified_after": "2025-04-30T00:00:00Z"})) == ["Wiki"]
    assert world.search("bob", "travel desk", filter={"modified_before": "1969-01-01T00:00:00Z"}) == []
    assert world.search("bob", "travel desk", filter={"mime": "application/pdf"}) == []
    assert world.search("bob", "travel desk", filter={"source": ["nowhere"]}) == []


def test_hidden_documents_leave_no_mark_on_hits_or_scores(world: World) -> None:
    secret = world.document("Secret travel", "Hotel costs per night of the board: 900 euros.", allow=("group:hr",))
    with_it = world.search("bob", "hotel costs per night")
    world.forget(secret)
    assert with_it == world.search("bob", "hotel costs per night")


def test_what_gate_two_refuses_leaves_no_mark_on_order_or_fused_scores(world: World) -> None:
    secret = world.document("Secret travel", "Hotel costs per night of the board: 900 euros.")
    world.readers(secret, ("group:hr",), project=False)  # the index still believes that Bob may read it
    fields = ("document_id", "text", "score")
    with_it = [[hit[f] for f in fields] for hit in world.search("bob", "hotel costs per night", rerank=False)]
    world.forget(secret)
    assert with_it == [[hit[f] for f in fields] for hit in world.search("bob", "hotel costs per night", rerank=False)]


def test_an_old_version_still_in_the_index_is_dropped_and_is_no_alarm(world: World) -> None:
    travel = world.search("bob", "hotel costs per night")[0]["document_id"]
    world.publish(travel, "Hotel costs are reimbursed up to 170 euros per night.", project=False)
    response = world.post("/search", "bob", query="hotel costs per night").json()
    assert travel not in {hit["document_id"] for hit in response["hits"]}
    trace = world.get(f"/traces/{response['trace_id']}", "bob", "ask", "act_as", "admin").json()
    assert (trace["outdated"], trace["refused"]) == (3, [])
    world.projector.catch_up()
    assert "170" in world.search("bob", "hotel costs per night")[0]["text"]
