"""What search and ask do with documents that have aged, as their source wants it: order, bounds, refill, traces."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from retrieval.demote import fallen, reach
from tests.retrieval.world import TENANT, World
from vouch.catalog import outbox
from vouch.catalog.database import ACROSS_TENANTS
from vouch.core import clock
from vouch.core.types import Json

DAY = 86_400
OLD = datetime(2024, 1, 1, 12, tzinfo=UTC)
NEW = datetime(2026, 2, 1, 12, tzinfo=UTC)
TODAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOTEL = "Hotel costs are reimbursed up to {} euros per night."
ROOMS = "Since this year hotel costs of longer journeys are reimbursed, whoever travels, up to 140 euros per night."
AGES = {"review_every_s": 100 * DAY, "stale_after_s": 365 * DAY, "expire_after_s": 1_500 * DAY}


def _policy(world: World, **in_search: str) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(
            sa.text("UPDATE source SET in_search = CAST(:told AS jsonb) WHERE id = 'aging'"),
            {"told": "{" + ", ".join(f'"{state}": "{done}"' for state, done in in_search.items()) + "}"},
        )


def _titles(world: World, user: str = "bob", query: str = HOTEL.format(90), **body: object) -> list[str]:
    return [hit["title"] for hit in world.search(user, query, rerank=False, **body)]


def _trace(world: World, user: str = "bob", query: str = HOTEL.format(90)) -> tuple[str, Json]:
    answer = world.post("/search", user, query=query, rerank=False).json()
    trace: Json = world.get(f"/traces/{answer['trace_id']}", user).json()
    return answer["trace_id"], trace


@pytest.fixture
def aging(empty: World) -> World:
    """What was reimbursed two years ago, and is said most like the question, before what is today."""
    empty.source("aging", **AGES)
    given: dict[str, Any] = {"source": "aging", "owner": "user:bob", "project": False}
    empty.document("Hotels of old", HOTEL.format(90), modified_at=OLD, **given)
    empty.document("Rooms", ROOMS, modified_at=NEW, **given)
    empty.document("Office", "The Berlin office opens at 8 in the morning.", modified_at=NEW, source="aging")
    return empty


def test_the_best_falls_to_the_third_place_and_no_further() -> None:
    assert fallen([True] + [False] * 20)[:4] == [1, 2, 0, 3]
    assert fallen([False, False, True] + [False] * 20).index(2) == 5
    assert fallen([False, True, False, True]) == [0, 2, 1, 3]
    assert fallen([True] * 5) == fallen([False] * 5) == [0, 1, 2, 3, 4]


def test_no_more_hits_are_needed_than_are_said_to_be() -> None:
    rng = random.Random(3)
    for size in (1, 2, 10, 40):
        worst = [True] * reach(size) + [False] * 100
        assert max(fallen(worst)[:size]) < reach(size)
        for _ in range(50):
            falls = [rng.random() < rng.random() for _ in range(reach(size) + 100)]
            assert fallen(falls)[:size] == [i for i in fallen(falls[: reach(size)]) if i < reach(size)][:size]


def test_who_says_nothing_has_everything_kept(aging: World) -> None:
    with clock.frozen(TODAY):
        assert _titles(aging) == ["Hotels of old", "Rooms", "Office"]
        _, trace = _trace(aging)
    assert trace["demoted"] == trace["dropped"] == []


def test_what_is_demoted_comes_later_with_its_score_and_says_why(aging: World) -> None:
    with clock.frozen(TODAY):
        before = {hit["title"]: hit for hit in aging.search("bob", HOTEL.format(90), rerank=False)}
        _policy(aging, stale="demote")
        hits = aging.search("bob", HOTEL.format(90), rerank=False)
        assert [hit["title"] for hit in hits] == ["Rooms", "Office", "Hotels of old"]
        assert [hit["demoted"] for hit in hits] == [None, None, "stale"]
        assert hits[2]["score"] == before["Hotels of old"]["score"] > hits[0]["score"]
        assert _titles(aging, limit=1) == ["Rooms"]  # decided before the page is cut
        _, trace = _trace(aging)
        (row,) = trace["demoted"]
        assert (row["document_id"], row["state"], row["successor"]) == (hits[2]["document_id"], "stale", None)
        assert [one["document_id"] for one in trace["candidates"]] == [hit["document_id"] for hit in hits]


def test_what_is_dropped_is_neither_found_nor_cited_and_opens_all_the_same(aging: World) -> None:
    with clock.frozen(TODAY):
        old = aging.search("bob", HOTEL.format(90), rerank=False)[0]["document_id"]
        assert "up to 90 euros" in aging.ask("bob", "Up to how much are hotel costs reimbursed?")["text"]
        _policy(aging, stale="drop")
        assert _titles(aging) == ["Rooms", "Office"]
        answer = aging.ask("bob", "Up to how much are hotel costs reimbursed?")
        assert "140" in answer["text"] and "up to 90 euros" not in answer["text"]
        card = aging.get(f"/documents/{old}", "bob")
        assert (card.status_code, card.json()["freshness"]["state"]) == (200, "stale")
        _, trace = _trace(aging)
        (row,) = trace["dropped"]
        assert (row["document_id"], row["state"], row["scores"]["dense"] > 0.9) == (old, "stale", True)


def test_a_review_restores_it_with_the_next_question_and_its_end_takes_it_again(aging: World) -> None:
    _policy(aging, stale="drop", due="demote")
    with clock.frozen(TODAY):
        assert _titles(aging) == ["Rooms", "Office"]
    _policy(aging)
    with clock.frozen(TODAY):
        old = aging.search("bob", HOTEL.format(90), rerank=False)[0]["document_id"]
        _policy(aging, stale="drop", due="demote")
        reviewed = aging.post(f"/documents/{old}/review", "bob", until="2026-12-31")
        assert reviewed.status_code == 200, reviewed.text
        assert _titles(aging) == ["Hotels of old", "Rooms", "Office"]
    with clock.frozen(datetime(2027, 1, 2, tzinfo=UTC)):  # due since its review ended, as the others are by now
        assert [hit["demoted"] for hit in aging.search("bob", HOTEL.format(90))] == ["due"] * 3


def test_of_a_source_that_is_gone_what_is_left_is_treated_as_it_says(aging: World) -> None:
    _policy(aging, source_gone="demote", expired="drop")
    with aging.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET failing_since = :at"), {"at": TODAY - timedelta(days=2)})
    with clock.frozen(TODAY):
        assert {hit["demoted"] for hit in aging.search("bob", "Hotel costs")} == {"source_gone"}
    with clock.frozen(OLD + timedelta(days=1_501)):
        assert _titles(aging) == ["Rooms", "Office"]


def test_a_page_is_as_long_as_if_what_was_dropped_had_never_been_there(aging: World) -> None:
    """Though it is far more than the index is asked for at first; and no score shows the gap."""
    _policy(aging, stale="drop")
    ids = [
        aging.document(f"Old {n}", HOTEL.format(n), source="aging", modified_at=OLD, project=n == 69) for n in range(70)
    ]
    with clock.frozen(TODAY):
        with_them = aging.search("bob", HOTEL.format(90), limit=2, mode="dense", rerank=False)
        with aging.catalog.transaction(ACROSS_TENANTS) as session:
            session.execute(sa.text("DELETE FROM document WHERE id = ANY(:ids)"), {"ids": ids})
            outbox.append(session, TENANT, "remove", ids)
        aging.projector.catch_up()
        without = aging.search("bob", HOTEL.format(90), limit=2, mode="dense", rerank=False)
    assert [hit["title"] for hit in with_them] == ["Rooms", "Office"]
    assert with_them == without


def test_what_is_superseded_and_expired_is_dropped_whoever_may_read_its_successor(aging: World) -> None:
    _policy(aging, stale="drop")
    text = f"From May on: {HOTEL.format(160)}"
    aging.document("Hotels, coming", text, source="aging", allow=("group:hr",), supersedes=["Hotels of old"])
    with clock.frozen(TODAY):
        assert _titles(aging, "bob") == ["Rooms", "Office"]
        assert sorted(_titles(aging, "alice")) == ["Hotels, coming", "Office", "Rooms"]


def test_a_superseded_document_comes_after_its_successor_for_who_may_read_that(aging: World) -> None:
    """The successor says little of hotels; it comes up, for the other falls no further than anything that falls."""
    for n in range(20):
        aging.document(f"Note {n}", f"{HOTEL.format(90)} See note {n}.", source="aging", project=False)
    text = "Rules for journeys. What may be spent is in the annex."
    aging.document("Journeys", text, source="aging", allow=("group:hr",), supersedes=["Hotels of old"])
    with clock.frozen(TODAY):
        seen = _titles(aging, "alice", limit=30)
        assert seen.index("Hotels of old") == seen.index("Journeys") + 1 <= 4
        assert _titles(aging, "bob", limit=30)[0] == "Hotels of old"
        hit = next(hit for hit in aging.search("alice", HOTEL.format(90), limit=30) if hit["title"] == "Hotels of old")
        assert hit["demoted"] == hit["freshness"]["state"] == "superseded"
        _, trace = _trace(aging, "bob")
        assert trace["demoted"] == []
        assert _titles(aging, "alice", limit=5)[0] != "Journeys"  # one that is not found moves nothing


def test_a_trace_tells_only_of_what_may_still_be_read(aging: World) -> None:
    _policy(aging, stale="drop", due="demote")
    with clock.frozen(TODAY + timedelta(days=90)):  # the new ones are due, the old one stale
        kept, trace = _trace(aging)
        assert len(trace["demoted"]) == 2 and len(trace["dropped"]) == 1
        for one in (*trace["demoted"], *trace["dropped"]):
            aging.readers(one["document_id"], ("group:hr",), project=False)
        told = aging.get(f"/traces/{kept}", "bob").json()
        assert told["demoted"] == told["dropped"] == told["candidates"] == []
        as_administrator = aging.get(f"/traces/{kept}", None, "admin").json()
        assert as_administrator["demoted"] is as_administrator["dropped"] is None
