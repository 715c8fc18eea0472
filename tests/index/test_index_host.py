"""The index host as a process: what it keeps when it is killed, refused or sent nonsense."""

from __future__ import annotations

import os
import random
import signal
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.contracts.oracle import Oracle, assert_ranking
from tests.index.world import ALICE, NOBODY, HostProcess, point, readers, unit
from tests.scratch import scratch
from vouch.core.errors import AlreadyRunning, IndexUnavailable
from vouch.core.types import IndexQuery, SearchFilter
from vouch.index import wire
from vouch.index.edge import EdgeIndex
from vouch.index.fingerprint import fingerprint
from vouch.index.lexical import query_vector
from vouch.index.protocol import IndexOp, RemoveVersions, SetAccess, UpsertPoints
from vouch.index.remote import RemoteIndex

Start = Callable[[], HostProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a host on one folder and one socket, again and again if need be."""
    started: list[HostProcess] = []
    with scratch() as folder:

        def _start() -> HostProcess:
            started.append(HostProcess(Path(folder) / "index", Path(folder) / "run" / "index.sock"))
            return started[-1]

        yield _start
        for host in started:
            host.stop(signal.SIGKILL)


def contents(index: RemoteIndex) -> dict[str, str]:
    return {stored.id: stored.fingerprint for page in index.scan() for stored in page}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_it_says_when_it_answers_and_its_socket_is_the_owners_alone(start: Start) -> None:
    host = start()
    assert host.first_line == f"ready {host.socket}"
    assert stat.S_IMODE(host.socket.stat().st_mode) == 0o600
    assert host.client().state().points == 0


def test_sigterm_ends_it_with_everything_kept(start: Start) -> None:
    host = start()
    host.client().apply([UpsertPoints((point("a"),))], upto=3)
    assert host.stop()[0] == 0
    assert not host.socket.exists()
    state = start().client().state()
    assert (state.points, state.applied_seq) == (1, 3)


def test_a_second_host_on_the_folder_is_refused(start: Start) -> None:
    first = start()
    second = HostProcess(first.folder, first.socket.with_name("other.sock"))
    status, errors = second.stop()
    assert (second.first_line, status) == ("", 1)
    assert f"pid {first.process.pid}" in errors
    assert first.client().state().points == 0


def test_its_shard_cannot_be_opened_beside_it(start: Start) -> None:
    host = start()
    host.client("g1").apply([UpsertPoints((point("a"),))], upto=1)
    with pytest.raises(AlreadyRunning):
        EdgeIndex(host.folder / "g1", "g1")


def test_a_socket_path_that_is_too_long_is_said(tmp_path: Path) -> None:
    host = HostProcess(tmp_path / "index", tmp_path / ("x" * 120) / "index.sock")
    status, errors = host.stop()
    assert status == 1
    assert "too long" in errors


def test_kill_9_loses_nothing_that_was_acknowledged(start: Start) -> None:
    host = start()
    index, oracle = host.client(), Oracle()
    for number in range(1, 13):
        ops: list[IndexOp] = [
            UpsertPoints(tuple(point(f"d{number}", f"term{number}", ordinal=n) for n in range(30))),
            RemoveVersions("acme", f"d{number - 2}"),
            SetAccess("acme", (f"d{number - 1}",), readers(["user:alice"])),
        ]
        index.apply(ops, upto=number)
        oracle.apply(ops)
    host.stop(signal.SIGKILL)
    again = start().client()
    assert contents(again) == {p.id: fingerprint(p) for p in oracle.points.values()}
    assert again.state().applied_seq == 12
    assert again.count(ALICE, SearchFilter()) == oracle.count(ALICE, SearchFilter())


def test_kill_9_in_the_middle_of_an_apply_is_healed_by_applying_again(start: Start) -> None:
    host = start()
    index = host.client()
    index.apply([UpsertPoints((point("before"),))], upto=1)
    ops = [UpsertPoints(tuple(point("big", f"term{n}", ordinal=n) for n in range(4000)))]
    killed: list[Exception] = []

    def apply() -> None:
        try:
            index.apply(ops, upto=2)
        except IndexUnavailable as error:
            killed.append(error)

    writer = threading.Thread(target=apply)
    writer.start()
    eventually(lambda: host.client().state().points > 100)
    host.stop(signal.SIGKILL)
    writer.join()
    assert killed
    again = start().client()
    assert again.state().applied_seq == 1
    again.apply(ops, upto=2)
    assert (again.state().points, again.state().applied_seq) == (4001, 2)


def test_a_client_outlives_its_host(start: Start) -> None:
    host = start()
    index = host.client()
    index.apply([UpsertPoints((point("a"),))], upto=1)
    host.stop()
    with pytest.raises(IndexUnavailable):
        index.state()
    start()
    assert index.state().points == 1


def test_a_host_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable):
        RemoteIndex(tmp_path / "index.sock", "g1").state()


def test_questions_are_answered_between_the_steps_of_a_large_write(start: Start) -> None:
    host = start()
    index = host.client()
    index.apply([UpsertPoints((point("a"),))], upto=1)
    counts: list[int] = []
    writer = threading.Thread(
        target=lambda: index.apply([UpsertPoints(tuple(point("big", ordinal=n) for n in range(3000)))], upto=2)
    )
    writer.start()
    while writer.is_alive():
        counts.append(host.client().count(ALICE, SearchFilter()))
    assert len(set(counts)) > 5


def test_threads_and_forked_children_share_a_client(start: Start) -> None:
    index = start().client()
    index.apply([UpsertPoints(tuple(point(f"d{n}", f"term{n}") for n in range(20)))], upto=1)
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(20):
            hits = index.search(IndexQuery(None, query_vector(f"term{number}"), 5), ALICE).lexical
            if [hit.document_id for hit in hits] != [f"d{number}"]:
                wrong.append(number)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            ask(7)
            status = len(wrong)
        finally:
            os._exit(status)  # whatever happens, the child does not go on with the tests
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert wrong == []


def test_a_generation_is_dropped_with_its_files(start: Start) -> None:
    host = start()
    old, new = host.client("old"), host.client("new")
    for index in (old, new):
        index.apply([UpsertPoints((point("a"),))], upto=1)
    assert old.drop() is True
    assert not (host.folder / "old").exists()
    assert new.state().points == 1
    assert old.drop() is False


# --- compaction --------------------------------------------------------------------------------------


def filled(index: RemoteIndex, oracle: Oracle) -> None:
    """1,600 points of which 1,200 are removed again: enough that compaction is worth it."""
    ops: list[IndexOp] = [
        UpsertPoints(tuple(point(f"d{n // 100}", f"term{n % 50}", ordinal=n % 100) for n in range(1600))),
        *(RemoveVersions("acme", f"d{n}") for n in range(12)),
    ]
    index.apply(ops, upto=1)
    oracle.apply(ops)


class Maintaining:
    """A client that asks for compaction in a thread of its own."""

    def __init__(self, host: HostProcess) -> None:
        self._outcome: bool | IndexUnavailable | None = None
        self._thread = threading.Thread(target=self._maintain, args=(host.client(),))
        self._thread.start()

    def _maintain(self, index: RemoteIndex) -> None:
        try:
            self._outcome = index.maintain()
        except IndexUnavailable as error:
            self._outcome = error

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def outcome(self) -> bool | IndexUnavailable | None:
        self._thread.join()
        return self._outcome


def test_compaction_answers_and_writes_meanwhile_and_loses_nothing(start: Start) -> None:
    host = start()
    index, oracle = host.client(), Oracle()
    filled(index, oracle)
    compacting = Maintaining(host)
    questions = 0
    for number in range(1000):
        if not compacting.is_running():
            break
        ops: list[IndexOp] = [
            UpsertPoints((point(f"new{number}", "fresh"), point("d13", "changed", ordinal=number % 100))),
            SetAccess("acme", (f"new{number // 2}",), NOBODY),
            RemoveVersions("acme", f"new{number - 5}"),
        ]
        index.apply(ops, upto=2 + number)
        oracle.apply(ops)
        query = IndexQuery(unit(number), query_vector("term7 fresh changed"), 20)
        hits = index.search(query, ALICE)
        assert_ranking(hits.dense, oracle.dense(query, ALICE), 20)
        assert_ranking(hits.lexical, oracle.lexical(query, ALICE), 20)
        questions += 1
    assert compacting.outcome() is True
    assert questions > 3
    assert (host.folder / "g1" / "shard-2").is_dir()
    assert not (host.folder / "g1" / "shard-1").exists()
    expected = {p.id: fingerprint(p) for p in oracle.points.values()}
    assert contents(index) == expected
    host.stop(signal.SIGKILL)
    again = start().client()
    assert contents(again) == expected
    assert again.state().applied_seq == 1 + questions
    assert again.maintain() is False


def test_kill_9_during_compaction_leaves_the_old_shard_whole(start: Start) -> None:
    host = start()
    index, oracle = host.client(), Oracle()
    filled(index, oracle)

    compacting = Maintaining(host)
    eventually((host.folder / "g1" / "shard-2").is_dir)
    host.stop(signal.SIGKILL)
    assert isinstance(compacting.outcome(), IndexUnavailable)
    again = start()
    assert contents(again.client()) == {p.id: fingerprint(p) for p in oracle.points.values()}
    assert not (again.folder / "g1" / "shard-2").exists()
    assert again.client().maintain() is True


def test_sigterm_during_compaction_ends_quickly(start: Start) -> None:
    host = start()
    filled(host.client(), Oracle())
    compacting = Maintaining(host)
    eventually((host.folder / "g1" / "shard-2").is_dir)
    assert host.stop()[0] == 0
    assert isinstance(compacting.outcome(), IndexUnavailable)
    assert not (host.folder / "g1" / "shard-2").exists()


# --- nonsense ----------------------------------------------------------------------------------------


def speak(host: HostProcess, data: bytes) -> bytes:
    """Everything the host says to ``data`` until it hangs up or half a second has passed in silence."""
    said = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(host.socket))
        connection.settimeout(0.5)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                said += received
        except (TimeoutError, ConnectionError):
            pass
    return said


def test_hostile_frames_do_no_harm(start: Start) -> None:
    host = start()
    host.client().apply([UpsertPoints((point("a"),))], upto=1)
    good = wire.frame(wire.State("g1"))
    noise = random.Random(7)
    hostile = {
        "noise": noise.randbytes(5000),
        "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "another version": b"VIX2" + good[4:],
        "oversized": wire.HEADER.pack(wire.MAGIC, wire.MAX_BODY + 1),
        "cut short": good[:-3],
        "only a header": wire.HEADER.pack(wire.MAGIC, 1 << 20),
        "not MessagePack": wire.HEADER.pack(wire.MAGIC, 3) + b"\xc1\xc1\xc1",
        "deeply nested": wire.HEADER.pack(wire.MAGIC, 5000) + b"\x91" * 5000,
        "unknown message": _framed({"type": "Shutdown", "generation": "g1"}),
        "wrong types": _framed({"type": "Count", "generation": "g1", "access": 5, "where": None}),
        "a path": wire.frame(wire.State("../../etc")),
        "half a vector": _framed(
            {
                "type": "Search",
                "generation": "g1",
                "query": {"dense": b"abc", "lexical": None, "limit": 3, "where": {}},
                "access": {"tenant": "acme", "principals": ["user:alice"], "epoch": 1},
            }
        ),
        "no operation": _framed({"type": "Apply", "generation": "g1", "ops": [{}], "upto": 9, "last": True}),
        "a huge page": wire.frame(wire.Scan("g1", None, 10**9)),
    }
    for what, data in hostile.items():
        answer = speak(host, data)
        assert not answer or isinstance(wire.reply_of(answer[wire.HEADER.size :]), wire.Failed), what
    assert host.process.poll() is None
    state = host.client().state()
    assert (state.points, state.applied_seq) == (1, 1)


def _framed(message: object) -> bytes:
    body = msgspec.msgpack.encode(message)
    return struct.pack(">4sI", wire.MAGIC, len(body)) + body
