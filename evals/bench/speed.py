"""Speed on the Sourcegraph handbook, each figure beside its reference from the same run.

    raw embedder ─▶ first sync ─▶ sync again, unchanged ─▶ one page changed ─▶ searches ─▶ memory ─▶ second start

Machines are noisy: the ratios are what counts. The platform is the real one, reached over HTTP.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from evals.bench.report import Report
from evals.datasets import data_folder
from ingestion.chunk import chunk
from ingestion.parse import parse
from vouch.catalog.database import Catalog
from vouch.cli.first_start import ADMIN_KEY
from vouch.cli.platform import prepare_in_child
from vouch.core.context import in_context
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, http_url
from vouch.embedded.platform import API, INDEX, SCHEDULER, SERVERS, WORKER, running_platform
from vouch.gateway.embed import load_embedder

ALL = (*SERVERS, INDEX, WORKER, SCHEDULER, API)
SEED = 7
SEARCHES = 300


def options(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose: the handbook is what it is."""


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Sync, search and restart the whole platform."""
    with tempfile.TemporaryDirectory(prefix="vouch-bench-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", port=0)
        handbook = _handbook(Path(folder) / "handbook")
        with _platform(settings) as http:
            source = _add_source(http, handbook)
            texts = _texts(settings, handbook)
            before = _raw_embedder(settings, texts, report)
            first = _first_sync(http, settings, source, report)
            raw = statistics.harmonic_mean((before, _raw_embedder(settings, texts, report)))
            report.add("ingestion ÷ raw embedder, measured before and after", first / raw, "", at_least=0.6)
            _unchanged(http, settings, source, report)
            _one_page(http, settings, (source, handbook), report)
            _searches(http, report)
            _memory(report)
        started = time.monotonic()
        with _platform(settings):
            report.add("second start to ready", time.monotonic() - started, "s", at_most=15)


@contextmanager
def _platform(settings: Settings) -> Iterator[httpx.Client]:
    with running_platform(settings, ALL, prepare=prepare_in_child) as running:
        key = (settings.data_dir / ADMIN_KEY).read_text().strip()
        with httpx.Client(
            base_url=http_url(running.settings), headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as http:
            yield http


def _handbook(folder: Path) -> Path:
    """A copy of the handbook in which about half of the pages are for `group:half`, the others for `group:rest`."""
    shutil.copytree(data_folder() / "handbook-sourcegraph" / "files", folder)
    pages = sorted(folder.rglob("*.md"))
    random.Random(SEED).shuffle(pages)  # noqa: S311 - a fixed choice, not a secret
    by_folder: dict[Path, list[str]] = {}
    for page in pages[: len(pages) // 2]:
        by_folder.setdefault(page.parent, []).append(page.name)
    (folder / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    for parent, names in by_folder.items():
        rules = {name: {"access": {"allow": ["group:rest"]}} for name in names}
        own = {"access": {"allow": ["authenticated"]}} if parent == folder else {}
        (parent / ".vouch.yaml").write_text(json.dumps({**own, "files": rules}))
    return folder


def _add_source(http: httpx.Client, handbook: Path) -> str:
    _ok(http.put("/v1/directory/users/alice", json={"name": "Alice"}))
    _ok(http.put("/v1/directory/users/rest", json={"name": "Rest"}))
    _ok(http.put("/v1/directory/groups/rest", json={"name": "Rest", "members": ["user:rest"]}))
    made = http.post("/v1/sources", json={"name": "handbook", "kind": "filesystem", "config": {"path": str(handbook)}})
    return str(_ok(made)["id"])


def _sync(http: httpx.Client, source: str) -> tuple[dict[str, Any], float]:
    """The ended job and its seconds, as a person waiting for it has them."""
    started = time.monotonic()
    job_id = _ok(http.post(f"/v1/sources/{source}/syncs", json={}))["job_id"]
    while True:
        job = _ok(http.get(f"/v1/jobs/{job_id}"))
        if job["state"] not in ("queued", "running"):
            if job["state"] != "succeeded":
                raise SystemExit(f"the sync {job['state']}: {job['errors'][:3]}")
            return job, time.monotonic() - started
        time.sleep(0.25)


def _first_sync(http: httpx.Client, settings: Settings, source: str, report: Report) -> float:
    job, seconds = _sync(http, source)
    chunks = _scalar(settings, "SELECT count(*) FROM chunk")
    report.add("handbook pages", job["counts"]["published"], "")
    report.add("handbook chunks", chunks, "")
    report.add("first sync to searchable", seconds, "s")
    report.add("  chunks per second", chunks / seconds, "/s")
    return float(chunks / seconds)


def _raw_embedder(settings: Settings, texts: list[str], report: Report) -> float:
    """Texts per second of the embedder alone, in one process with all its threads: the texts that ingestion embeds."""
    embedder = load_embedder(settings)
    embedder.embed(texts[:64])
    seconds = _timed(partial(embedder.embed, texts))
    report.add("raw embedder alone, a quarter of the same texts", len(texts) / seconds, "/s")
    return len(texts) / seconds


def _texts(settings: Settings, handbook: Path) -> list[str]:
    """A quarter of the texts that ingesting the handbook embeds, chosen by a fixed seed."""
    embedder, texts = load_embedder(settings), list[str]()
    for page in sorted(handbook.rglob("*.md")):
        if data := page.read_bytes():
            parsed = parse(data, page.name)
            chunks = chunk(parsed, embedder.count_tokens)
            texts += [in_context(parsed.title, c.heading_path, c.span.of(parsed.text)) for c in chunks]
    random.Random(SEED).shuffle(texts)  # noqa: S311
    return texts[: len(texts) // 4]


def _unchanged(http: httpx.Client, settings: Settings, source: str, report: Report) -> None:
    before = _written(settings)
    job, seconds = _sync(http, source)
    report.add("sync again, nothing changed", seconds, "s", at_most=5)
    report.add("  embedded or written to the index", _written(settings) - before, "", at_most=0)
    report.add("  pages fetched", job["counts"]["new"] + job["counts"]["changed"], "", at_most=0)


def _one_page(http: httpx.Client, settings: Settings, where: tuple[str, Path], report: Report) -> None:
    source, handbook = where
    page = max((p for p in handbook.rglob("*.md") if _readable(p, handbook)), key=lambda p: p.stat().st_size)
    page.write_text(page.read_text() + "\n\n## Zebra crossing\n\nThe quokka committee meets on alternate Thursdays.\n")
    embedded = _scalar(settings, "SELECT count(*) FROM embedding")
    started = time.monotonic()
    _ok(http.post(f"/v1/sources/{source}/syncs", json={}))
    while not any("quokka" in hit["text"] for hit in _search(http, "quokka committee meeting")["hits"]):
        if time.monotonic() - started > 60:
            raise SystemExit("the changed page did not become searchable")
        time.sleep(0.05)
    report.add("one page changed, searchable after", time.monotonic() - started, "s", at_most=5)
    report.add("  chunks embedded", _scalar(settings, "SELECT count(*) FROM embedding") - embedded, "", at_most=3)


def _readable(page: Path, handbook: Path) -> bool:
    rules = page.parent / ".vouch.yaml"
    return page.parent == handbook or not rules.exists() or page.name not in rules.read_text()


def _searches(http: httpx.Client, report: Report) -> None:
    lines = (data_folder() / "handbook-sourcegraph" / "queries_links.jsonl").read_text().splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    random.Random(SEED).shuffle(queries)  # noqa: S311
    for query in queries[:20]:
        _search(http, query)
    timed = sorted(_timed(partial(_search, http, query)) for query in queries[20 : 20 + SEARCHES])
    report.add("search as one who sees half, hybrid, no rerank: p50", statistics.median(timed) * 1e3, "ms", at_most=40)
    report.add("  p95", timed[int(len(timed) * 0.95)] * 1e3, "ms", at_most=100)
    health = sorted(_timed(lambda: _ok(http.get("/healthz"))) for _ in range(100))
    report.add("  reference: GET /healthz p50", statistics.median(health) * 1e3, "ms")


def _memory(report: Report) -> None:
    """All processes of the platform (children of this one), proportional set size, shared memory counted once."""
    time.sleep(5)
    total = sum(child.memory_full_info().pss for child in psutil.Process().children(recursive=True))
    report.add("memory of all processes at rest", total / 2**30, "GiB", at_most=2.5)


def _search(http: httpx.Client, query: str) -> dict[str, Any]:
    body = {"query": query, "limit": 10, "mode": "hybrid", "rerank": False}
    return _ok(http.post("/v1/search", json=body, headers={"X-Vouch-As": "user:alice"}))


def _ok(response: httpx.Response) -> dict[str, Any]:
    if response.status_code >= 400:
        raise SystemExit(f"{response.request.method} {response.request.url}: {response.text}")
    found: dict[str, Any] = response.json()
    return found


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def _catalog(settings: Settings) -> Iterator[Catalog]:
    catalog = Catalog(database_url(settings))
    try:
        yield catalog
    finally:
        catalog.close()


def _scalar(settings: Settings, query: str) -> int:
    with _catalog(settings) as catalog, catalog.reading(settings.tenant) as session:
        return int(session.execute(sa.text(query)).scalar_one())


def _written(settings: Settings) -> int:
    return _scalar(settings, "SELECT (SELECT count(*) FROM embedding) + (SELECT count(*) FROM index_op)")
