"""Nobody waits behind a backlog: claims go round the tenants and their sources, in proportion to priority."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingestion import convoy, work
from ingestion.doorbell import BATCH, beside, ring
from ingestion.jobs import start_sync
from ingestion.places import scan_place
from ingestion.services import Services
from ingestion.sources import find_source
from ingestion.stages.step import Sized
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.wiki import Site, WikiConnector
from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.ledger import Lease
from vouch.catalog.turns import claim_in_turn

BACKLOG = 4000
TENANTS = "INSERT INTO tenant (id, name, authz_epoch, history_from) VALUES ('a', 'A', 1, 1), ('b', 'B', 1, 1)"
_SOURCE = "INSERT INTO source (tenant_id, id, name, kind, priority, state) VALUES (:t, :s, :s, 'push', :p, 'active')"


@pytest.fixture
def queue(catalog: Catalog) -> Catalog:
    """Tenant ``a`` has a backlog of thousands; after it come ten documents of another source, of another tenant ten,
    and ten pushes, each a job of its own."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text(TENANTS))
    wait(catalog, "a", "big", BACKLOG)
    wait(catalog, "a", "small", 10)
    wait(catalog, "b", "theirs", 10)
    wait(catalog, "a", "pushed", 10, name="parse", jobs=10)
    return catalog


def wait(
    catalog: Catalog, tenant: str, source: str, count: int, *, name: str = "fetch", jobs: int = 1, priority: str = ""
) -> None:
    """Stages that wait, made after all that wait already."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        values = {"t": tenant, "s": source, "n": count, "name": name, "jobs": jobs, "p": priority or "normal"}
        session.execute(sa.text(_SOURCE), values)
        session.execute(
            sa.text(
                "INSERT INTO job (tenant_id, id, source_id, kind, state, scanned)"
                " SELECT :t, concat(CAST(:s AS text), n), :s, 'full', 'running', true"
                " FROM generate_series(1, :jobs) n"
            ),
            values,
        )
        before = session.execute(sa.text("SELECT count(*) FROM stage")).scalar_one()
        session.execute(
            sa.text(
                "INSERT INTO stage"
                " (tenant_id, id, job_id, source_id, document_id, name, version, state, attempts, fence)"
                " SELECT :t, to_char(:before + n, 'FM00000000'), concat(CAST(:s AS text), 1 + n % :jobs), :s,"
                " concat('d', n), :name, 0, 'ready', 0, 0 FROM generate_series(1, :n) n"
            ),
            {**values, "before": before},
        )


def turn(catalog: Catalog, count: int = BATCH, *names: str) -> list[Lease]:
    with catalog.transaction(ACROSS_TENANTS) as session:
        return claim_in_turn(session, names or beside("fetch"), count, 30)


def sources(catalog: Catalog, leases: list[Lease]) -> Counter[str]:
    with catalog.reading(ACROSS_TENANTS) as session:
        rows = session.execute(
            sa.text("SELECT source_id FROM stage WHERE id = ANY(:ids)"), {"ids": [lease.id for lease in leases]}
        )
        return Counter(rows.scalars())


def test_small_sources_are_done_after_a_few_claims_and_not_after_the_backlog(queue: Catalog) -> None:
    done: Counter[str] = Counter()
    for _ in range(3):
        claimed = turn(queue)
        assert len(claimed) == BATCH
        done += sources(queue, claimed)
    assert (done["small"], done["theirs"], done["pushed"]) == (10, 10, 10)
    assert done["big"] == 3 * BATCH - 30, "what the others do not need is the backlog's"


def test_who_has_few_can_be_asked_for_alone(queue: Catalog) -> None:
    names = (*beside("fetch"), "embed", "publish")
    with queue.transaction(ACROSS_TENANTS) as session:
        claimed = claim_in_turn(session, names, BATCH, 30, few_alone=True)
    assert sources(queue, claimed) == {"small": 10, "theirs": 10, "pushed": 10}
    wait(queue, "a", "half", 17)
    with queue.transaction(ACROSS_TENANTS) as session:
        more = (
            "INSERT INTO stage (tenant_id, id, job_id, source_id, document_id, name, version, state, attempts, fence)"
        )
        session.execute(
            sa.text(
                f"{more} SELECT tenant_id, 'x' || id, job_id, source_id, document_id, 'embed', 0, 'ready', 0, 0"
                " FROM stage WHERE source_id = 'half'"
            )
        )
        assert claim_in_turn(session, names, BATCH, 30, few_alone=True) == [], "34 in all, of two kinds"
        assert len(claim_in_turn(session, ["embed"], BATCH, 30, few_alone=True)) == 17


def test_everything_is_claimed_once_and_nothing_is_left(queue: Catalog) -> None:
    seen: list[str] = []
    while claimed := turn(queue, 500):
        seen += [lease.id for lease in claimed]
    assert len(seen) == len(set(seen)) == BACKLOG + 30


def test_claims_of_one_stage_are_fair_too(queue: Catalog) -> None:
    """As when every message is of a single push. By chance: 200 draws leave a waiting source out once in 10^10."""
    done: Counter[str] = Counter()
    for _ in range(200):
        done += sources(queue, turn(queue, 1))
    assert (done["small"], done["theirs"], done["pushed"]) == (10, 10, 10)


def test_a_higher_priority_gets_more_turns_and_a_lower_one_some(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text(TENANTS))
    for priority in ("low", "normal", "high"):
        wait(catalog, "a", priority, 300, priority=priority)
    wait(catalog, "b", "theirs", 300)
    claimed = sources(catalog, turn(catalog, 280))
    assert claimed["theirs"] == pytest.approx(140, abs=2), "a tenant's priorities are among its own sources"
    for priority, share in (("low", 20), ("normal", 40), ("high", 80)):
        assert claimed[priority] == pytest.approx(share, abs=3)


def test_what_is_not_due_or_was_tried_or_cancelled_is_in_no_turn(queue: Catalog) -> None:
    with queue.transaction(ACROSS_TENANTS) as session:
        for change in (
            "attempts = 1 WHERE source_id = 'big'",
            "not_before = now() + interval '1 h' WHERE source_id = 'small'",
            "state = 'waiting' WHERE source_id = 'theirs'",
        ):
            session.execute(sa.text(f"UPDATE stage SET {change}"))
        session.execute(sa.text("UPDATE job SET state = 'cancelled' WHERE source_id = 'pushed' AND id <> 'pushed1'"))
    assert set(sources(queue, turn(queue, 5000))) == {"pushed"}
    assert turn(queue) == []


def test_more_sources_than_one_claim_looks_at_all_get_their_turns(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text(TENANTS))
    for n in range(90):
        wait(catalog, "a", f"s{n:02}", 3)
    seen = 0
    while claimed := turn(catalog):
        seen += len(claimed)
    assert seen == 270


DONE = "SELECT count(*) FROM stage WHERE name = 'chunk' AND state = 'done'"


def test_who_has_few_documents_is_done_to_the_end_before_the_backlog_goes_on(walk: Walk, site: Site) -> None:
    """Through the door that Celery's tasks use: both sources are rung for, the small one last."""
    rung = backlog_and_small(walk, site)
    work.take_turn(walk.services, "fetch", rung[:BATCH])
    assert walk.scalar(DONE) == BATCH + 1
    small = "source_id = (SELECT id FROM source WHERE name = 'small')"
    assert walk.scalar(f"SELECT string_agg(name || ' ' || state, ', ' ORDER BY id) FROM stage WHERE {small}") == (
        "scan done, fetch done, parse done, chunk done, embed done, publish waiting"
    ), "the rest is the projector's"


def test_who_has_few_documents_is_let_by_in_the_midst_of_a_message(
    walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[str] = []
    chunk = convoy.STEP["chunk"]

    def comes_late(services: Services, lease: Lease, found: object) -> Sized | None:
        finished.append(lease.document_id)
        if len(finished) == 2:
            ring_for_scans(walk, "small")
        made: Sized | None = chunk.make(services, lease, found)
        return made

    monkeypatch.setattr(convoy, "SLICE_S", math.inf)
    site.pages = {f"p{n:03}": f"Page {n} of many." for n in range(120)}
    WikiConnector.sites["small"] = Site(pages={"only": "The boathouse opens at nine."})
    rung = ring_for_scans(walk, walk.add_source("big", "wiki", issuer=None).name)
    walk.add_source("small", "wiki", site="small", issuer=None)
    monkeypatch.setitem(convoy.STEP, "chunk", replace(chunk, make=comes_late))
    work.take_turn(walk.services, "fetch", rung[:BATCH])
    small = walk.scalar("SELECT id FROM document WHERE title = 'only'")
    assert finished.index(str(small)) == work.AT_A_TIME and len(finished) == BATCH + 1


def test_many_who_have_few_do_not_keep_a_backlog_waiting_for_good(walk: Walk, site: Site) -> None:
    rung = backlog_and_small(walk, site)
    names = [f"s{n}" for n in range(12)]
    for name in names:
        WikiConnector.sites[name] = Site(pages={f"{name}-{n}": f"Boat {n} of {name}." for n in range(30)})
        walk.add_source(name, "wiki", site=name, issuer=None)
    ring_for_scans(walk, *names)
    work.take_turn(walk.services, "fetch", rung[:1])
    assert BATCH < int(str(walk.scalar(DONE))) < 12 * 30, "its turn comes before all of theirs are done"


def test_a_message_ends_early_for_a_scan_that_nobody_has_looked_at(
    walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convoy, "SLICE_S", math.inf)
    site.pages = {f"p{n:03}": f"Page {n} of many." for n in range(80)}
    rung = ring_for_scans(walk, walk.add_source("big", "wiki", issuer=None).name)
    ring(walk.services.bell, "scan", ["of another"])
    walk.services.redis.delete("documents")
    work.take_turn(walk.services, "fetch", rung[:BATCH])
    assert walk.scalar(DONE) == work.AT_A_TIME
    assert walk.services.redis.llen("documents") == 1, "for what is left"
    untried = "name = 'fetch' AND state = 'ready' AND attempts = 0 AND leased_until IS NULL"
    assert walk.scalar(f"SELECT count(*) FROM stage WHERE {untried}") == 80 - work.AT_A_TIME
    walk.services.redis.delete("scan")
    work.take_turn(walk.services, "fetch", rung[:BATCH])
    assert walk.scalar(DONE) == work.AT_A_TIME + BATCH


def backlog_and_small(walk: Walk, site: Site) -> list[str]:
    """A source of many documents and one of a single one, both scanned. The fetch stages, as they were rung for."""
    site.pages = {f"p{n:03}": f"Page {n} of many." for n in range(120)}
    WikiConnector.sites["small"] = Site(pages={"only": "The boathouse opens at nine."})
    walk.add_source("big", "wiki", issuer=None)
    walk.add_source("small", "wiki", site="small", issuer=None)
    return ring_for_scans(walk, "big", "small")


def ring_for_scans(walk: Walk, *names: str) -> list[str]:
    """Scan the sources one after the other; the fetch stages, in the order in which they are rung for."""
    for name in names:
        with walk.services.catalog.transaction(TENANT) as session:
            _, stage = start_sync(session, find_source(session, TENANT, name), "incremental")
        work.scan_turn(walk.services, [stage or ""])
    walk.services.redis.delete("scan")  # messages for scans that are done: a worker would have looked at them
    with walk.services.catalog.reading(TENANT) as session:
        return list(session.execute(sa.text("SELECT id FROM stage WHERE name = 'fetch' ORDER BY id")).scalars())


def test_what_is_done_together_is_taken_as_a_whole_batch_whoever_rang(walk: Walk, site: Site) -> None:
    site.pages = {f"p{n:02}": f"Page {n} of many." for n in range(BATCH + 8)}
    walk.add_source("wiki", "wiki", issuer=None)
    ids = ring_for_scans(walk, "wiki")
    for start in range(0, len(ids), 8):
        work.take_turn(walk.services, "fetch", ids[start : start + 8])
    with walk.services.catalog.reading(TENANT) as session:
        ready = list(session.execute(sa.text("SELECT id FROM stage WHERE name = 'embed'")).scalars())
    assert len(ready) == BATCH + 8
    work.take_turn(walk.services, "embed", ready[:8])
    assert walk.scalar("SELECT count(*) FROM stage WHERE name = 'publish' AND state = 'ready'") == BATCH


def test_what_was_tried_before_is_done_alone(walk: Walk, site: Site) -> None:
    site.pages = {f"p{n}": "Text." for n in range(5)}
    walk.add_source("wiki", "wiki", issuer=None)
    ids = ring_for_scans(walk, "wiki")
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE stage SET attempts = 1 WHERE id = :i"), {"i": ids[3]})
    work.take_turn(walk.services, "fetch", [ids[3]])
    done = "SELECT id FROM stage WHERE name = 'fetch' AND state = 'done'"
    assert walk.scalar(done) == ids[3]


def test_scans_never_take_every_process(walk: Walk, site: Site, tmp_path: Path) -> None:
    walk.add_source("wiki", "wiki", issuer=None)
    settings = walk.services.settings
    assert (settings.worker_processes, settings.scan_places) == (2, 1)
    with scan_place(settings.data_dir / "scans", 1) as free:
        assert free
        assert ring_for_scans(walk, "wiki") == [] and site.scans == 0
    assert walk.scalar("SELECT state FROM stage WHERE name = 'scan'") == "ready", "not tried, so nothing is counted"
    stage = str(walk.scalar("SELECT id FROM stage WHERE name = 'scan'"))
    walk.services.redis.delete("scan")
    work.scan_turn(walk.services, [stage])
    assert site.scans == 1
    assert walk.services.redis.llen("scan") == 1, "whoever found no place meanwhile is rung for"
    work.scan_turn(walk.services, [stage])
    assert walk.services.redis.llen("scan") == 1, "and nobody when there was nothing to do"
    with scan_place(tmp_path, 2) as first, scan_place(tmp_path, 2) as second, scan_place(tmp_path, 2) as third:
        assert (first, second, third) == (True, True, False)


def test_every_stage_has_a_queue_to_take_turns_in() -> None:
    assert {name for stage in ledger.STAGES for name in beside(stage)} == set(ledger.STAGES)
    assert set(beside("parse")) == {"fetch", "parse", "chunk"} and beside("publish") == ("publish",)
