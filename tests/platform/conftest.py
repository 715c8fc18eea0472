"""The whole platform as people run it: every part a process of its own, reached over HTTP.

In each process of pytest one runs for all files that make do with its settings, and each of them has a tenant of its
own there: as empty as a platform of its own, and a start of ten seconds cheaper. A file that kills parts or needs
other settings starts its own (``platform_on``).
"""

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
from acl.keys import ADMINISTRATOR, create_key
from tests.history import unrecorded
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import Tenant
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
    """A running platform, and how a test talks to it, with a key of ``tenant``."""

    running: Running
    http: httpx.Client
    tenant: str

    @property
    def settings(self) -> Settings:
        return self.running.settings.model_copy(update={"tenant": self.tenant})

    def ok(self, method: str, path: str, **kw: Any) -> Any:
        response = self.http.request(method, path, **kw)
        assert response.status_code < 400, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def until(self, done: Callable[[], Any]) -> Any:
        """Ask again and again, through restarts, until ``done`` gives something true.

        The longer it takes, the longer the pauses: to ask takes time that what is waited for does not get.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < PATIENCE_S:
            try:
                if found := done():
                    return found
            except httpx.HTTPError:
                pass  # the API itself may be what was killed
            time.sleep(min(max(0.05, waited / 20), 0.25))
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
def running_on(data_dir: Path, model_settings: Settings, **given: Any) -> Iterator[Running]:
    """Every part on ``data_dir``; ``given`` are further settings. What is asked twice is answered twice."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    if not (data_dir / "models").exists():
        shutil.copytree(model_settings.models_dir, data_dir / "models")
    settings = Settings(data_dir=data_dir, port=0, lease_s=4, sweep_every_s=0.5, **{"reuse": "off", **given})
    with running_platform(settings, PARTS, prepare=prepare_in_child, durable=True) as running:
        yield running


@contextmanager
def peopled(running: Running, tenant: str, key: str) -> Iterator[Platform]:
    """The platform for one tenant, with alice and bob, of whom alice is in the group staff."""
    with httpx.Client(
        base_url=http_url(running.settings), headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as http:
        platform = Platform(running, http, tenant)
        platform.ok("PUT", "/v1/directory/users/alice", json={"name": "Alice"})
        platform.ok("PUT", "/v1/directory/users/bob", json={"name": "Bob"})
        platform.ok("PUT", "/v1/directory/groups/staff", json={"name": "Staff", "members": ["user:alice"]})
        yield platform
        assert platform.unrecorded() == [], "a write of access that history does not know"


def admin_key(settings: Settings) -> str:
    """The key that the first start made."""
    return (settings.data_dir / "admin.key").read_text().strip()


@contextmanager
def platform_on(data_dir: Path, model_settings: Settings, **given: Any) -> Iterator[Platform]:
    """A platform of its own, with the tenant and the key that its first start makes."""
    with (
        running_on(data_dir, model_settings, **given) as running,
        peopled(running, running.settings.tenant, admin_key(running.settings)) as platform,
    ):
        yield platform


def new_tenant(settings: Settings, tenant: str) -> str:
    """Add a tenant; the secret of its administrator's key."""
    assert settings.secret_key is not None
    catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
    try:
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
        with catalog.transaction(tenant) as session:
            secret_key = settings.secret_key.get_secret_value()
            made = create_key(session, secret_key, tenant, name="administrator", scopes=ADMINISTRATOR, actor="test")
            return made.secret
    finally:
        catalog.close()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object) -> Iterator[Running]:
    """The parts that the files share; they read documents of up to 1 MiB, and a person approves what is asked for
    ``reviewed``."""
    given = {"max_document_mb": 1, "approval_workflows": "reviewed"}
    with running_on(tmp_path_factory.mktemp("platform") / "data", model_settings, **given) as running:
        yield running


@pytest.fixture(scope="module")
def platform(shared: Running, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A tenant for the tests of a file; each test makes sources of its own."""
    tenant = request.path.stem.replace("_", "-")
    with peopled(shared, tenant, new_tenant(shared.settings, tenant)) as platform:
        yield platform
