"""What sources cost, and whether one waits for another: a folder of many small notes, and a small one beside it.

10,000 notes ─▶ sync of nothing ─▶ one deleted ─▶ access changed ─▶ 10,000 more, memory watched
             ─▶ 100,000 more in another source, and ten new ones of a small source beside them
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import psutil

from evals.bench.live import live, ok, scalar, sync
from evals.bench.report import Report
from evals.bench.sampled import sampled
from vouch.core.settings import Settings

SEED = 11
ACCESS_EVERY_S = 10
_WORDS = (
    "valve pump permit crane shift ledger canteen badge visitor harbour invoice tariff turbine roster locker kiosk"
    " beacon anchor freight custom parcel scanner ticket warden gravel tunnel bridge sensor barrier cargo"
)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--documents", type=int, default=10_000, help="of the first source; as many are added later")
    parser.add_argument("--backlog", type=int, default=100_000, help="of the source that keeps the platform busy")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """All of the walk above; about half an hour."""
    with tempfile.TemporaryDirectory(prefix="vouch-bench-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", port=0)
        with live(settings) as http:
            ok(http.put("/v1/directory/users/alice", json={"name": "Alice"}))
            notes = Path(folder) / "notes"
            write(notes, range(arguments.documents))
            source = _source(http, "notes", notes)
            with sampled(_worker_bytes, every_s=2) as samples:
                job, seconds = sync(http, source)
                report.add("small documents", job["counts"]["published"], "")
                report.add("  first sync to searchable", seconds, "s")
                _nothing_changed(http, settings, source, report)
                _one_deleted(http, (source, notes), report)
                _access_changed(http, (source, notes), report)
                write(notes, range(arguments.documents, 2 * arguments.documents))
                sync(http, source)
            _flat(samples, scalar(settings, "SELECT count(*) FROM document WHERE state = 'live'"), report)
            _beside(http, settings, (Path(folder), arguments.backlog), report)


def write(folder: Path, numbers: range) -> None:
    """Notes that all differ, a hundred to a folder, readable by everyone active."""
    folder.mkdir(exist_ok=True)
    (folder / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    for n in numbers:
        within = folder / f"{n // 100:05}"
        within.mkdir(exist_ok=True)
        chosen = random.Random(SEED + n).choices(_WORDS.split(), k=24)  # noqa: S311 - a fixed choice, not a secret
        said = " ".join(chosen[:12]), " ".join(chosen[12:])
        (within / f"note-{n}.md").write_text(f"# Note {n}\n\nRecord mark{n} says {said[0]}. It follows {said[1]}.\n")


def _source(http: httpx.Client, name: str, folder: Path) -> str:
    made = http.post("/v1/sources", json={"name": name, "kind": "filesystem", "config": {"path": str(folder)}})
    return str(ok(made)["id"])


def _nothing_changed(http: httpx.Client, settings: Settings, source: str, report: Report) -> None:
    embedded = scalar(settings, "SELECT count(*) FROM embedding")
    _, seconds = sync(http, source, "full")
    report.add("full sync, nothing changed", seconds, "s", at_most=30)
    report.add("  embedded", scalar(settings, "SELECT count(*) FROM embedding") - embedded, "", at_most=0)


def _one_deleted(http: httpx.Client, where: tuple[str, Path], report: Report) -> None:
    source, folder = where
    assert _finds(http, "mark7")
    (folder / "00000" / "note-7.md").unlink()
    _, seconds = sync(http, source)
    report.add("deleted at the source: found after one sync", float(_finds(http, "mark7")), "", at_most=0)
    report.add("  seconds of that sync", seconds, "s")


def _access_changed(http: httpx.Client, where: tuple[str, Path], report: Report) -> None:
    """Nothing but the schedule of access looks: what it read holds for the next search."""
    source, folder = where
    assert _finds(http, "mark8")
    ok(http.patch(f"/v1/sources/{source}", json={"access_schedule": f"{ACCESS_EVERY_S}s"}))
    _until(lambda: bool(_jobs(http, source)), 120)  # one has passed, so that the next is a whole interval away
    (folder / "00000" / ".vouch.yaml").write_text("access: {allow: [group:nobody]}\n")
    seconds = _until(lambda: not _finds(http, "mark8"), 300)
    report.add(f"access changed at the source, read every {ACCESS_EVERY_S} s: holds after", seconds, "s")
    ok(http.patch(f"/v1/sources/{source}", json={"access_schedule": None}))
    _until(lambda: not any(job["state"] in ("queued", "running") for job in _jobs(http, source)), 120)


def _flat(samples: list[float], documents: int, report: Report) -> None:
    """The worker with its processes, once it is warm: the last tenth of the time beside the second."""
    tenth = max(1, len(samples) // 10)
    warm, last = statistics.median(samples[tenth : 2 * tenth]), statistics.median(samples[-tenth:])
    report.add("worker's memory, warm", warm / 2**20, "MiB")
    report.add(f"  growth over {documents:,} documents", (last / warm - 1) * 100, "%", at_most=10)


def _beside(http: httpx.Client, settings: Settings, given: tuple[Path, int], report: Report) -> None:
    """Ten new documents of a small source, alone and beside a backlog."""
    folder, backlog = given
    small = folder / "small"
    source, alone = None, list[float]()
    for turn in range(4):
        write(small, range(10**7 + turn * 10, 10**7 + turn * 10 + 10))
        source = source or _source(http, "small", small)
        alone.append(sync(http, source)[1])
    report.add("ten documents of a small source alone, median of three", statistics.median(alone[1:]), "s")
    assert source is not None
    large = folder / "large"
    write(large, range(10**6, 10**6 + backlog))
    job = ok(http.post(f"/v1/sources/{_source(http, 'large', large)}/syncs", json={}))["job_id"]
    _until(partial(_scanned, http, str(job)), 3600)
    waiting = scalar(settings, "SELECT count(*) FROM stage WHERE state = 'ready'")
    report.add("  documents of the other source that wait", waiting, "")
    busy = list[float]()
    for turn in range(4, 7):
        write(small, range(10**7 + turn * 10, 10**7 + turn * 10 + 10))
        busy.append(sync(http, source)[1])
    report.add("  beside them", statistics.median(busy), "s")
    report.add("  beside ÷ alone", statistics.median(busy) / statistics.median(alone[1:]), "", at_most=2)
    http.post(f"/v1/jobs/{job}/cancel")  # a small backlog may be through


def _scanned(http: httpx.Client, job: str) -> bool:
    found = ok(http.get(f"/v1/jobs/{job}"))["stages"]
    return any(stage["name"] == "scan" and stage["done"] for stage in found)


def _finds(http: httpx.Client, mark: str) -> bool:
    body = {"query": mark, "limit": 10, "mode": "lexical", "rerank": False}
    hits = ok(http.post("/v1/search", json=body, headers={"X-Vouch-As": "user:alice"}))["hits"]
    return any(f"{mark} " in hit["text"] for hit in hits)


def _jobs(http: httpx.Client, source: str) -> list[dict[str, object]]:
    found = ok(http.get("/v1/jobs", params={"source_id": source, "limit": 20}))["jobs"]
    return [job for job in found if job["kind"] == "access"]


def _until(done: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while not done():
        if time.monotonic() - started > seconds:
            raise SystemExit(f"not done after {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started


def _worker_bytes() -> float:
    """Of the worker and its children, unique set size."""
    of_worker: set[psutil.Process] = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if "ingestion.worker" in child.cmdline():
                of_worker |= {child, *child.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    total = 0.0
    for process in of_worker:
        try:
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total
