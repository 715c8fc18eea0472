"""Watched folders: a change starts a sync by itself, and none is lost between two of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa

from ingestion import watch
from ingestion.jobs import start_sync
from ingestion.watch import Watch
from tests.ingestion.conftest import Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "REST_S", 0.0)
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(watch, "_LISTEN_MS", 100)
    monkeypatch.setattr(watch, "_GATHER_MS", 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    (folder / "a.md").write_text("The canteen opens at noon.")
    return folder


@pytest.fixture
def listening(walk: Walk) -> Iterator[Watch]:
    over = Event()
    thread = Watch(walk.services, over)
    thread.start()
    yield thread
    over.set()
    thread.join(30)
    assert not thread.is_alive()


def until(done: Callable[[], bool]) -> None:
    """Wait for another thread to have done its part; a minute is for ever."""
    pause = Event()
    for _ in range(1200):
        if done():
            return
        pause.wait(0.05)
    pytest.fail("it did not happen")


def jobs(walk: Walk) -> int:
    return int(str(walk.scalar("SELECT count(*) FROM job")))


def open_jobs(walk: Walk) -> int:
    return int(str(walk.scalar("SELECT count(*) FROM job WHERE state IN ('queued', 'running')")))


def finds(walk: Walk, said: str) -> Callable[[], bool]:
    def found() -> bool:
        walk.drain()
        return walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE :said", said=f"%{said}%") != 0

    return found


def test_a_change_is_read_without_anybody_asking(walk: Walk, folder: Path, listening: Watch) -> None:
    walk.add_source(path=str(folder), watch=True)
    until(finds(walk, "at noon"))
    until(lambda: open_jobs(walk) == 0 and listening._changed == set())
    (folder / "deep").mkdir()
    (folder / "deep" / "b.md").write_text("The pool is shut.")
    until(finds(walk, "is shut"))
    (folder / "a.md").write_text("The canteen opens at one.")
    until(finds(walk, "at one"))


def test_a_change_during_a_sync_starts_another(walk: Walk, folder: Path, listening: Watch) -> None:
    source = walk.add_source(path=str(folder), watch=True)
    until(lambda: jobs(walk) == 1)  # it has begun, and nobody works on it
    (folder / "b.md").write_text("The pool is shut.")
    until(lambda: listening._changed == {(source.tenant_id, source.id)})
    assert jobs(walk) == 1
    walk.drain()
    until(lambda: jobs(walk) == 2)


def test_only_who_asks_is_watched_and_a_paused_source_is_not(walk: Walk, folder: Path, listening: Watch) -> None:
    walk.add_source("silent", path=str(folder))
    paused = walk.add_source("paused", path=str(folder), watch=True)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET state = 'paused' WHERE id = :id"), {"id": paused.id})
    watched = walk.add_source("watched", path=str(folder), watch=True)
    until(lambda: walk.scalar("SELECT count(*) FROM job WHERE source_id = :id", id=watched.id) == 1)
    assert listening._watched().keys() == {(watched.tenant_id, watched.id)}


def test_a_folder_that_goes_and_comes_back_is_watched_again(walk: Walk, folder: Path, listening: Watch) -> None:
    source: Source = walk.add_source(path=str(folder), watch=True)
    until(finds(walk, "at noon"))
    os.rename(folder, folder.with_name("away"))  # noqa: PTH104
    until(lambda: not listening._watched())
    os.rename(folder.with_name("away"), folder)  # noqa: PTH104
    until(lambda: bool(listening._watched()))
    (folder / "a.md").write_text("The canteen opens at two.")
    until(finds(walk, "at two"))
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        assert start_sync(session, source, "incremental")
