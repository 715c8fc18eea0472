"""What was asked is kept for so long and no longer: trace, answer, citations, feedback and conversation together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from acl.audit_verify import verify
from tests.retrieval.world import TENANT, World, open_world
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.retention import Forgotten, forget
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.gateway.embed import Embedder

QUESTION = "Up to how much are hotel costs reimbursed per night?"
TABLES = ("trace", "answer", "citation", "feedback", "conversation")
DAY = timedelta(days=1)


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    for world in open_world(catalog, embedder, tmp_path):
        world.document("Travel", "Hotel costs are reimbursed up to 140 euros per night.")
        yield world


def _counts(world: World, tenant: str = TENANT) -> list[int]:
    with world.catalog.reading(tenant) as session:
        return [session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES]


def _age(world: World, days: int, trace_id: str) -> None:
    """As if it had been asked so many days earlier."""
    with world.catalog.transaction(TENANT) as session:
        for table, key in (("trace", "id"), ("answer", "trace_id")):
            earlier = f"UPDATE {table} SET created_at = created_at - make_interval(days => :days) WHERE {key} = :id"
            session.execute(sa.text(earlier), {"days": days, "id": trace_id})


def _forget(world: World, most: int = 100, tenant: str = TENANT) -> Forgotten:
    with world.catalog.transaction(tenant) as session:
        return forget(session, tenant, clock.now() - DAY, most)


def test_what_is_old_goes_together_and_what_is_not_stays(world: World) -> None:
    old = world.ask("alice", QUESTION, conversation_id="ended")
    going_on = world.ask("alice", QUESTION, conversation_id="going on")
    fresh = world.ask("alice", QUESTION, conversation_id="going on")
    searched = world.post("/search", "alice", query="hotel").json()["trace_id"]
    for answer in (old, fresh):
        assert world.post(f"/answers/{answer['answer_id']}/feedback", "alice", helpful=True).status_code == 204
    for trace_id in (old["trace_id"], going_on["trace_id"], searched):
        _age(world, 2, trace_id)
    with world.catalog.reading(TENANT) as session:
        audited = session.execute(sa.text("SELECT count(*) FROM audit_entry")).scalar_one()
    assert _counts(world) == [4, 3, 3, 2, 2]

    assert _forget(world) == Forgotten(3, 2, more=False)
    assert _counts(world) == [1, 1, 1, 1, 1]
    for path in (f"/answers/{old['answer_id']}", f"/traces/{old['trace_id']}", "/conversations/ended",
                 f"/traces/{searched}"):  # fmt: skip
        gone, never = world.get(path, "alice"), world.get(path[:-4] + "none", "alice")
        assert gone.status_code == never.status_code == 404 and gone.json()["code"] == never.json()["code"]
    assert world.get(f"/answers/{fresh['answer_id']}", "alice").status_code == 200
    (left,) = world.get("/conversations/going on", "alice").json()["questions"]
    assert left["answer_id"] == fresh["answer_id"]
    with world.catalog.reading(TENANT) as session:
        assert session.execute(sa.text("SELECT count(*) FROM audit_entry")).scalar_one() >= audited
        assert world.catalog.audit_key is not None
        assert verify(session, TENANT, [world.catalog.audit_key], ()).broken == ()
    assert _forget(world) == Forgotten(0, 0, more=False)


def test_batches_are_small_and_never_part_an_answer_from_its_trace(world: World) -> None:
    for days in (9, 8, 7, 6, 5):
        _age(world, days, world.ask("alice", QUESTION)["trace_id"])
        _age(world, days, world.post("/search", "alice", query="hotel").json()["trace_id"])
    kept = world.ask("alice", QUESTION)["answer_id"]
    batches = []
    while not batches or batches[-1].more:
        batches.append(_forget(world, most=2))
        with world.catalog.reading(TENANT) as session:
            parted = "SELECT count(*) FROM answer a WHERE NOT EXISTS (SELECT 1 FROM trace t WHERE t.id = a.trace_id)"
            assert session.execute(sa.text(parted)).scalar_one() == 0
    assert [gone.traces for gone in batches] == [2, 2, 2, 2, 2, 0]
    assert _counts(world)[:2] == [1, 1] and world.get(f"/answers/{kept}", "alice").status_code == 200


def test_an_answer_whose_trace_is_gone_already_goes_too(world: World) -> None:
    answer = world.ask("alice", QUESTION)
    _age(world, 2, answer["trace_id"])
    with world.catalog.transaction(TENANT) as session:
        session.execute(sa.text("DELETE FROM trace"))
    assert _forget(world) == Forgotten(0, 1, more=False) and _counts(world) == [0] * 5


def test_another_tenants_are_not_touched(world: World) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="rival", name="Rival"))
    _age(world, 2, world.ask("alice", QUESTION)["trace_id"])
    assert _forget(world, tenant="rival") == Forgotten(0, 0, more=False)
    assert _counts(world)[:2] == [1, 1]


def test_a_conversation_that_is_gone_on_with_at_this_moment_stays(world: World) -> None:
    """Whoever asks holds its row until their answer is there; the sweep waits for it, and then sees the answer."""
    old = world.ask("alice", QUESTION, conversation_id="talk")
    _age(world, 2, old["trace_id"])
    swept = threading.Thread(target=_forget, args=(world,))
    with world.catalog.transaction(TENANT) as asking:
        asking.execute(sa.text("UPDATE conversation SET user_id = user_id"))
        copied = (
            "INSERT INTO answer SELECT (jsonb_populate_record(a, jsonb_build_object("
            "'id', 'next', 'trace_id', 'next', 'created_at', now()))).* FROM answer a"
        )
        asking.execute(sa.text(copied))
        swept.start()
        _until_waiting(world)
    swept.join()
    assert [one["answer_id"] for one in world.get("/conversations/talk", "alice").json()["questions"]] == ["next"]


def _until_waiting(world: World) -> None:
    """Until some transaction waits for a lock of another."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    while True:
        with world.catalog.reading(ACROSS_TENANTS) as session:
            if session.execute(sa.text(waits)).scalar_one():
                return
