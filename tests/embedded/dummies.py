"""Small dummy parts, and a supervisor that runs them in a thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from vouch.embedded.console import Console
from vouch.embedded.parts import Part
from vouch.embedded.supervisor import Supervisor


def dummy(name: str, code: str, **fields: object) -> Part:
    """A part that runs a few lines of Python."""
    command = (sys.executable, "-I", "-S", "-u", "-c", code)
    return Part(name=name, command=command, env={}, **fields)  # type: ignore[arg-type]


def eventually(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until the condition holds; the bound is there to end a broken test, it measures nothing."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """A process that runs: a zombie that its parent has yet to reap does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@dataclass
class Supervised:
    supervisor: Supervisor
    log: StringIO
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def supervised(folder: Path, parts: Sequence[Part]) -> Iterator[Supervised]:
    """The parts, started, while the block lasts. Raises what starting them raises."""
    log, stop = StringIO(), threading.Event()
    started: Future[Supervised] = Future()

    def body() -> None:
        try:
            with Supervisor(folder, Console(log), stop) as supervisor:
                supervisor.start(parts)
                started.set_result(Supervised(supervisor, log, stop))
                supervisor.watch()
        except BaseException as error:  # noqa: BLE001 - raised again where the test waits
            started.set_exception(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield started.result()
    finally:
        stop.set()
        thread.join()
