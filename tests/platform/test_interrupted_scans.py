"""`kill -9` in the middle of a scan, again and again: it goes on where it was, and nothing is lost, doubled or missed.

Where a scan is when its worker is killed is no chance: the site holds back its next page, or the catalog a row.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from ingestion.stages.intake import BATCH
from ingestion.stages.resume import EVERY_S
from tests.connectors.web.site import Site, page
from tests.outbound.serving import Asked, Reply, serving
from tests.platform.conftest import PATIENCE_S, Platform, platform_on
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url

PAGES = 230
HELD_AT = (120, 220)
"""Pages before which the site falls silent: each after another hundred, which is when the walk keeps its point."""
TEXTS = 25
"""Texts of the pages: what many say alike is embedded once."""
FILES = 20
"""In the first batch of a listing, and as many in the second."""


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object
) -> Iterator[Platform]:
    """One that may read sites on loopback."""
    with platform_on(
        tmp_path_factory.mktemp("platform") / "data", model_settings, outbound_allow="127.0.0.1"
    ) as platform:
        yield platform


def _kill(platform: Platform) -> None:
    """The worker, and wait until there is another. Its supervisor takes what it had forked along."""
    pid = platform.running.supervisor.pids()["worker"]
    os.kill(pid, signal.SIGKILL)
    platform.until(lambda: platform.running.supervisor.pids().get("worker", pid) != pid)


def _rows(platform: Platform, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url(platform.settings)) as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]


def _whole(platform: Platform, source: str, there: set[str]) -> None:
    """Every document of ``there`` is there once, with its chunks once, and no other; nothing is left lying about."""
    live = _rows(platform, "SELECT external_id FROM document WHERE source_id = %s AND state = 'live'", source)
    assert sorted(name for (name,) in live) == sorted(there)
    doubled = "SELECT document_id, version, span_start FROM chunk GROUP BY 1, 2, 3 HAVING count(*) > 1"
    assert _rows(platform, doubled) == []
    twice = (
        "SELECT document_id FROM stage WHERE source_id = %s AND name = 'embed' GROUP BY job_id, 1 HAVING count(*) > 1"
    )
    assert _rows(platform, twice, source) == []
    assert _rows(platform, "SELECT 1 FROM scan_point") == []
    found = platform.verified()
    assert found.clean, found.report()


def _embedded(platform: Platform) -> int:
    return int(_rows(platform, "SELECT count(*) FROM embedding")[0][0])


@dataclass
class Slow:
    """A site of which a page is held back: from number ``hold`` on, until let go. ``reached``: one was asked for."""

    site: Site
    hold: int = PAGES
    reached: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)

    def answer(self, asked: Asked) -> Reply:
        number = int(asked.path[2:5]) if asked.path.startswith("/p") else PAGES
        if self.hold <= number < PAGES:
            self.reached.set()
            self.let_go.wait(PATIENCE_S)
        elif number < 100:
            time.sleep(EVERY_S * 0.012)  # as slow as that a hundred pages take longer than points are apart
        return self.site.answer(asked)

    def hold_at(self, number: int) -> None:
        """From now on. What was held is let go, and what was answered is forgotten."""
        self.let_go.set()
        self.hold, self.reached, self.let_go = number, Event(), Event()
        self.site.statuses.clear()

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE_S), "the walk did not come so far"

    def write(self, number: int, text: str) -> None:
        self.site.pages[_path(number)] = page(text=f"<h1>Rule</h1><p>{text}</p>")

    def drop(self, *numbers: int) -> None:
        for number in numbers:
            del self.site.pages[_path(number)]
        self._map()

    def _map(self) -> None:
        """Nothing but the map says which pages there are."""
        paths = [path for path in self.site.pages if path.startswith("/p")]
        urls = "".join(f"<url><loc>{self.site.url(path)}</loc></url>" for path in paths)
        body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        self.site.pages["/sitemap.xml"] = Reply(200, body.encode(), {"Content-Type": "application/xml"})

    def told_as(self, status: int) -> set[str]:
        return {path for path, said in self.site.statuses if said == status}

    @property
    def there(self) -> set[str]:
        return {self.site.url(path) for path in self.site.pages if path != "/sitemap.xml"}


def _path(number: int) -> str:
    return f"/p{number:03}.html"


@pytest.fixture
def slow() -> Iterator[Slow]:
    made: list[Slow] = []
    with serving(lambda asked: made[0].answer(asked)) as server:
        slow = Slow(Site(server, {"/": page(text="<p>What holds in the harbour.</p>")}, tagged=True))
        made.append(slow)
        for number in range(PAGES):
            slow.write(number, f"Rule {number % TEXTS} of the harbour holds.")
        slow.drop()
        yield slow
        slow.let_go.set()


def _point(platform: Platform, job: str) -> tuple[int, int]:
    """The fence under which the job's scan kept its point, and how many pages that knows of."""
    query = (
        "SELECT fence, (SELECT count(*) FROM jsonb_object_keys(cursor -> 'pages')) FROM scan_point WHERE job_id = %s"
    )
    ((fence, pages),) = _rows(platform, query, job)
    return fence, pages


def test_a_walk_over_http_goes_on_from_its_point_however_often_its_worker_is_killed(
    platform: Platform, slow: Slow
) -> None:
    config = {
        "start": [slow.site.url("/")], "sitemaps": [slow.site.url("/sitemap.xml")], "delay_s": 0,
        "access": [{"allow": ["group:staff"]}],
    }  # fmt: skip
    source = platform.source("site", "web", config=config)
    slow.hold_at(HELD_AT[0])
    job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
    slow.wait()
    _kill(platform)
    first = _point(platform, job_id)
    slow.drop(5)  # it was read, and is gone before the walk has come to its end
    slow.hold_at(HELD_AT[1])
    slow.wait()
    assert slow.told_as(304) >= {_path(n) for n in range(98) if n != 5}, "what the point knew is not read again"
    _kill(platform)
    second = _point(platform, job_id)
    assert second > first and second[1] > first[1] >= 100
    slow.hold_at(PAGES)
    job = platform.ended(job_id)
    assert (job["state"], job["counts"]["quarantined"]) == ("succeeded", 0), job
    assert slow.told_as(304) >= {_path(n) for n in range(198) if n != 5}
    _whole(platform, source, slow.there)

    embedded = _embedded(platform)
    slow.write(10, "The tenth rule was written anew.")
    slow.write(210, "The last but twenty was written anew.")
    slow.drop(15, 215)
    slow.hold_at(HELD_AT[0])
    job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
    slow.wait()
    assert _path(10) not in slow.told_as(304)
    _kill(platform)
    slow.hold_at(PAGES)
    job = platform.ended(job_id)
    assert (job["state"], job["counts"]["deleted"]) == ("succeeded", 2), job
    assert _path(10) in slow.told_as(304), "it was read before the kill, and the source's cursor knew"
    _whole(platform, source, slow.there)
    assert _embedded(platform) == embedded + 2
    again = (
        "SELECT external_id FROM document WHERE source_id = %s AND state = 'live' AND current_version > 1 ORDER BY 1"
    )
    assert _rows(platform, again, source) == [(slow.site.url(_path(10)),), (slow.site.url(_path(210)),)]


@contextmanager
def _held(platform: Platform, source: str, external_id: str) -> Iterator[psycopg.Connection[Any]]:
    """While the block lasts, who comes to this document in the catalog waits, be it there yet or not."""
    with psycopg.connect(database_url(platform.settings)) as connection:
        connection.execute("SET session_replication_role = replica")  # or its source's row would be held too
        find = "SELECT id FROM document WHERE source_id = %s AND external_id = %s FOR UPDATE"
        if connection.execute(find, (source, external_id)).fetchone() is None:
            connection.execute(
                "INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime, language, state,"
                " fingerprint, last_version)"
                " SELECT tenant_id, 'held', id, %s, '', '', '', 'und', 'pending', '', 0 FROM source WHERE id = %s",
                (external_id, source),
            )
        yield connection
        connection.rollback()


def _until_it_waits(platform: Platform, holder: psycopg.Connection[Any]) -> int:
    """The backend that waits for ``holder``."""
    query = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) LIMIT 1"
    mine = holder.info.backend_pid
    return int(platform.until(lambda: _rows(platform, query, mine))[0][0])


def _end(platform: Platform, backend: int) -> None:
    """That its client is dead a backend notices only once it has what it waits for."""
    _rows(platform, "SELECT pg_terminate_backend(%s)", backend)
    gone = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
    platform.until(lambda: not _rows(platform, gone, backend))


def test_a_listing_of_a_folder_that_is_killed_between_two_batches(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    names = [f"{part}{n:02}.md" for part in ("a", "z") for n in range(FILES)]
    for name in names:
        (folder / name).write_text(f"# Berth {name}\n\nBerth {name} takes ships of any length.\n")
    for n in range(BATCH):  # a link is refused, which takes no time and its place in the batch
        (folder / f"m{n:03}.md").symlink_to("a00.md")
    source = platform.source("folder", "filesystem", config={"path": str(folder)})
    with _held(platform, source, names[-1]) as holder:
        job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
        for victim in (7, 11):
            waits = _until_it_waits(platform, holder)
            _kill(platform)
            (folder / names.pop(victim)).unlink()  # it was named, and is gone before the listing came to its end
            _end(platform, waits)
    job = platform.ended(job_id)
    assert (job["state"], job["counts"]["quarantined"]) == ("succeeded", 0), job
    assert job["counts"]["refused"] == BATCH
    _whole(platform, source, set(names))

    embedded = _embedded(platform)
    with _held(platform, source, names[-1]) as holder:
        job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={"kind": "full"})["job_id"]
        _until_it_waits(platform, holder)
        for name in (names.pop(3), names.pop(-2)):
            (folder / name).unlink()
        _kill(platform)
    job = platform.ended(job_id)
    counts = {name: job["counts"][name] for name in ("seen", "unchanged", "new", "changed", "deleted")}
    there = len(names)
    assert job["state"] == "succeeded", job
    assert counts == {"seen": there, "unchanged": there, "new": 0, "changed": 0, "deleted": 2}
    _whole(platform, source, set(names))
    assert _embedded(platform) == embedded
