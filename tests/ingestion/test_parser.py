"""The parser process: what it is not told, its limits, how it is replaced, and that it does not outlive its worker."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from ingestion.parse import Parsed, child, parse
from ingestion.parse.document import Element
from ingestion.parse.wire import EXHAUSTED, FAULT, Question, checked
from ingestion.parser import Parser, ParserKilled
from tests.ingestion import made
from vouch.core.errors import DocumentRejected, Unavailable
from vouch.core.places import Place
from vouch.core.types import Span

LONG = b"".join(b"%d is a number, and here is what can be said of it.\n\n" % n for n in range(150_000))
"""Takes a few seconds to read."""


@pytest.fixture
def own() -> Iterator[Parser]:
    """A parser that the test may maltreat."""
    parser = Parser()
    yield parser
    parser.close()


def reason(parser: Parser, data: bytes, name: str) -> str:
    with pytest.raises(DocumentRejected) as refused:
        parser.parse(data, name)
    return refused.value.reason


def until(ready: Callable[[], bool]) -> None:
    """Wait for what another process does; the test runner's own limit ends a wait in vain."""
    pause = threading.Event()
    while not ready():
        pause.wait(0.01)


def signalled_while_reading(parser: Parser, *signals: int) -> threading.Thread:
    """Send each signal to the process that reads at that time, once it has begun."""

    def send() -> None:
        done: set[int | None] = {None}
        for number in signals:
            until(lambda: parser.pid not in done and _is_ready(parser.pid or 0))
            pid = parser.pid or 0
            done.add(pid)
            used = psutil.Process(pid).cpu_times().user
            until(lambda pid=pid, used=used: psutil.Process(pid).cpu_times().user > used + 0.1)  # type: ignore[misc]
            os.kill(pid, number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def _is_ready(pid: int) -> bool:
    """Whether its libraries are loaded: from then on what they print goes nowhere."""
    return Path(f"/proc/{pid}/fd/1").readlink() == Path(os.devnull)


@pytest.mark.parametrize("name", made.EVERY_FORMAT)
def test_every_format_is_read_there_as_it_is_here(parser: Parser, name: str) -> None:
    data = made.EVERY_FORMAT[name]
    answer, body = parser.parse(data, name)
    assert Parsed.from_json(body) == parse(data, name)
    assert answer.text == parse(data, name).text


def test_a_refusal_comes_with_its_reason_and_the_process_goes_on(parser: Parser) -> None:
    parser.parse(b"words", "a.txt")
    pid = parser.pid
    assert reason(parser, made.PNG, "a.pdf") == "mislabelled"
    assert parser.parse(b"words", "a.txt")[0].text == "words"
    assert parser.pid == pid


def test_it_is_told_no_secret_and_holds_nothing_of_the_workers(own: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOUCH_SECRET_KEY", "nobody else's, and long enough for one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    own.parse(b"words", "a.txt")
    process = psutil.Process(own.pid)
    assert not [name for name in process.environ() if "VOUCH" in name or "AWS" in name]
    assert process.net_connections(kind="all") == []
    limits = {line[:26].strip(): line[26:].split()[:2] for line in _lines(process.pid, "limits")}
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    assert int(limits["Max data size"][0]) < (512 + 400) << 20


def _lines(pid: int, name: str) -> list[str]:
    return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii").splitlines()


def test_cpu_time_is_bounded_and_the_next_document_is_read() -> None:
    parser = Parser(cpu_s=0.5)
    try:
        assert reason(parser, LONG, "a.txt") == "too_expensive"
        assert parser.pid is None
        assert parser.parse(b"words", "a.txt")[0].text == "words"
    finally:
        parser.close()


def test_memory_is_bounded_and_a_process_that_ran_out_is_replaced() -> None:
    parser = Parser(memory_mb=64)
    try:
        assert parser.parse(b"words", "a.txt")[0].text == "words"
        before = parser.pid
        assert reason(parser, LONG * 2, "a.txt") == "too_expensive"
        assert parser.parse(b"words", "a.txt")[0].text == "words"
        assert parser.pid != before
    finally:
        parser.close()


def test_one_that_died_while_idle_is_no_documents_fault(own: Parser) -> None:
    own.parse(b"words", "a.txt")
    pid = own.pid or 0
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert own.parse(b"words", "a.txt")[0].text == "words"


def test_one_that_the_machine_kills_is_not_the_documents_fault_at_once(own: Parser) -> None:
    sender = signalled_while_reading(own, signal.SIGKILL)
    with pytest.raises(ParserKilled):
        own.parse(LONG, "a.txt")
    sender.join(60)
    assert own.parse(b"words", "a.txt")[0].text == "words"


def test_a_crash_counts_against_the_document_only_in_a_fresh_process(own: Parser) -> None:
    own.parse(b"words", "a.txt")
    sender = signalled_while_reading(own, signal.SIGSEGV)
    assert own.parse(LONG, "a.txt")[0].text.startswith("0 is a number")
    sender.join(60)
    sender = signalled_while_reading(own, signal.SIGSEGV, signal.SIGSEGV)
    assert reason(own, LONG, "a.txt") == "parser_died"
    sender.join(60)


def test_what_interrupts_the_worker_leaves_no_answer_behind(own: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    class TimeUp(Exception):
        pass

    def interrupted(*_: object) -> None:
        raise TimeUp

    own.parse(b"words", "a.txt")
    with monkeypatch.context() as patched:
        patched.setattr("ingestion.parser._Child._take", interrupted)
        with pytest.raises(TimeUp):
            own.parse(b"other words", "a.txt")
    assert own.pid is None
    assert own.parse(b"words", "a.txt")[0].text == "words"


def test_one_that_cannot_start_is_a_part_that_is_down(own: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable):
        own.parse(b"words", "a.txt")


def test_a_killed_worker_takes_a_busy_parser_with_it(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_bytes(LONG * 3)
    code = (
        "import sys, threading, pathlib; from ingestion.parser import Parser; p = Parser(); p.parse(b'x', 'a.txt');"
        "print(p.pid, flush=True); p.parse(pathlib.Path(sys.argv[1]).read_bytes(), 'a.txt')"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "long.txt")], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    reader = psutil.Process(pid)
    until(lambda: reader.memory_info().rss > len(LONG) * 3)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    until(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    "parsed",
    [
        Parsed("words", (Element("paragraph", Span(0, 9)),), "t", "text/plain", "en"),
        Parsed("words", (Element("paragraph", Span(0, 5)), Element("paragraph", Span(3, 5))), "t", "text/plain", "en"),
        Parsed("words", (Element("table", Span(0, 3), rows=(Span(0, 4),)),), "t", "text/plain", "en"),
        Parsed("words", (Element("table", Span(0, 3), places=(Place(Span(0, 4), "p. 1"),)),), "t", "text/plain", "en"),
        Parsed("words", (), "t", "text/plain", "en"),
    ],
)
def test_an_answer_whose_spans_cannot_be_is_not_believed(parsed: Parsed) -> None:
    with pytest.raises(ValueError, match="spans"):
        checked(parsed.to_json())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"format":2}', b"\x80\x04K\x01.", parse(b"x", "a.txt").to_json()[:-1]])
def test_what_is_no_answer_is_not_believed(body: bytes) -> None:
    with pytest.raises(ValueError):
        checked(body)


def test_memory_that_runs_out_inside_a_library_is_no_fault_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pictures says it by an error of its own; the document is then read again, where nothing was before it."""

    def recognise(*_: object, **__: object) -> Parsed:
        try:
            raise MemoryError
        except MemoryError as error:
            raise RuntimeError("the engine failed") from error

    question = msgspec.json.encode(Question("a.txt", None, 60.0))
    monkeypatch.setattr(child, "parse", recognise)
    assert child._answered(io.BytesIO(question), (len(question), 0))[0] == EXHAUSTED
    monkeypatch.setattr(child, "parse", lambda *_, **__: {}["nothing"])
    assert child._answered(io.BytesIO(question), (len(question), 0))[0] == FAULT
