"""Scans that go on from a cursor: what is kept of one, and when everything is listed all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.git.connector import GitConnector
from ingestion.jobs import cancel, start_sync
from ingestion.stages.intake import Intake
from ingestion.work import run_stages
from tests.connectors.git.repository import Repository
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source

ACCESS = [{"paths": ["*"], "clauses": [{"allow": ["group:staff"]}]}]


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "handbook.git")
    made.commit({name: f"The {name} closes at noon.".encode() for name in ("canteen.md", "gate.md", "shop.md")})
    return made


@pytest.fixture
def source(walk: Walk, made: Repository) -> Source:
    source = walk.add_source(kind="git", path=str(made.path), access=ACCESS)
    counts = walk.sync(source)["counts"]
    assert counts | {"seen": 3, "published": 3} == counts
    return source


def _cursor(walk: Walk) -> object:
    return walk.scalar("SELECT cursor ->> 'commit' FROM source")


def _live(walk: Walk) -> object:
    return walk.scalar("SELECT string_agg(external_id, ' ' ORDER BY external_id) FROM document WHERE state = 'live'")


def test_an_incremental_sync_names_what_changed_and_deletes_only_what_it_is_told_of(
    walk: Walk, made: Repository, source: Source
) -> None:
    head = made.commit({"gate.md": b"The gate closes at six.", "shop.md": None, "pool.md": b"The pool is shut."})
    counts = walk.sync(source)["counts"]
    assert counts | {"seen": 2, "new": 1, "changed": 1, "deleted": 1, "published": 2} == counts
    assert _live(walk) == "canteen.md gate.md pool.md" and _cursor(walk) == head
    assert walk.verify().clean
    assert walk.sync(source)["counts"]["seen"] == 0


def test_a_cursor_that_expired_lists_everything_and_finds_the_deletions(
    walk: Walk, made: Repository, source: Source
) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET cursor = jsonb_build_object('commit', repeat('0', 40))"))
    head = made.commit({"gate.md": b"The gate closes at six.", "shop.md": None}, parents=[])
    job = walk.sync(source)
    assert job["state"] == "succeeded"
    assert job["counts"] | {"seen": 2, "changed": 1, "unchanged": 1, "deleted": 1} == job["counts"]
    assert _live(walk) == "canteen.md gate.md" and _cursor(walk) == head
    assert walk.verify().clean


def test_a_whole_scan_that_dies_before_its_deletions_keeps_no_cursor_that_would_skip_them(
    walk: Walk, made: Repository, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET cursor = NULL"))
    made.commit({"shop.md": None})
    with monkeypatch.context() as patched:
        patched.setattr(Intake, "delete_unseen", _die)
        with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
            job_id, stage = start_sync(session, source, "incremental")
        run_stages(walk.services, [str(stage)])
    assert _cursor(walk) is None
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))
    assert walk.finish(job_id)["counts"]["deleted"] == 1
    assert _live(walk) == "canteen.md gate.md" and _cursor(walk) == made.repo.head().decode()


def _die(*_: object) -> None:
    raise RuntimeError("the worker is gone")


def test_an_access_sync_reads_no_content_and_does_not_pass_over_any(
    walk: Walk, made: Repository, source: Source
) -> None:
    made.commit({"gate.md": b"The gate closes at six.", "pool.md": b"The pool is shut."})
    before = _cursor(walk)
    assert walk.sync(source, "access")["counts"]["published"] == 0
    assert _cursor(walk) == before
    counts = walk.sync(source)["counts"]
    assert counts | {"new": 0, "changed": 2, "published": 2} == counts
    assert _live(walk) == "canteen.md gate.md pool.md shop.md"


def test_what_a_cancelled_sync_did_not_read_is_read_by_the_next(walk: Walk, made: Repository, source: Source) -> None:
    made.commit({"gate.md": b"The gate closes at six."})
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        job_id, stage = start_sync(session, source, "incremental")
    run_stages(walk.services, [str(stage)])
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        cancel(session, TENANT, job_id)
    assert walk.sync(source)["counts"]["published"] == 1
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%at six%'") == 1


def test_a_file_that_can_no_longer_be_offered_is_closed(walk: Walk, made: Repository, source: Source) -> None:
    made.commit({"gate.md": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"})
    job = walk.sync(source)
    assert [error["reason"] for error in job["errors"]] == ["lfs_pointer"]
    assert walk.scalar("SELECT acl_id FROM document WHERE external_id = 'gate.md'") is None
    assert walk.verify().clean
    assert GitConnector.lists_everything is False


def test_rows_of_a_database_walk_the_same_way(walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCH_SQL_CRM_URL", f"sqlite:///{tmp_path / 'crm.db'}")
    with closing(sqlite3.connect(tmp_path / "crm.db", isolation_level=None)) as crm:
        crm.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, rev INTEGER, gone BOOLEAN)")
        crm.executemany("INSERT INTO note VALUES (?, ?, ?, 0)", [(n, f"Pump {n} leaks.", n) for n in range(4)])
        source = walk.add_source(
            "crm", "sql", url_env="VOUCH_SQL_CRM_URL", query="SELECT * FROM note", key=["id"], body="{text}",
            cursor="rev", overlap=0, deleted="gone", access=[{"allow": ["group:staff"]}],
        )  # fmt: skip
        assert walk.sync(source)["counts"]["published"] == 4
        crm.execute("UPDATE note SET text = 'Pump 1 is dry.', rev = 10 WHERE id = 1")
        crm.execute("UPDATE note SET gone = 1, rev = 11 WHERE id = 2")
        crm.execute("DELETE FROM note WHERE id = 0")
        counts = walk.sync(source)["counts"]
        assert counts | {"seen": 2, "changed": 1, "deleted": 1, "published": 1} == counts
        assert _live(walk) == "0 1 3"
        assert walk.sync(source, "access")["counts"]["deleted"] == 1
        assert _live(walk) == "1 3" and walk.verify().clean
