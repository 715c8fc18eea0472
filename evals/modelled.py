"""The whole platform with a chat server of ours behind it, reached over HTTP: what users get is what is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from vouch.cli.platform import prepare_in_child
from vouch.core.settings import Settings
from vouch.embedded.addresses import http_url
from vouch.embedded.platform import API, INDEX, SCHEDULER, SERVERS, WORKER, running_platform
from vouch.gateway.fake_chat import FakeChat

EVERYONE = ("authenticated",)


@dataclass(frozen=True, slots=True)
class Modelled:
    """``http`` carries the administrator's key, which may ask as anybody."""

    settings: Settings
    http: httpx.Client

    def user(self, name: str, active: bool = True) -> None:
        self.http.put(f"/v1/directory/users/{name}", json={"name": name, "active": active}).raise_for_status()

    def push(self, documents: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        """Text and who may read it, by external id; searchable when it returns."""
        source = self.http.post("/v1/sources", json={"name": "made", "kind": "push"}).raise_for_status().json()["id"]
        jobs = []
        for name, (text, allow) in documents.items():
            body = {"text": text, "access": [{"allow": list(allow)}]}
            pushed = self.http.put(f"/v1/sources/{source}/documents/{name}", json=body).raise_for_status()
            jobs.append(pushed.json()["job_id"])
        for job in jobs:
            while self._state(job) in ("queued", "running"):
                time.sleep(0.1)
            if self._state(job) != "succeeded":
                raise RuntimeError(f"a document was not taken: job {job} is {self._state(job)}")

    def _state(self, job: str) -> str:
        return str(self.http.get(f"/v1/jobs/{job}").raise_for_status().json()["state"])


@contextmanager
def modelled(folder: Path, model: FakeChat, **given: Any) -> Iterator[Modelled]:
    """A platform whose chat model is ``model``; ``given`` are further settings."""
    settings = Settings(data_dir=folder / "data", port=0, chat_url=model.url, chat_model="made", **given)
    settings.data_dir.mkdir(mode=0o700)
    with running_platform(settings, (*SERVERS, INDEX, WORKER, SCHEDULER, API), prepare=prepare_in_child) as running:
        key = (settings.data_dir / "admin.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(keepalive_expiry=1.0)  # well before the server gives an idle connection up
        with httpx.Client(base_url=http_url(running.settings), headers=headers, timeout=120, limits=limits) as http:
            yield Modelled(running.settings, http)
