"""A document's walk, from a folder to the index and out again: what changes, and above all what does not."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from acl.compile import compile_filter, compile_payload
from acl.resolve import resolve
from ingestion import push, sources
from ingestion.delete import collect_blobs
from ingestion.jobs import cancel, retry, start_sync
from ingestion.sources import purge_deleted
from ingestion.stages.scan import scan
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog import ledger
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import Document
from vouch.core.errors import BadConfig, Conflict, LeaseLost, NotFound
from vouch.core.ids import point_id
from vouch.core.types import Body, Clause, IndexQuery
from vouch.index.lexical import query_vector
from vouch.index.points import points_of, visible_versions
from vouch.index.protocol import RemoveVersions, UpsertPoints

STAFF = (Clause(frozenset({"group:staff"})),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "staff").mkdir(parents=True)
    (root / "inbox").mkdir()
    (root / "staff" / ".vouch.yaml").write_text("access: {allow: [group:staff]}\nowner: user:alice\n")
    (root / "staff" / "leave.md").write_text(
        "# Leave\n\nEveryone has 27 days of annual leave.\n\n## Carry over\n\nFive days.\n"
    )
    (root / "staff" / "travel.txt").write_text("The hotel limit is 165 pounds a night.")
    (root / "inbox" / "stray.md").write_text("# Stray\n\nNobody said who may read this.")
    return root


def _found(walk: Walk, text: str, user: str = "user:alice") -> set[str]:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        access = compile_filter(resolve(session, TENANT, user))
        hits = walk.index.search(IndexQuery(None, query_vector(text), 10), access).lexical
        return {session.get_one(Document, (TENANT, hit.document_id)).external_id for hit in hits}


def test_a_folder_becomes_searchable_under_its_rules(walk: Walk, folder: Path) -> None:
    job = walk.sync(walk.add_source(path=str(folder)))
    assert job["state"] == "succeeded"
    assert job["counts"] | {"seen": 3, "new": 3, "published": 3, "unreadable": 1, "quarantined": 0} == job["counts"]
    assert _found(walk, "annual leave") == {"staff/leave.md"}
    assert _found(walk, "stray nobody said") == set()
    assert walk.verify().clean
    assert walk.verify().index > 0


def test_nothing_changed_embeds_and_writes_nothing(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    before = walk.scalar("SELECT (SELECT max(seq) FROM index_op) + (SELECT count(*) FROM embedding)")
    epoch = walk.scalar("SELECT authz_epoch FROM tenant")
    job = walk.sync(source)
    assert job["counts"] | {"seen": 3, "new": 0, "changed": 0, "unchanged": 3} == job["counts"]
    assert walk.scalar("SELECT (SELECT max(seq) FROM index_op) + (SELECT count(*) FROM embedding)") == before
    assert walk.scalar("SELECT authz_epoch FROM tenant") == epoch


def test_one_changed_page_embeds_only_its_changed_chunks(walk: Walk, folder: Path) -> None:
    page = folder / "staff" / "long.md"
    section = "Regular sentences about section {n} fill this part with enough words to stand alone. " * 12
    page.write_text("\n\n".join(f"# Part {n}\n\n{section.format(n=n)}" for n in range(6)))
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    before = walk.scalar("SELECT count(*) FROM embedding")
    page.write_text(page.read_text() + "\n\n# Part 7\n\nThe quokka committee meets on Thursdays.\n")
    walk.sync(source)
    assert walk.scalar("SELECT count(*) FROM embedding") == before + 1
    assert _found(walk, "quokka committee") == {"staff/long.md"}
    assert walk.scalar("SELECT count(DISTINCT version) FROM chunk c JOIN document d ON d.id = c.document_id") == 2
    assert walk.scalar("SELECT current_version FROM document WHERE external_id = 'staff/long.md'") == 2
    assert walk.verify().clean


def test_touching_a_file_makes_no_version(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    os.utime(folder / "staff" / "leave.md", (2e9, 2e9))
    job = walk.sync(source)
    assert job["counts"]["changed"] == 1
    assert walk.scalar("SELECT max(current_version) FROM document") == 1
    assert walk.sync(source)["counts"]["changed"] == 0


def test_a_deleted_file_is_gone_everywhere(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    (folder / "staff" / "leave.md").unlink()
    assert walk.sync(source)["counts"]["deleted"] == 1
    assert _found(walk, "annual leave") == set()
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%annual%'") == 0
    assert walk.verify().clean
    (folder / "staff" / "leave.md").write_text("# Leave\n\nEveryone has 28 days of annual leave.\n")
    assert walk.sync(source)["counts"]["new"] == 1
    assert _found(walk, "annual leave") == {"staff/leave.md"}
    assert walk.verify().clean


def test_changed_rules_embed_nothing_and_reach_the_index(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    embedded = walk.scalar("SELECT count(*) FROM embedding")
    (folder / "staff" / ".vouch.yaml").write_text("access: {allow: [group:staff], deny: [user:alice]}\n")
    job = walk.sync(source)
    assert job["counts"] | {"changed": 0, "access_changed": 2} == job["counts"]
    assert _found(walk, "annual leave") == set()
    assert walk.scalar("SELECT count(*) FROM embedding") == embedded
    assert walk.verify().clean


def test_a_bad_file_is_quarantined_and_its_neighbours_go_on(walk: Walk, folder: Path) -> None:
    (folder / "staff" / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (folder / "staff" / "empty.md").write_bytes(b"")
    (folder / "staff" / "photo.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    source = walk.add_source(path=str(folder))
    job = walk.sync(source)
    assert job["state"] == "succeeded"
    assert job["counts"] | {"published": 3, "quarantined": 3} == job["counts"]
    reasons = {e["external_id"]: e["reason"] for e in job["errors"]}
    assert reasons["staff/empty.md"] == "empty"
    assert reasons["staff/photo.pdf"] == "mislabelled"
    assert reasons["staff/broken.pdf"] in ("corrupt", "truncated")
    assert walk.sync(source)["counts"]["changed"] == 0, "a bad file is not tried again until it changes"
    assert walk.sync(source, "full")["counts"]["changed"] == 3, "a full sync tries again"


def test_a_bad_new_version_leaves_the_good_one(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    (folder / "staff" / "leave.md").write_bytes(b"\x00\x01\x02\x03" * 100)
    assert walk.sync(source)["counts"]["quarantined"] == 1
    assert _found(walk, "annual leave") == {"staff/leave.md"}
    assert walk.scalar("SELECT problem ->> 'stage' FROM document WHERE external_id = 'staff/leave.md'") == "parse"


def test_a_path_that_does_not_exist_is_refused(walk: Walk, tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as refused:
        walk.add_source(path=str(tmp_path / "nowhere"))
    assert refused.value.field == "config.path"
    assert walk.scalar("SELECT count(*) FROM source") == 0


def test_pushed_documents_and_their_access(walk: Walk) -> None:
    source = walk.add_source("pushed", "push")
    text = Body(b"The canteen closes at half past two.", "text/markdown")
    job_id, epoch = push.push(walk.services, source, push.Pushed("a/b c", text, title="Canteen"), actor="test")
    assert epoch is None
    assert walk.finish(job_id)["state"] == "succeeded"
    assert _found(walk, "canteen closes") == set(), "pushed without access: nobody"
    push.set_access(walk.services, source, "a/b c", STAFF, actor="test")
    walk.drain()
    assert _found(walk, "canteen closes") == {"a/b c"}
    again, _ = push.push(walk.services, source, push.Pushed("a/b c", text, title="Canteen", acl=STAFF), actor="test")
    assert walk.finish(again)["counts"] | {"unchanged": 1, "published": 0} == walk.finish(again)["counts"]
    push.remove(walk.services, source, "a/b c", actor="test")
    walk.drain()
    assert _found(walk, "canteen closes") == set()
    with pytest.raises(NotFound):
        push.remove(walk.services, source, "a/b c", actor="test")
    assert walk.verify().clean


def test_the_same_bytes_pushed_by_another_owner_at_another_time_are_that_in_the_index_too(walk: Walk) -> None:
    source = walk.add_source("notes", "push")
    body = Body(b"The jetty opens at ten.", "text/markdown")
    for owner, year in (("user:alice", 2025), ("user:bob", 2026)):
        pushed = push.Pushed("a.md", body, owner=owner, modified_at=datetime(year, 1, 1, tzinfo=UTC))
        push.push(walk.services, source, pushed, actor="test")
        walk.drain()
        assert walk.verify().clean
    assert walk.scalar("SELECT last_version FROM document") == 1


def test_a_newer_push_overtakes_an_older_one(walk: Walk) -> None:
    source = walk.add_source("pushed", "push")
    for n in (1, 2):
        body = Body(f"Version {n} of the canteen rules.".encode(), "text/plain")
        push.push(walk.services, source, push.Pushed("c", body, acl=STAFF), actor="test")
    walk.drain()
    assert walk.scalar("SELECT current_version FROM document") == 2
    assert walk.scalar("SELECT string_agg(text, '|') FROM chunk") == "Version 2 of the canteen rules."
    assert walk.verify().clean


def _next_stages(walk: Walk, job_id: str) -> None:
    """Do what is ready of one job, and nothing of any other; the projector is left alone."""
    ready = "SELECT id FROM stage WHERE job_id = :j AND state = 'ready' ORDER BY created_at LIMIT 1"
    while stage := walk.scalar(ready, j=job_id):
        run_stages(walk.services, [str(stage)])


def test_a_version_that_overtakes_another_leaves_no_point_of_either(walk: Walk) -> None:
    source = walk.add_source("api", "push")
    versions = [Body(f"The {n} river floods in spring.".encode(), "text/plain") for n in ("Elbe", "Oder", "Spree")]
    jobs = []
    for body in versions:
        jobs.append(push.push(walk.services, source, push.Pushed("a", body, acl=STAFF), actor="test")[0])
        if len(jobs) == 1:
            walk.finish(jobs[0])
    for job_id in jobs[:0:-1]:  # the third version first, then the second: both handed to the projector
        _next_stages(walk, job_id)
    walk.services.projector.catch_up()
    _next_stages(walk, jobs[2])
    assert walk.finish(jobs[1])["state"] == "succeeded"
    assert _found(walk, "Spree") == {"a"} and _found(walk, "Elbe") == _found(walk, "Oder") == set()
    assert walk.verify().clean and walk.verify().index == 1


def test_a_job_cancelled_before_it_published_leaves_no_point(walk: Walk) -> None:
    source = walk.add_source("api", "push")
    body = Body(b"The Havel floods in spring.", "text/plain")
    job_id, _ = push.push(walk.services, source, push.Pushed("a", body, acl=STAFF), actor="test")
    _next_stages(walk, job_id)
    walk.services.projector.catch_up()
    assert walk.verify().index == 1  # written, and waiting to be shown
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        cancel(session, TENANT, job_id)
    walk.services.projector.catch_up()
    assert walk.verify().clean and walk.verify().index == 0
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        retry(session, TENANT, job_id)
    assert walk.finish(job_id)["state"] == "succeeded"
    assert _found(walk, "Havel") == {"a"} and walk.verify().clean


def test_a_scan_cancelled_after_it_was_claimed_does_nothing_more(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, stage_id = start_sync(session, source, "full")
        assert stage_id is not None
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        (lease,) = ledger.claim(session, [stage_id], 30)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        cancel(session, TENANT, job_id)
    with pytest.raises(LeaseLost):
        scan(walk.services, lease)
    assert walk.finish(job_id)["state"] == "cancelled"
    assert walk.scalar("SELECT count(*) FROM document") == 0


def test_a_source_is_deleted_with_all_that_came_of_it(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        sources.delete(session, sources.find_source(session, TENANT, "docs", lock=True), actor="test")
    assert _found(walk, "annual leave") == set() or walk.scalar("SELECT count(*) FROM document WHERE state='live'") == 0
    walk.drain()
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        assert purge_deleted(session, 10**9) == [TENANT]
    assert collect_blobs(walk.services.catalog, walk.services.blobs, TENANT) > 0
    assert walk.services.blobs.list(TENANT) == []
    assert walk.index.state().points == 0
    for table in ("source", "document", "document_version", "chunk", "job", "stage"):
        assert walk.scalar(f"SELECT count(*) FROM {table}") == 0
    walk.add_source(path=str(folder))


def test_blobs_in_use_are_kept(walk: Walk, folder: Path) -> None:
    walk.sync(walk.add_source(path=str(folder)))
    assert collect_blobs(walk.services.catalog, walk.services.blobs, TENANT) == 0


def test_one_sync_of_a_source_at_a_time(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        first, stage = start_sync(session, source, "incremental")
        assert stage is not None
        assert start_sync(session, source, "incremental") == (first, None)
    with pytest.raises(Conflict), walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        start_sync(session, source, "full")
    walk.finish(first)


def test_a_lost_index_is_written_again_without_embedding(walk: Walk, folder: Path) -> None:
    walk.sync(walk.add_source(path=str(folder)))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("DELETE FROM index_op"))
        session.execute(sa.text("UPDATE embedding SET created_at = '2000-01-01'"))
    _damage(walk)
    assert not walk.verify().clean
    assert walk.services.projector.rebuild() == walk.verify().catalog
    assert walk.verify().clean
    assert walk.scalar("SELECT count(*) FROM embedding WHERE created_at > '2000-01-02'") == 0


def _damage(walk: Walk) -> None:
    """Lose one document's points, and leave a stray behind."""
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        points = points_of(session, visible_versions(session), active_generation(session), compile_payload)
    stray = replace(points[0], id=point_id(TENANT, "ghost", 1, 0, "g1"), document_id="ghost")
    lost = RemoveVersions(TENANT, points[0].document_id)
    walk.index.apply([lost, UpsertPoints((stray,))], upto=walk.index.state().applied_seq)


def test_text_and_spans_agree_for_every_chunk(walk: Walk, folder: Path) -> None:
    walk.sync(walk.add_source(path=str(folder)))
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        rows = session.execute(
            sa.text(
                "SELECT v.text, c.text, c.span_start, c.span_end FROM chunk c JOIN document_version v"
                " USING (tenant_id, document_id, version)"
            )
        ).all()
    assert rows
    for digest, text, start, end in rows:
        assert walk.services.blobs.get(TENANT, digest).decode()[start:end] == text
