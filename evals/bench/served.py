"""What `/v1/search` adds to the engine and the query's embedding: alone, and with sixteen clients at once.

    catalog (PostgreSQL) ◀── API over HTTP, in this process ──▶ index host, a process of its own
                                   ▲                                  ▲
                                   └── clients, a process of theirs ──┘

One index as `evals/bench/scale.py` fills it, and a catalog of the same documents. Who sees 50, 10, 1 and .1 % ask in
turn, so that every client has the same mix. Questions are sentences, which the made-up words do not hold: the words'
arm weighs and finds nothing. All is asked in turn with its references, so that other work falls on all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI

from acl.compile import compile_filter
from acl.resolve import resolve
from evals.bench.catalog import opened
from evals.bench.footprint import built, host
from evals.bench.live import timed
from evals.bench.recall import GENERATION
from evals.bench.report import Report
from evals.bench.scale import SHARES, askers, laid
from retrieval.api import create_app
from retrieval.depth import SHALLOWEST
from retrieval.services import Services
from vouch.catalog.tables import Trace
from vouch.core.types import AccessFilter, IndexQuery
from vouch.index.lexical import query_vector
from vouch.index.remote import RemoteIndex
from vouch.serving.process import serving

CLIENTS = 16
ADDED = 0.30
BLOCKED_MS = 20.0
THROUGHPUT = 0.70
TICK_S = 0.002


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chunks", type=int, default=100_000, help="size of the index (default 100000)")
    parser.add_argument("--searches", type=int, default=160, help="searches one by one, and as many at once")
    parser.add_argument("--index", type=Path, help="keep the index in this folder, or use the one that is there")


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """One by one first, then all clients at once."""
    folder = arguments.index or Path(tempfile.mkdtemp(prefix="vouch-bench-"))
    try:
        ground = laid(arguments.chunks)
        built(folder, ground)
        with host(folder) as hosted, opened(ground, askers(ground), hosted.index) as (services, key):
            work = _work(services, len(askers(ground)), arguments.searches)
            with serving(), _served(create_app(services)) as (url, loop):
                _one_by_one(services, Caller(url, key), work, report)
                _at_once(hosted.socket, Caller(url, key), loop, work, report)
    finally:
        if not arguments.index:
            shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Question:
    user: str
    share: float
    text: str
    query: IndexQuery
    access: AccessFilter


@dataclass(frozen=True, slots=True)
class Caller:
    url: str
    key: str

    def search(self, http: httpx.Client, question: Question) -> str:
        """The trace of a search over HTTP."""
        answer = http.post(
            f"{self.url}/v1/search",
            json={"query": question.text, "limit": 10, "mode": "hybrid", "rerank": False},
            headers={"Authorization": f"Bearer {self.key}", "X-Vouch-As": question.user},
        )
        return str(answer.raise_for_status().json()["trace_id"])


def _work(services: Services, count: int, searches: int) -> list[Question]:
    """Askers in turn, no text twice: what was asked before would not be embedded again."""
    with services.catalog.reading("bench") as session:
        access = [compile_filter(resolve(session, "bench", f"user:asker-{n}")) for n in range(count)]
    work = []
    for n in range(2 * searches):
        text = f"how is invoice number {n} approved and who pays it"
        query = IndexQuery(services.embedder.embed([text])[0], query_vector(text), SHALLOWEST)
        share = SHARES[n % count * len(SHARES) // count]
        work.append(Question(f"user:asker-{n % count}", share, text, query, access[n % count]))
    return work


def _one_by_one(services: Services, caller: Caller, work: list[Question], report: Report) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    stages: dict[str, list[float]] = defaultdict(list)
    by_share: dict[float, list[float]] = defaultdict(list)
    with httpx.Client(timeout=60) as http:
        caller.search(http, work[0])
        for question in work[: len(work) // 2]:
            took["embedding"].append(timed(partial(services.embedder.embed, [question.text])))
            took["engine"].append(timed(partial(services.index.search, question.query, question.access)))
            began, cpu = time.perf_counter(), time.process_time()
            trace = caller.search(http, question)
            took["service"].append(time.perf_counter() - began)
            took["CPU of this process, client and embedding included"].append(time.process_time() - cpu)
            by_share[question.share].append(took["service"][-1])
            with services.catalog.reading("bench") as session:
                data = session.get_one(Trace, ("bench", trace)).data
            for step in data["steps"]:
                stages[step["name"]].append(step["ms"])
            stages["none: key, log, HTTP"].append(took["service"][-1] * 1e3 - data["ms"])
    ms = {name: np.array(seconds) * 1e3 for name, seconds in took.items()}
    for name, all_ms in ms.items():
        report.add(f"{name}, p50", float(np.median(all_ms)), "ms")
    for share, seconds in by_share.items():
        report.add(f"/v1/search, {share:.1%} seen, p95", float(np.percentile(seconds, 95)) * 1e3, "ms")
    added = ms["service"] - ms["engine"] - ms["embedding"]
    report.add("  the service adds, p50", float(np.median(added)), "ms")
    both = float(np.median(ms["engine"] + ms["embedding"]))
    report.add("  as a part of engine and embedding", float(np.median(added)) / both, "", at_most=ADDED)
    for name, steps in stages.items():
        report.add(f"  stage {name}, p50", float(np.median(steps)), "ms")


def _at_once(
    socket: Path, caller: Caller, loop: asyncio.AbstractEventLoop, work: list[Question], report: Report
) -> None:
    half = work[len(work) // 2 :]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as clients:
        clients.submit(time.time).result()
        with _gaps(loop) as idle:
            time.sleep(5)
        report.add("event loop with nobody asking, longest wait", max(idle) * 1e3, "ms")
        before = clients.submit(_engine_at_once, socket, half).result()
        with _gaps(loop) as busy:
            service = clients.submit(_service_at_once, caller, half).result()
        after = clients.submit(_engine_at_once, socket, half).result()
    report.add(f"event loop with {CLIENTS} clients, longest wait", max(busy) * 1e3, "ms", at_most=BLOCKED_MS)
    report.add("  99th percentile", float(np.percentile(busy, 99)) * 1e3, "ms")
    engine = len(half) * 2 / (before + after)
    report.add(f"engine alone, {CLIENTS} clients, before and after", engine, "/s")
    report.add(f"/v1/search, {CLIENTS} clients", len(half) / service, "/s")
    report.add("  of the engine alone", len(half) / service / engine, "", at_least=THROUGHPUT)


def _engine_at_once(socket: Path, work: list[Question]) -> float:
    with closing(RemoteIndex(socket, GENERATION)) as index, ThreadPoolExecutor(CLIENTS) as pool:
        return timed(lambda: [*pool.map(lambda question: index.search(question.query, question.access), work)])


def _service_at_once(caller: Caller, work: list[Question]) -> float:
    with httpx.Client(timeout=120) as http, ThreadPoolExecutor(CLIENTS) as pool:
        return timed(lambda: [*pool.map(partial(caller.search, http), work)])


@contextmanager
def _served(app: FastAPI) -> Iterator[tuple[str, asyncio.AbstractEventLoop]]:
    """The address of ``app``, and the loop that serves it."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    socket = server.config.bind_socket()
    socket.listen()  # who calls before the thread has come to it waits
    loop = (server.config.get_loop_factory() or asyncio.new_event_loop)()  # as the product's own
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(sockets=[socket])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}", loop
    finally:
        server.should_exit = True
        thread.join()
        loop.close()


@contextmanager
def _gaps(loop: asyncio.AbstractEventLoop) -> Iterator[list[float]]:
    """How much later than it asked a ticker on ``loop`` came to its turn, while the block lasts."""
    late: list[float] = [0.0]
    over = threading.Event()

    async def tick() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - began - TICK_S)

    ticking = asyncio.run_coroutine_threadsafe(tick(), loop)
    try:
        yield late
    finally:
        over.set()
        ticking.result()
