"""What the client does with answers of every kind; the network is replaced, the client is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from vouch.client import Client
from vouch.core.errors import DocumentRejected, Unavailable, VouchError, every_error

JOB: dict[str, Any] = {
    "job_id": "j1",
    "source_id": "s1",
    "kind": "incremental",
    "state": "running",
    "scanned": True,
    "counts": {"seen": 1},
    "stages": [{"name": "scan", "total": 1, "done": 0, "failed": 0, "cancelled": 0, "open": 1}],
    "errors": [],
    "created_at": "2026-03-01T12:00:00Z",
    "started_at": None,
    "finished_at": None,
}


class Platform:
    """Answers each request with the next of ``answers``, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def _client(platform: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://vouch.example", "vouch_key", transport=httpx.MockTransport(platform))


def _problem(error: VouchError, **headers: str) -> httpx.Response:
    return httpx.Response(error.status, json=error.problem(), headers=headers)


def _stream(*events: tuple[str, str]) -> httpx.Response:
    text = "".join(f"event: {event}\ndata: {data}\n\n" for event, data in events)
    return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream"})


def _job(state: str) -> str:
    return json.dumps({**JOB, "state": state})


@pytest.mark.parametrize("kind", every_error())
def test_every_error_of_the_tree_comes_back_as_itself(kind: type[VouchError]) -> None:
    sent = kind("what happened", field="filter.mime")
    with pytest.raises(VouchError) as raised:
        _client(Platform(_problem(sent))).sources.sync("docs")
    assert type(raised.value) is kind
    assert raised.value.problem() == sent.problem()


def test_the_reason_of_a_rejected_document_is_kept() -> None:
    with pytest.raises(DocumentRejected) as raised:
        _client(Platform(_problem(DocumentRejected("It is encrypted.", reason="encrypted")))).sources.push(
            "s", "d", "x"
        )
    assert raised.value.reason == "encrypted"


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "[]", '"text"'])
def test_an_error_of_something_else_than_vouch_is_said(body: str) -> None:
    with pytest.raises(VouchError, match="HTTP 502"):
        _client(Platform(httpx.Response(502, text=body))).jobs.get("j1")


def test_reading_is_tried_again_while_the_platform_is_unavailable(pauses: list[float]) -> None:
    away = [_problem(Unavailable(), **{"Retry-After": "2"}) for _ in range(2)]
    platform = Platform(*away, httpx.Response(200, json=JOB))
    assert _client(platform).jobs.get("j1").state == "running"
    assert pauses == [2.0, 2.0]
    for_good = Platform(*(_problem(Unavailable()) for _ in range(3)))
    with pytest.raises(Unavailable):
        _client(for_good).jobs.get("j1")
    assert len(for_good.asked) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.sources.sync("docs"),
        lambda client: client.ask("Why?"),
        lambda client: client.sources.remove("docs"),
        lambda client: client.directory.put_user("alice", "Alice"),
    ],
)
def test_nothing_else_is_tried_again(change: Callable[[Client], object], pauses: list[float]) -> None:
    platform = Platform(_problem(Unavailable()))
    with pytest.raises(Unavailable):
        change(_client(platform))
    assert len(platform.asked) == 1
    assert pauses == []


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
def test_a_platform_that_cannot_be_reached_is_unavailable(fault: Exception) -> None:
    with pytest.raises(Unavailable, match=r"http://vouch\.example"):
        _client(Platform(fault)).jobs.get("j1")


def test_a_list_is_read_page_by_page_as_it_is_needed() -> None:
    pages = [
        httpx.Response(200, json={"jobs": [{**JOB, "job_id": f"j{n}"} for n in ids], "next_cursor": cursor})
        for ids, cursor in (((1, 2), "more"), ((3,), None))
    ]
    platform = Platform(*pages)
    jobs = _client(platform).jobs.list("s1")
    assert next(jobs).job_id == "j1"
    assert len(platform.asked) == 1
    assert [job.job_id for job in jobs] == ["j2", "j3"]
    assert [dict(request.url.params) for request in platform.asked] == [
        {"source_id": "s1"},
        {"source_id": "s1", "cursor": "more"},
    ]


def test_who_asks_is_said_and_does_not_stick() -> None:
    platform = Platform(*(httpx.Response(200, json=JOB) for _ in range(2)))
    client = _client(platform)
    client.as_user("user:alice").at_least("t-7").jobs.get("j1")
    client.jobs.get("j1")
    as_alice, as_nobody = (request.headers for request in platform.asked)
    assert as_alice["Authorization"] == as_nobody["Authorization"] == "Bearer vouch_key"
    assert (as_alice["X-Vouch-As"], as_alice["X-Vouch-At-Least"]) == ("user:alice", "t-7")
    assert "X-Vouch-As" not in as_nobody


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    platform = Platform(*(httpx.Response(200, json={"authz_token": "t"}) for _ in range(2)))
    client = _client(platform)
    client.sources.remove_document("a/../b?", "folder/a file#1.md")
    client.directory.put_user("okta/00u1", "A")
    assert [request.url.raw_path for request in platform.asked] == [
        b"/v1/sources/a%2F..%2Fb%3F/documents/folder/a%20file%231.md",
        b"/v1/directory/users/okta/00u1",
    ]


def test_a_watched_job_is_followed_through_a_lost_connection() -> None:
    platform = Platform(
        _stream(("progress", _job("queued")), ("progress", _job("running"))),
        httpx.ConnectError("the server is being started again"),
        _problem(Unavailable()),
        _stream(("progress", _job("running")), ("end", _job("succeeded"))),
    )
    states = [job.state for job in _client(platform).jobs.events("j1")]
    assert states == ["queued", "running", "running", "succeeded"]
    assert platform.answers == []


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="before the answer was whole"):
        list(_client(Platform(_stream(("step", '{"name": "search"}')))).ask_stream("Why?"))


def test_an_error_within_a_stream_is_raised() -> None:
    body = json.dumps(every_error()[0]("It broke.").problem())
    with pytest.raises(VouchError, match="It broke"):
        list(_client(Platform(_stream(("step", '{"name": "search"}'), ("error", body)))).ask_stream("Why?"))


def test_the_key_is_in_no_representation() -> None:
    client = _client(Platform())
    assert "vouch_key" not in repr(client._connection)
