"""A live platform for measurements that go over HTTP, each part a process of its own, and what one asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import sqlalchemy as sa

from vouch.catalog.database import Catalog
from vouch.cli.first_start import ADMIN_KEY
from vouch.cli.platform import prepare_in_child
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, http_url
from vouch.embedded.platform import API, INDEX, SCHEDULER, SERVERS, WORKER, running_platform

ALL = (*SERVERS, INDEX, WORKER, SCHEDULER, API)


@contextmanager
def live(settings: Settings) -> Iterator[httpx.Client]:
    with running_platform(settings, ALL, prepare=prepare_in_child) as running:
        key = (settings.data_dir / ADMIN_KEY).read_text().strip()
        with httpx.Client(
            base_url=http_url(running.settings), headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as http:
            yield http


def sync(http: httpx.Client, source: str, kind: str = "incremental") -> tuple[dict[str, Any], float]:
    """The ended job and its seconds, as a person waiting for it has them."""
    started = time.monotonic()
    job_id = ok(http.post(f"/v1/sources/{source}/syncs", json={"kind": kind}))["job_id"]
    while True:
        job = ok(http.get(f"/v1/jobs/{job_id}"))
        if job["state"] not in ("queued", "running"):
            if job["state"] != "succeeded":
                raise SystemExit(f"the sync {job['state']}: {job['errors'][:3]}")
            return job, time.monotonic() - started
        time.sleep(0.25)


def search(http: httpx.Client, query: str, *, rerank: bool = False) -> dict[str, Any]:
    body = {"query": query, "limit": 10, "mode": "hybrid", "rerank": rerank}
    return ok(http.post("/v1/search", json=body, headers={"X-Vouch-As": "user:alice"}))


def ok(response: httpx.Response) -> dict[str, Any]:
    if response.status_code >= 400:
        raise SystemExit(f"{response.request.method} {response.request.url}: {response.text}")
    found: dict[str, Any] = response.json()
    return found


def timed(work: Callable[[], object]) -> float:
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


def scalar(settings: Settings, query: str) -> int:
    with _catalog(settings) as catalog, catalog.reading(settings.tenant) as session:
        return int(session.execute(sa.text(query)).scalar_one())
