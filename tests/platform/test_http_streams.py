"""Open streams over HTTP: each ends with the access that it was opened on, also where nothing is being sent.

How fast is measured by `make bench`; here the model never answers by itself, so a stream that is not ended hangs.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.platform.conftest import Platform, platform_on, problem
from tests.platform.objects import bearer, key
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Job
from vouch.core import clock
from vouch.core.ids import new_id
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url
from vouch.gateway.fake_chat import FakeChat

HOTEL = "How much is reimbursed for a hotel per night?"
GUARD_S = 60
Event = tuple[str, Any]


@pytest.fixture(scope="module")
def model() -> Iterator[FakeChat]:
    with FakeChat() as server:
        yield server


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object, model: FakeChat
) -> Iterator[Platform]:
    """One whose answers are written by ``model``, when it is let."""
    given = {"chat_url": model.url, "chat_model": "some-model", "chat_timeout_s": 2 * GUARD_S, "reuse": "off"}
    with platform_on(tmp_path_factory.mktemp("platform") / "data", model_settings, **given) as platform:
        yield platform


class Reader:
    """A user of their own, in a group of their own, with a key of their own and a document that the group may read."""

    def __init__(self, platform: Platform, name: str, **expiring: Any) -> None:
        self.platform, self.name = platform, name
        platform.ok("PUT", f"/v1/directory/users/{name}", json={"name": name})
        platform.ok("PUT", self.group, json={"name": name, "members": [f"user:{name}"]})
        self.source = platform.source(f"travel-{name}")
        text = (
            f"# Hotels\n\nHotels are reimbursed up to 140 euros per night for {name}. A hotel is reimbursed by night.\n"
        )
        platform.pushed(self.source, "hotels", text, f"group:{name}")
        made = platform.ok(
            "POST", "/v1/keys", json={"name": name, "scopes": ["ask", "sources"], "user": f"user:{name}", **expiring}
        )
        self.key_id, self.headers = made["id"], bearer(made["key"])

    @property
    def group(self) -> str:
        return f"/v1/directory/groups/{self.name}"

    def deactivate(self) -> None:
        self.platform.ok("PUT", f"/v1/directory/users/{self.name}", json={"name": self.name, "active": False})

    def delete(self) -> None:
        self.platform.ok("DELETE", f"/v1/directory/users/{self.name}")

    def revoke(self) -> None:
        self.platform.ok("DELETE", f"/v1/keys/{self.key_id}")

    def leave(self) -> None:
        self.platform.ok("POST", f"{self.group}/members", json={"remove": [f"user:{self.name}"]})

    def close(self) -> None:
        self.platform.ok("PUT", f"/v1/sources/{self.source}/documents/hotels/access", json=[{"allow": ["user:bob"]}])

    def remove(self) -> None:
        self.platform.ok("DELETE", f"/v1/sources/{self.source}/documents/hotels")


@contextmanager
def streaming(reader: Reader, method: str = "POST", path: str = "/v1/ask") -> Iterator[Iterator[Event]]:
    """The events of a stream, of a question unless another path is named; a kept connection of its own."""
    body = {"question": HOTEL, "stream": True} if path == "/v1/ask" else None
    with (
        httpx.Client(base_url=reader.platform.http.base_url, headers=reader.headers, timeout=GUARD_S) as http,
        http.stream(method, path, json=body) as response,
    ):
        assert response.status_code == 200, response.read()
        yield _events(response.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield name, json.loads(line.removeprefix("data:"))


def _until_generate(events: Iterator[Event]) -> None:
    while (event := next(events)) != ("step", {"name": "generate"}):
        assert event[0] == "step"


@pytest.mark.parametrize("ending", [Reader.deactivate, Reader.delete, Reader.revoke])
def test_a_stream_that_waits_for_a_model_ends_with_its_user_and_with_its_key(
    platform: Platform, model: FakeChat, ending: Callable[[Reader], None]
) -> None:
    model.behave("hangs")
    reader = Reader(platform, f"waits-{ending.__name__}")
    with streaming(reader) as events:
        _until_generate(events)
        ending(reader)
        ((name, told),) = events
    assert (name, told["code"]) == ("error", "unauthenticated")
    problem(platform.http.post("/v1/ask", headers=reader.headers, json={"question": HOTEL}), 401, "unauthenticated")


def test_a_stream_ends_when_its_key_expires(platform: Platform, model: FakeChat) -> None:
    model.behave("hangs")
    reader = Reader(platform, "expires")
    brief = key(platform, "ask", user="user:expires", expires_at=clock.now() + timedelta(seconds=2))
    reader.headers = bearer(brief)
    with streaming(reader) as events:
        *steps, (name, told) = events
    assert {step for step, _ in steps} == {"step"}
    assert (name, told["code"]) == ("error", "unauthenticated")


@pytest.mark.parametrize("ending", [Reader.leave, Reader.close, Reader.remove])
def test_a_document_that_is_lost_while_the_model_writes_is_not_in_the_stream(
    platform: Platform, model: FakeChat, ending: Callable[[Reader], None]
) -> None:
    """The asker may go on asking; only there is nothing left for them to read."""
    model.behave("held")
    reader = Reader(platform, f"loses-{ending.__name__}")
    with streaming(reader) as events:
        _until_generate(events)
        ending(reader)
        model.release()
        told = list(events)
    assert "140 euros" not in json.dumps(told)
    assert told[-1][0] == "answer" and told[-1][1]["kind"] == "abstention", told[-1]
    model.behave("held")
    other = Reader(platform, f"keeps-{ending.__name__}")
    with streaming(other) as events:  # it is the loss that made the difference
        _until_generate(events)
        model.release()
        assert "140 euros" in json.dumps(list(events))


@pytest.mark.parametrize("ending", [Reader.leave, Reader.close, Reader.remove])
def test_a_document_that_is_lost_between_two_sentences_ends_the_stream_there(
    platform: Platform, model: FakeChat, ending: Callable[[Reader], None]
) -> None:
    """The first has left while the model writes the second; nothing of what is lost follows it."""
    model.behave("pauses")
    reader = Reader(platform, f"between-{ending.__name__}")
    told = []
    with streaming(reader) as events:
        for event in events:
            told.append(event)
            if event[0] == "citation" and len([one for one in told if one[0] == "token"]) == 1:
                ending(reader)
                model.release()
    names = [name for name, _ in told if name != "step"]
    assert names[0] == "token" and "answer" not in names, told
    assert names[-1] == "error" and told[-1][1]["code"] == "answer_withdrawn"


def test_a_client_that_does_not_read_finds_the_end_and_nothing_else(platform: Platform, model: FakeChat) -> None:
    model.behave("held")
    reader = Reader(platform, "sleeps")
    body = json.dumps({"question": HOTEL, "stream": True})
    head = f"POST /v1/ask HTTP/1.1\r\nHost: vouch\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    credential = f"Authorization: {reader.headers['Authorization']}\r\n"
    with socket.create_connection((platform.settings.host, platform.settings.port), timeout=GUARD_S) as connection:
        connection.sendall(f"{head}{credential}Connection: close\r\n\r\n{body}".encode())
        platform.until(lambda: model.received)
        reader.deactivate()
        problem(platform.http.get("/v1/jobs", headers=reader.headers), 401, "unauthenticated")
        with streaming(Reader(platform, "other")) as events:  # the watch has looked again by the time that this ends
            _until_generate(events)
            platform.ok("PUT", "/v1/directory/users/other", json={"name": "other", "active": False})
            assert [name for name, _ in events] == ["error"]
        model.release()
        received = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    lines = [line for line in received.split("\n") if line.startswith("event:")]
    assert set(lines[:-1]) == {"event: step"} and lines[-1] == "event: error"
    assert "140 euros" not in received and "unauthenticated" in received


def test_a_kept_connection_is_let_in_anew_with_each_request(platform: Platform) -> None:
    reader = Reader(platform, "returns")
    with httpx.Client(base_url=platform.http.base_url, headers=reader.headers, timeout=GUARD_S) as http:
        opened = []
        for status in (200, 401):
            response = http.get("/v1/jobs")
            opened.append(response.extensions["network_stream"].get_extra_info("client_addr"))
            assert response.status_code == status
            if status == 200:
                reader.revoke()
    assert opened[0] == opened[1]


# --- what a job does -----------------------------------------------------------------------------------


def _endless(reader: Reader) -> str:
    """A job that nobody works on."""
    settings = reader.platform.settings
    catalog = Catalog(database_url(settings))
    job_id = new_id()
    with catalog.transaction(settings.tenant) as session:
        session.add(Job(tenant_id=settings.tenant, id=job_id, source_id=reader.source, kind="push", state="running"))
    catalog.close()
    return job_id


@pytest.mark.parametrize("ending", [Reader.deactivate, Reader.delete, Reader.revoke])
def test_the_stream_of_a_job_ends_with_who_watches(platform: Platform, ending: Callable[[Reader], None]) -> None:
    reader = Reader(platform, f"watches-{ending.__name__}")
    with streaming(reader, "GET", f"/v1/jobs/{_endless(reader)}/events") as events:
        assert next(events)[0] == "progress"
        ending(reader)
        ((name, told),) = events
    assert (name, told["code"]) == ("error", "unauthenticated")


def test_the_stream_of_a_job_ends_when_the_key_expires(platform: Platform) -> None:
    reader = Reader(platform, "watches-briefly")
    brief = key(platform, "sources", expires_at=clock.now() + timedelta(seconds=1))
    reader.headers = bearer(brief)
    with streaming(reader, "GET", f"/v1/jobs/{_endless(reader)}/events") as events:
        (first, _), (name, told) = events
    assert (first, name, told["code"]) == ("progress", "error", "unauthenticated")


def test_the_stream_of_a_job_ends_with_its_source(platform: Platform) -> None:
    reader = Reader(platform, "watches-a-source")
    with streaming(reader, "GET", f"/v1/jobs/{_endless(reader)}/events") as events:
        assert next(events)[0] == "progress"
        platform.ok("DELETE", f"/v1/sources/{reader.source}")
        ((name, told),) = events
    assert (name == "end" and told["state"] == "cancelled") or (name, told["code"]) == ("error", "not_found")
