"""The whole platform as people run it: every part a process of its own, reached over HTTP."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from acl.compile import compile_payload
from tests.history import unrecorded
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.outbox import active_generation
from vouch.cli.platform import prepare_in_child
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, http_url
from vouch.embedded.platform import API, INDEX, SCHEDULER, SERVERS, WORKER, Running, running_platform
from vouch.index.open import open_index
from vouch.index.verify import Difference, verify

PARTS = (*SERVERS, INDEX, WORKER, SCHEDULER, API)
PATIENCE_S = 240


def acting(user: str) -> dict[str, str]:
    return {"X-Vouch-As": f"user:{user}"}


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> Any:
    """The body of an error, of which everything that is promised of errors has been checked."""
    body = response.json()
    assert (response.status_code, body["code"], body.get("field")) == (status, code, field), body
    assert response.headers["content-type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (status, f"urn:vouch:error:{code}")
    assert body["title"] and body["detail"]
    return body


@dataclass
class Platform:
    """A running platform, and how a test talks to it."""

    running: Running
    http: httpx.Client

    @property
    def settings(self) -> Settings:
        return self.running.settings

    def ok(self, method: str, path: str, **kw: Any) -> Any:
        response = self.http.request(method, path, **kw)
        assert response.status_code < 400, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def until(self, done: Callable[[], Any]) -> Any:
        """Ask again and again, through restarts, until ``done`` gives something true."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if found := done():
                    return found
            except httpx.HTTPError:
                pass  # the API itself may be what was killed
            time.sleep(0.1)
        raise AssertionError("it did not come about in time")

    def job(self, job_id: str) -> Any:
        response = self.http.get(f"/v1/jobs/{job_id}")
        return response.json() if response.status_code == 200 else None

    def ended(self, job_id: str) -> Any:
        def look() -> Any:
            job = self.job(job_id)
            return job if job and job["state"] not in ("queued", "running") else None

        return self.until(look)

    def source(self, name: str, kind: str = "push", **given: Any) -> str:
        """A new source's id."""
        return str(self.ok("POST", "/v1/sources", json={"name": name, "kind": kind, **given})["id"])

    def synced(self, source: str, kind: str = "incremental") -> Any:
        """The job of a sync that has ended."""
        return self.ended(self.ok("POST", f"/v1/sources/{source}/syncs", json={"kind": kind})["job_id"])

    def pushed(self, source: str, external_id: str, text: str, *allow: str) -> None:
        """Send Markdown that ``allow`` may read, and wait until it can be found."""
        body = {"text": text, "access": [{"allow": list(allow)}] if allow else None}
        job = self.ended(self.ok("PUT", f"/v1/sources/{source}/documents/{external_id}", json=body)["job_id"])
        assert job["state"] == "succeeded", job

    def get(self, user: str, path: str, **kw: Any) -> httpx.Response:
        return self.http.get(path, headers=acting(user), **kw)

    def post(self, user: str, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, headers=acting(user), json=body)

    def search(self, user: str, query: str, **kw: Any) -> list[Any]:
        return list(self.ok("POST", "/v1/search", headers=acting(user), json={"query": query, **kw})["hits"])

    def ask(self, user: str, question: str, **kw: Any) -> Any:
        return self.ok("POST", "/v1/ask", headers=acting(user), json={"question": question, **kw})

    def unrecorded(self) -> list[str]:
        """What the live tables say of access and its history does not."""
        catalog = Catalog(database_url(self.settings), audit_key=self.settings.audit_key)
        with catalog.reading(ACROSS_TENANTS) as session:
            found = unrecorded(session)
        catalog.close()
        return found

    def verified(self) -> Difference:
        """What `vouch index verify` finds once the projector has caught up."""
        catalog = Catalog(database_url(self.settings), audit_key=self.settings.audit_key)

        def look() -> Difference | None:
            with catalog.reading(ACROSS_TENANTS) as session:
                index = open_index(self.settings, active_generation(session).id)
                found = verify(session, index, compile_payload)
            return found if found.behind == 0 else None

        try:
            return self.until(look)  # type: ignore[no-any-return]
        finally:
            catalog.close()


@contextmanager
def platform_on(data_dir: Path, model_settings: Settings, **given: Any) -> Iterator[Platform]:
    """A platform with alice and bob, of whom alice is in the group staff; ``given`` are further settings."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if not (data_dir / "models").exists():
        shutil.copytree(model_settings.models_dir, data_dir / "models")
    settings = Settings(data_dir=data_dir, port=0, lease_s=4, sweep_every_s=0.5, **given)
    with running_platform(settings, PARTS, prepare=prepare_in_child, durable=True) as running:
        key = (data_dir / "admin.key").read_text().strip()
        with httpx.Client(
            base_url=http_url(running.settings), headers={"Authorization": f"Bearer {key}"}, timeout=30
        ) as http:
            platform = Platform(running, http)
            platform.ok("PUT", "/v1/directory/users/alice", json={"name": "Alice"})
            platform.ok("PUT", "/v1/directory/users/bob", json={"name": "Bob"})
            platform.ok("PUT", "/v1/directory/groups/staff", json={"name": "Staff", "members": ["user:alice"]})
            yield platform
            assert platform.unrecorded() == [], "a write of access that history does not know"


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object
) -> Iterator[Platform]:
    """One platform for the tests of a module; each makes sources of its own."""
    with platform_on(tmp_path_factory.mktemp("platform") / "data", model_settings) as platform:
        yield platform
