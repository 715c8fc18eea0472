"""A scan that others wait for ends its turn and goes on later: nothing is lost, doubled, or listed over and over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
import sqlalchemy as sa
from kombu.message import Message

from ingestion import work
from ingestion.doorbell import QUEUES, at_once, ring, ring_maintenance
from ingestion.jobs import cancel, find_job, retry, start_sync, view
from ingestion.stages import intake, turn
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.feed import Feed, FeedConnector
from tests.ingestion.wiki import Site, WikiConnector
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Source
from vouch.core.errors import Unavailable
from vouch.core.types import Change, Checkpoint, Json

PAGES = 40
ITEMS = 2 * PAGES


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds that a second has passed: a turn is over with the second batch, if it may be."""
    monkeypatch.setattr(turn, "SLICE_S", 0.0)
    monkeypatch.setattr(turn, "monotonic", map(float, count()).__next__)


@pytest.fixture
def source(walk: Walk, feed: Feed) -> Source:
    feed.items = {f"{n:03}.txt": f"Item {n % 3} is here." for n in range(ITEMS)}
    return walk.add_source("feed", "feed")


def start(walk: Walk, source: Source, kind: str = "full") -> tuple[str, str]:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, stage = start_sync(session, source, kind)  # type: ignore[arg-type]
    return job_id, str(stage)


def waiter(walk: Walk, name: str = "small") -> tuple[str, str]:
    """A scan of another source, which waits for as long as nobody runs it."""
    return start(walk, walk.add_source(name, "wiki", site=name, issuer=None), "incremental")


def turns(walk: Walk, stage: str, limit: int = 100) -> int:
    """Give the scan one turn after the other, until it is through. Returns how many it took."""
    for n in range(1, limit):
        run_stages(walk.services, [stage])
        state, attempts = state_of(walk, stage)
        if state == "done":
            return n
        assert (state, attempts) == ("ready", 0), "neither failed nor tried"
        assert walk.scalar("SELECT not_before > now() FROM stage WHERE id = :i", i=stage), "others go first"
        due(walk, stage)
    raise AssertionError("the scan does not come to its end")


def state_of(walk: Walk, stage: str) -> tuple[object, object]:
    return (
        walk.scalar("SELECT state FROM stage WHERE id = :i", i=stage),
        walk.scalar("SELECT attempts FROM stage WHERE id = :i", i=stage),
    )


def due(walk: Walk, stage: str) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE id = :i"), {"i": stage})


def counts(walk: Walk, job_id: str) -> Json:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        return dict(view(session, find_job(session, TENANT, job_id))["counts"])


def fetches(walk: Walk, source: Source) -> object:
    return walk.scalar("SELECT count(*) FROM stage WHERE name = 'fetch' AND source_id = :s", s=source.id)


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_a_scan_with_points_yields_and_repeats_nothing(
    walk: Walk, site: Site, feed: Feed, source: Source, kind: str
) -> None:
    waiter(walk)
    job_id, stage = start(walk, source, kind)
    assert turns(walk, stage) == PAGES / 2
    assert sorted(set(feed.pages)) == list(range(PAGES))
    assert len(feed.pages) < 2 * PAGES, "a page more than it keeps, with each turn"
    told = counts(walk, job_id)
    assert told | {"seen": ITEMS, "new": ITEMS, "changed": 0, "unchanged": 0} == told
    assert fetches(walk, source) == ITEMS and walk.scalar("SELECT count(*) FROM scan_point") == 0
    assert walk.scalar("SELECT failures FROM source WHERE id = :s", s=source.id) == 0


def test_a_scan_from_a_cursor_yields_at_what_it_saved_and_counts_on(
    walk: Walk, site: Site, feed: Feed, source: Source
) -> None:
    _, stage = start(walk, source)
    run_stages(walk.services, [stage])
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE job SET state = 'succeeded'"))
    feed.items |= {f"{n:03}.txt": f"Item {n % 3} is here." for n in range(ITEMS, 2 * ITEMS)}
    feed.pages.clear()
    waiter(walk)
    job_id, stage = start(walk, source, "incremental")
    assert turns(walk, stage) == PAGES / 2
    assert set(feed.pages) == set(range(PAGES, 2 * PAGES))
    told = counts(walk, job_id)
    assert told | {"seen": ITEMS, "new": ITEMS, "deleted": 0} == told and fetches(walk, source) == 2 * ITEMS


def test_one_that_names_everything_again_yields_ever_more_rarely(
    walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And finds what is gone, which none of its turns but the last could tell."""
    monkeypatch.setattr(intake, "BATCH", 2)
    listed: list[Change] = []
    whole = WikiConnector.scan

    def scan(self: WikiConnector, cursor: Json | None) -> Iterator[Change]:
        for change in whole(self, cursor):
            listed.append(change)
            yield change

    monkeypatch.setattr(WikiConnector, "scan", scan)
    site.pages = {f"p{n:03}": f"Text {n % 3}." for n in range(2 * ITEMS)}
    source = walk.add_source("wiki", "wiki", issuer=None)
    _, stage = start(walk, source)
    run_stages(walk.services, [stage])
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE job SET state = 'succeeded'"))
        session.execute(sa.text("UPDATE document SET state = 'live'"))
    site.pages = {f"p{n:03}": f"Text {n % 3}." for n in range(ITEMS, 3 * ITEMS)}
    listed.clear()
    waiter(walk)
    job_id, stage = start(walk, source)
    assert 3 <= turns(walk, stage) <= 7
    assert len(listed) <= 3 * 2 * ITEMS
    told = counts(walk, job_id)
    assert told | {"seen": 2 * ITEMS, "new": ITEMS, "deleted": ITEMS} == told
    assert told["seen"] == told["new"] + told["changed"] + told["unchanged"]
    twice = (
        "SELECT count(*) FROM (SELECT 1 FROM stage WHERE job_id = :j GROUP BY document_id, name HAVING count(*) > 1) x"
    )
    assert walk.scalar(twice, j=job_id) == 0


def test_one_that_kept_no_point_repeats_as_rarely(
    walk: Walk, site: Site, feed: Feed, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind that could go on from points, and tells none within its listing."""
    monkeypatch.setattr(intake, "BATCH", 2)
    whole = FeedConnector.scan
    monkeypatch.setattr(
        FeedConnector,
        "scan",
        lambda self, cursor: (x for x in whole(self, cursor) if not isinstance(x, Checkpoint)),
    )
    waiter(walk)
    job_id, stage = start(walk, source)
    assert 3 <= turns(walk, stage) <= 7 and len(feed.pages) <= 3 * PAGES
    told = counts(walk, job_id)
    assert told | {"seen": ITEMS, "new": ITEMS, "changed": 0, "unchanged": 0} == told and fetches(walk, source) == ITEMS


def test_a_turn_ends_where_the_scan_goes_on_from_or_further_than_it_ever_was(walk: Walk, site: Site) -> None:
    _, stage = waiter(walk)
    lease = Lease("t", "mine", "j", "", 0, "scan", 1, 1, {turn.YIELDED: {"slice_s": 0.0, "met": 10}})
    points = turn.Turn(walk.services, lease, anew=False)
    assert [points.over(kept=kept, met=99) for kept in (True, False, True)] == [False, False, True]
    again = turn.Turn(walk.services, lease, anew=True)
    assert [again.over(kept=True, met=met) for met in (9, 10, 11)] == [False, False, True]
    assert not turn.Turn(walk.services, replace(lease, id=stage), anew=True).over(kept=True, met=99), "the first batch"
    itself = turn.Turn(walk.services, replace(lease, id=stage), anew=False)
    assert [itself.over(kept=True, met=99) for _ in range(3)] == [False] * 3, "nobody waits but the scan itself"


def test_nobody_waits_so_nobody_yields(walk: Walk, site: Site, feed: Feed, source: Source) -> None:
    _, small = waiter(walk)
    _, stage = start(walk, source)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:  # not due, so it does not wait
        session.execute(sa.text("UPDATE stage SET not_before = now() + interval '1 h' WHERE id = :i"), {"i": small})
    assert turns(walk, stage) == 1 and feed.pages == list(range(PAGES))


def test_both_come_to_their_end_the_small_one_first(walk: Walk, site: Site, feed: Feed, source: Source) -> None:
    """Through the door that Celery's task uses, from the same message."""
    large, large_stage = start(walk, source)
    WikiConnector.sites["small"] = Site(pages={"only": "The boathouse opens at nine."})
    small, small_stage = waiter(walk)
    work.scan_turn(walk.services, [large_stage])
    if state_of(walk, small_stage)[0] == "ready":  # by lot, the large one was first
        assert state_of(walk, large_stage)[0] == "ready" and feed.pages == [0, 1, 2]
        work.scan_turn(walk.services, [large_stage])
        assert state_of(walk, small_stage)[0] == "done"
    due(walk, large_stage)
    jobs = [walk.finish(job) for job in (large, small)]
    assert [(job["state"], job["counts"]["published"]) for job in jobs] == [("succeeded", ITEMS), ("succeeded", 1)]
    assert walk.verify().clean


def test_a_message_of_many_scans_does_one_and_leaves_the_others_to_be_claimed(
    walk: Walk, site: Site, feed: Feed, source: Source
) -> None:
    stages = [start(walk, source)[1], waiter(walk)[1], waiter(walk, "other")[1]]
    work.scan_turn(walk.services, stages)
    assert walk.scalar("SELECT count(*) FROM stage WHERE name = 'scan' AND state = 'ready' AND fence = 0") == 2
    assert walk.services.redis.llen("scan") == 3, "a message each"


def test_a_try_that_failed_is_still_counted_after_a_turn(
    walk: Walk, site: Site, feed: Feed, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A yield is no success either: it takes back its own try, and no other."""
    from_cursor = FeedConnector.scan
    monkeypatch.setattr(FeedConnector, "lists_everything", True)
    monkeypatch.setattr(FeedConnector, "scan", lambda self, cursor: from_cursor(self, None))
    monkeypatch.setattr("ingestion.stages.resume.EVERY_S", 1e9)
    feed.fails_before = [(0, Unavailable("away"))]
    waiter(walk)
    _, stage = start(walk, source)
    run_stages(walk.services, [stage])
    assert state_of(walk, stage) == ("ready", 1)
    due(walk, stage)
    run_stages(walk.services, [stage])
    assert state_of(walk, stage) == ("ready", 1) and feed.pages[-1] < PAGES - 1


def test_what_is_cancelled_and_tried_again_begins_anew(walk: Walk, site: Site, feed: Feed, source: Source) -> None:
    waiter(walk)
    job_id, stage = start(walk, source, "incremental")
    run_stages(walk.services, [stage])
    assert walk.scalar("SELECT result ? 'yielded' FROM stage WHERE id = :i", i=stage) is True
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        cancel(session, TENANT, job_id)
        retry(session, TENANT, job_id)
    assert walk.scalar("SELECT result ? 'yielded' FROM stage WHERE id = :i", i=stage) is False


def test_a_scan_is_begun_although_documents_wait(walk: Walk) -> None:
    """What a worker takes first from its queues; compaction, which may take long, comes after all documents."""
    bell = walk.services.bell
    ring_maintenance(bell)
    ring(bell, "fetch", [f"f{n}" for n in range(3 * at_once("fetch"))])
    ring(bell, "embed", ["e"])
    ring(bell, "scan", ["s", "t"])
    bell.amqp.queues.select(list(QUEUES))
    taken: list[str] = []
    with (
        bell.connection_for_read() as connection,
        bell.amqp.TaskConsumer(connection.channel(), callbacks=[lambda _, message: _take(taken, message)]),
    ):
        while len(taken) < 7:
            connection.drain_events(timeout=10)
    assert taken == [f"ingestion.{name}" for name in ("scan", "scan", "embed", "fetch", "fetch", "fetch", "maintain")]


def _take(taken: list[str], message: Message) -> None:
    taken.append(message.headers["task"])
    message.ack()
