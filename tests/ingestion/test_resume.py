"""Scans that are interrupted: what was read is not read again, what is gone is found, and nothing is skipped."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from celery.exceptions import SoftTimeLimitExceeded

from ingestion import failing
from ingestion.jobs import find_job, start_sync, view
from ingestion.sources import find_source, shown
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.feed import Feed, FeedConnector
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.ledger import MAX_ATTEMPTS
from vouch.catalog.tables import Source
from vouch.core.errors import SourceRefuses, Unavailable
from vouch.core.types import Body


@pytest.fixture
def source(walk: Walk, feed: Feed) -> Source:
    return walk.add_source("feed", "feed")


def start(walk: Walk, source: Source, kind: str = "full") -> tuple[str, str]:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, stage = start_sync(session, source, kind)  # type: ignore[arg-type]
    return job_id, str(stage)


def due(catalog: Catalog) -> None:
    """Let the pause before the next try be over."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))


def live(walk: Walk) -> object:
    return walk.scalar("SELECT string_agg(external_id, ' ' ORDER BY external_id) FROM document WHERE state = 'live'")


def test_a_scan_goes_on_from_the_page_that_it_had_reached(walk: Walk, feed: Feed, source: Source) -> None:
    feed.fails_before = [(2, Unavailable("away"))]
    job_id, stage = start(walk, source)
    run_stages(walk.services, [stage])
    assert feed.pages == [0, 1]
    due(walk.services.catalog)
    job = walk.finish(job_id)
    assert feed.pages == [0, 1, 2] and job["state"] == "succeeded"
    assert job["counts"] | {"seen": 6, "new": 6, "published": 6, "deleted": 0} == job["counts"]
    assert sorted(feed.fetched) == sorted(feed.items)
    assert walk.scalar("SELECT count(*) FROM scan_point") == 0 and walk.verify().clean


def test_a_job_says_what_it_waits_for(walk: Walk, feed: Feed, source: Source) -> None:
    def waiting() -> list[dict[str, object]]:
        with walk.services.catalog.reading(TENANT) as session:
            return list(view(session, find_job(session, TENANT, job_id))["waiting"])

    feed.fails_before, feed.silent = [(0, Unavailable("The feed does not answer."))], {"2.txt", "3.txt"}
    job_id, stage = start(walk, source)
    assert waiting() == []
    run_stages(walk.services, [stage])
    [scan] = waiting()
    assert scan | {"stage": "scan", "reason": "source_unreachable", "attempts": 1, "documents": 0} == scan
    assert scan["detail"] == "The feed does not answer." and str(scan["next_at"]).endswith("Z")
    due(walk.services.catalog)
    walk.drain()
    [fetch] = waiting()
    assert fetch | {"stage": "fetch", "reason": "source_unreachable", "detail": "the feed is away"} == fetch
    assert fetch["documents"] == 2
    feed.silent = set()
    due(walk.services.catalog)
    assert walk.finish(job_id)["waiting"] == []


def test_what_is_gone_is_found_by_a_scan_in_two_parts(walk: Walk, feed: Feed, source: Source) -> None:
    walk.sync(source)
    del feed.items["5.txt"]
    feed.pages.clear()
    feed.fails_before = [(1, Unavailable("away"))]
    job_id, stage = start(walk, source)
    run_stages(walk.services, [stage])
    assert walk.scalar("SELECT cursor ->> 'next' FROM source") == "3", "of the sync before"
    due(walk.services.catalog)
    assert walk.finish(job_id)["counts"]["deleted"] == 1
    assert feed.pages == [0, 1, 2] and live(walk) == "0.txt 1.txt 2.txt 3.txt 4.txt"


def test_what_a_dead_worker_had_read_is_not_read_again(
    walk: Walk, feed: Feed, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, stage = start(walk, source)
    feed.fails_before = [(1, SystemExit("killed"))]
    with pytest.raises(SystemExit):
        run_stages(walk.services, [stage])
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET leased_until = now() - interval '1 second' WHERE state = 'leased'"))
    assert walk.finish(job_id)["state"] == "succeeded"
    assert feed.pages == [0, 1, 2] and live(walk) == " ".join(feed.items)


@pytest.mark.parametrize("error", [Unavailable("away"), SoftTimeLimitExceeded(), RuntimeError("a fault")], ids=repr)
def test_a_scan_that_comes_further_each_time_is_not_given_up(
    walk: Walk, feed: Feed, source: Source, error: BaseException
) -> None:
    feed.items = {f"{n}.txt": f"Item {n} is here." for n in range(2 * (MAX_ATTEMPTS + 3))}
    feed.fails_before = [(page, error) for page in range(1, MAX_ATTEMPTS + 3)]
    job_id, _ = start(walk, source)
    for _ in range(MAX_ATTEMPTS + 3):
        walk.drain()
        due(walk.services.catalog)
    job = walk.finish(job_id)
    assert job["state"] == "succeeded" and job["counts"]["seen"] == len(feed.items)
    assert feed.pages == list(range(MAX_ATTEMPTS + 3))


def test_one_that_does_not_is(walk: Walk, feed: Feed, source: Source) -> None:
    feed.fails_before = [(1, Unavailable("away"))] * 99
    job_id, _ = start(walk, source)
    for _ in range(MAX_ATTEMPTS + 1):
        walk.drain()
        due(walk.services.catalog)
    job = walk.finish(job_id)
    assert job["state"] == "failed" and job["errors"][-1]["reason"] == "source_unreachable"
    assert walk.scalar("SELECT count(*) FROM document") == 2


def test_nor_is_one_endless_that_names_everything_again_and_comes_no_further(
    walk: Walk, feed: Feed, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes the same checkpoints with each try, which is no progress."""
    from_cursor = FeedConnector.scan
    monkeypatch.setattr(FeedConnector, "lists_everything", True)
    monkeypatch.setattr(FeedConnector, "scan", lambda self, cursor: from_cursor(self, None))
    feed.fails_before = [(2, Unavailable("away"))] * 99
    job_id, _ = start(walk, source)
    for _ in range(MAX_ATTEMPTS + 2):
        walk.drain()
        due(walk.services.catalog)
    assert walk.finish(job_id)["state"] == "failed"


def test_a_point_that_expired_begins_anew(walk: Walk, feed: Feed, source: Source) -> None:
    feed.fails_before = [(2, Unavailable("away"))]
    job_id, stage = start(walk, source)
    run_stages(walk.services, [stage])
    feed.items = {"0.txt": "Item 0 is here."}
    due(walk.services.catalog)
    job = walk.finish(job_id)
    assert job["counts"] | {"seen": 1, "deleted": 3} == job["counts"] and live(walk) == "0.txt"


def test_access_is_as_old_as_the_first_part(walk: Walk, feed: Feed, source: Source) -> None:
    feed.fails_before = [(2, Unavailable("away"))]
    job_id, stage = start(walk, source, "access")
    run_stages(walk.services, [stage])
    due(walk.services.catalog)
    walk.finish(job_id)
    read_at = "SELECT s.acl_read_at = j.started_at FROM source s JOIN job j ON j.source_id = s.id"
    assert walk.scalar(read_at) is True


def test_a_document_that_is_not_handed_out_is_waited_for_a_while_and_tried_by_the_next_sync(
    walk: Walk, feed: Feed, source: Source
) -> None:
    feed.silent = {"3.txt"}
    job_id, _ = start(walk, source, "incremental")
    for _ in range(failing.PATIENCE):
        walk.drain()
        due(walk.services.catalog)
    job = walk.finish(job_id)
    assert job["state"] == "succeeded" and job["counts"]["published"] == 5
    [error] = job["errors"]
    assert error | {"reason": "source_unreachable", "stage": "fetch", "attempts": failing.PATIENCE} == error
    assert feed.fetched.count("3.txt") == failing.PATIENCE
    feed.silent = set()
    feed.pages.clear()
    job = walk.sync(source)
    assert feed.pages == [] and job["counts"]["published"] == 1, "the feed names nothing, and it is read all the same"
    assert live(walk) == " ".join(feed.items)
    assert walk.sync(source)["counts"]["published"] == 0
    assert walk.scalar("SELECT name FROM source WHERE tenant_id = :t", t=TENANT) == "feed"


def test_a_source_that_refuses_is_not_asked_again_and_what_it_kept_back_is_read_once_it_agrees(
    walk: Walk, feed: Feed, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.fails_before = [(0, SourceRefuses("The feed does not accept the credential.", said=401))] * 2
    job = walk.sync(source)
    assert job["state"] == "failed" and job["errors"][-1]["reason"] == "source_refuses" and len(feed.fails_before) == 1
    with walk.services.catalog.reading(TENANT) as session:
        last = shown(session, find_source(session, TENANT, source.id))["last_job"]
    assert last | {"state": "failed", "job_id": job["job_id"]} == last
    assert last["problem"] == {"reason": "source_refuses", "detail": "The feed does not accept the credential."}
    feed.fails_before = []
    with monkeypatch.context() as patched:
        patched.setattr(FeedConnector, "fetch", _refuse)
        job = walk.sync(source)
    assert {error["reason"] for error in job["errors"]} == {"source_refuses"} and job["counts"]["published"] == 0
    assert walk.sync(source)["counts"]["published"] == 6


def _refuse(connector: FeedConnector, external_id: str) -> Body:
    raise SourceRefuses("The feed does not accept the credential.", said=401)
