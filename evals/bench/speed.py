"""Speed on the Sourcegraph handbook, each figure beside its reference from the same run.

    raw embedder ─▶ first sync ─▶ all compared ─▶ raw embedder ─▶ sync again, unchanged
                 ─▶ one page changed ─▶ searches ─▶ memory ─▶ second start

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
from functools import partial
from pathlib import Path

import httpx
import psutil

from evals.bench.live import live, ok, scalar, search, sync, timed
from evals.bench.report import Report
from evals.datasets import data_folder
from ingestion.chunk import chunk
from ingestion.parse import parse
from vouch.catalog.twins import UNCOMPARED
from vouch.core.context import in_context
from vouch.core.settings import Settings
from vouch.gateway.embed import load_embedder

SEED = 7
SEARCHES = 300
PATIENCE_S = 1_800


def options(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose: the handbook is what it is."""


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Sync, search and restart the whole platform."""
    with tempfile.TemporaryDirectory(prefix="vouch-bench-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", port=0)
        handbook = _handbook(Path(folder) / "handbook")
        with live(settings) as http:
            source = _add_source(http, handbook)
            texts = _texts(settings, handbook)
            before = _raw_embedder(settings, texts, report)
            started = time.monotonic()
            first = _first_sync(http, settings, source, report)
            _compared(settings, started, report)
            raw = statistics.harmonic_mean((before, _raw_embedder(settings, texts, report)))
            report.add("ingestion ÷ raw embedder, measured before and after", first / raw, "", at_least=0.6)
            _unchanged(http, settings, source, report)
            _one_page(http, settings, (source, handbook), report)
            _searches(http, report)
            _memory(report)
        started = time.monotonic()
        with live(settings):
            report.add("second start to ready", time.monotonic() - started, "s", at_most=15)


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
    ok(http.put("/v1/directory/users/alice", json={"name": "Alice"}))
    ok(http.put("/v1/directory/users/rest", json={"name": "Rest"}))
    ok(http.put("/v1/directory/groups/rest", json={"name": "Rest", "members": ["user:rest"]}))
    made = http.post("/v1/sources", json={"name": "handbook", "kind": "filesystem", "config": {"path": str(handbook)}})
    return str(ok(made)["id"])


def _first_sync(http: httpx.Client, settings: Settings, source: str, report: Report) -> float:
    job, seconds = sync(http, source)
    chunks = scalar(settings, "SELECT count(*) FROM chunk")
    report.add("handbook pages", job["counts"]["published"], "")
    report.add("handbook chunks", chunks, "")
    report.add("first sync to searchable", seconds, "s")
    report.add("  chunks per second", chunks / seconds, "/s")
    return float(chunks / seconds)


def _compared(settings: Settings, started: float, report: Report) -> None:
    """Workers compare what they have published when nothing else is to be done: of what is measured next, it would take
    its share."""
    while scalar(settings, f"SELECT count(*) FROM document d WHERE {UNCOMPARED}"):  # noqa: S608 - a constant
        if time.monotonic() - started > PATIENCE_S:
            raise SystemExit("documents that were published are not compared with each other")
        time.sleep(0.1)
    report.add("first sync until all is compared", time.monotonic() - started, "s")


def _raw_embedder(settings: Settings, texts: list[str], report: Report) -> float:
    """Texts per second of the embedder alone, in one process with all its threads: the texts that ingestion embeds."""
    embedder = load_embedder(settings)
    embedder.embed(texts[:64])
    seconds = timed(partial(embedder.embed, texts))
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
    job, seconds = sync(http, source)
    report.add("sync again, nothing changed", seconds, "s", at_most=5)
    report.add("  embedded or written to the index", _written(settings) - before, "", at_most=0)
    report.add("  pages fetched", job["counts"]["new"] + job["counts"]["changed"], "", at_most=0)


def _one_page(http: httpx.Client, settings: Settings, where: tuple[str, Path], report: Report) -> None:
    source, handbook = where
    page = max((p for p in handbook.rglob("*.md") if _readable(p, handbook)), key=lambda p: p.stat().st_size)
    page.write_text(page.read_text() + "\n\n## Zebra crossing\n\nThe quokka committee meets on alternate Thursdays.\n")
    embedded = scalar(settings, "SELECT count(*) FROM embedding")
    started = time.monotonic()
    ok(http.post(f"/v1/sources/{source}/syncs", json={}))
    while not any("quokka" in hit["text"] for hit in search(http, "quokka committee meeting")["hits"]):
        if time.monotonic() - started > 60:
            raise SystemExit("the changed page did not become searchable")
        time.sleep(0.05)
    report.add("one page changed, searchable after", time.monotonic() - started, "s", at_most=5)
    report.add("  chunks embedded", scalar(settings, "SELECT count(*) FROM embedding") - embedded, "", at_most=3)


def _readable(page: Path, handbook: Path) -> bool:
    rules = page.parent / ".vouch.yaml"
    return page.parent == handbook or not rules.exists() or page.name not in rules.read_text()


def _searches(http: httpx.Client, report: Report) -> None:
    lines = (data_folder() / "handbook-sourcegraph" / "queries_links.jsonl").read_text().splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    random.Random(SEED).shuffle(queries)  # noqa: S311
    for query in queries[:20]:
        search(http, query)
    taken = sorted(timed(partial(search, http, query)) for query in queries[20 : 20 + SEARCHES])
    report.add("search as one who sees half, hybrid, no rerank: p50", statistics.median(taken) * 1e3, "ms", at_most=40)
    report.add("  p95", taken[int(len(taken) * 0.95)] * 1e3, "ms", at_most=100)
    others = queries[20 + SEARCHES : 20 + 2 * SEARCHES]  # none that was embedded before
    taken = sorted(timed(partial(search, http, query, rerank=True)) for query in others)
    report.add("search as it comes, ordered by documents: p50", statistics.median(taken) * 1e3, "ms")
    report.add("  p95", taken[int(len(taken) * 0.95)] * 1e3, "ms", at_most=100)
    health = sorted(timed(lambda: ok(http.get("/healthz"))) for _ in range(100))
    report.add("  reference: GET /healthz p50", statistics.median(health) * 1e3, "ms")


def _memory(report: Report) -> None:
    """All processes of the platform (children of this one), proportional set size, shared memory counted once."""
    time.sleep(5)
    total = sum(child.memory_full_info().pss for child in psutil.Process().children(recursive=True))
    report.add("memory of all processes at rest", total / 2**30, "GiB", at_most=2.5)


def _written(settings: Settings) -> int:
    return scalar(settings, "SELECT (SELECT count(*) FROM embedding) + (SELECT count(*) FROM index_op)")
