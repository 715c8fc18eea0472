"""`kill -9` of any part during ingestion, and Redis emptied: the job still ends, nothing lost and nothing doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.platform.conftest import Platform, platform_on
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, redis_client_url

PAGES = 90


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object
) -> Iterator[Platform]:
    """Its own: what is killed here is in nobody else's way."""
    with platform_on(tmp_path_factory.mktemp("platform") / "data", model_settings) as platform:
        yield platform


def _pages(folder: Path, tag: str) -> Path:
    folder.mkdir()
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    for n in range(PAGES):
        parts = [f"## Part {p}\n\n{tag} page {n} part {p} says that item {n * p + p} is number {n}." for p in range(4)]
        (folder / f"page{n:03}.md").write_text(f"# {tag} page {n}\n\n" + "\n\n".join(parts))
    return folder


def _start(platform: Platform, folder: Path, name: str) -> tuple[str, str]:
    source = platform.ok(
        "POST", "/v1/sources", json={"name": name, "kind": "filesystem", "config": {"path": str(folder)}}
    )["id"]
    job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
    platform.until(lambda: any(s["name"] == "publish" for s in (platform.job(job_id) or {"stages": []})["stages"]))
    return source, job_id


def _nothing_lost_or_doubled(platform: Platform, source: str, job_id: str) -> None:
    job = platform.ended(job_id)
    assert job["state"] == "succeeded", job
    assert job["counts"]["seen"] == PAGES
    assert job["counts"]["quarantined"] == 0, job["errors"]
    with psycopg.connect(database_url(platform.settings)) as connection:
        live, versions = connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'live'), max(current_version) FROM document WHERE source_id = %s",
            (source,),
        ).fetchone() or (0, 0)
        assert (live, versions) == (PAGES, 1)
        doubled = connection.execute(
            "SELECT count(*) FROM (SELECT document_id, span_start FROM chunk GROUP BY 1, 2 HAVING count(*) > 1) x"
        ).fetchone()
        assert doubled == (0,)
    found = platform.verified()
    assert found.clean, found.report()
    again = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
    counts = platform.ended(again)["counts"]
    assert (counts["unchanged"], counts["new"], counts["changed"]) == (PAGES, 0, 0)


@pytest.mark.parametrize("part", ["worker", "api", "redis", "postgres", "index", "scheduler"])
def test_a_part_killed_during_ingestion(platform: Platform, tmp_path: Path, part: str) -> None:
    source, job_id = _start(platform, _pages(tmp_path / part, part), part)
    os.kill(platform.running.supervisor.pids()[part], signal.SIGKILL)
    _nothing_lost_or_doubled(platform, source, job_id)


def test_every_child_of_the_worker_killed(platform: Platform, tmp_path: Path) -> None:
    source, job_id = _start(platform, _pages(tmp_path / "children", "children"), "children")
    worker = platform.running.supervisor.pids()["worker"]
    for child in Path(f"/proc/{worker}/task/{worker}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    _nothing_lost_or_doubled(platform, source, job_id)


def test_redis_emptied_during_ingestion(platform: Platform, tmp_path: Path) -> None:
    source, job_id = _start(platform, _pages(tmp_path / "emptied", "emptied"), "emptied")
    with Redis.from_url(redis_client_url(platform.settings)) as redis:
        redis.flushall()
    _nothing_lost_or_doubled(platform, source, job_id)


@pytest.mark.parametrize("how", ["lost", "outdated"])
def test_an_index_that_is_gone_is_written_again_though_nothing_changes(
    platform: Platform, tmp_path: Path, how: str
) -> None:
    source = platform.source(how)
    platform.pushed(source, "doc", f"The quokka was {how}.", "group:staff")
    folder = platform.settings.index_dir / "g1"
    manifest = json.loads((folder / "manifest.json").read_text())
    if how == "lost":
        shutil.rmtree(folder)
    else:
        (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    os.kill(platform.running.supervisor.pids()["index"], signal.SIGKILL)

    def found() -> bool:
        with psycopg.connect(database_url(platform.settings)) as connection:  # twenty seconds have gone by
            connection.execute("UPDATE heartbeat SET at = at - interval '20 s' WHERE part = 'canary'")
        response = platform.post("alice", "/v1/search", query=f"quokka {how}")
        return response.status_code == 200 and bool(response.json()["hits"])

    platform.until(found)
    assert platform.verified().clean
