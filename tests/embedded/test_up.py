"""``up`` as a process: signals, a second start, and the supervisor's own violent end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.embedded.dummies import alive, eventually
from vouch.embedded import leftovers

ROOT = Path(__file__).parents[2]
TOLD_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _as_a_terminal_starts_it() -> None:
    """Runs in the child. What a shell's background job or ``nohup`` has these tests ignore, the child would inherit,
    and ``up`` heeds that."""
    for number in TOLD_TO_STOP:
        signal.signal(number, signal.SIG_DFL)


def _part(name: str, folder: Path) -> tuple[str, str]:
    """A part that notes its own process id, that of a child in another session, and every signal it gets."""
    code = f"""
import os, signal, time
def note(what):
    with open({str(folder / "notes")!r}, "a") as file: file.write(f"{name} {{what}}\\n")
if os.fork() == 0:
    os.setsid(); note(os.getpid()); time.sleep(600)
note(os.getpid())
signal.signal(signal.SIGINT, lambda *_: note("SIGINT"))
def leave(*_):
    note("SIGTERM"); os._exit(0)
signal.signal(signal.SIGTERM, leave)
while True: time.sleep(0.02)
"""
    return name, code


class _Up:
    def __init__(self, folder: Path, port: int, prepare_s: float) -> None:
        self.folder = folder
        parts = [_part("postgres", folder), _part("api", folder)]
        arguments = [str(folder / "data"), str(port), str(prepare_s), json.dumps(parts)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.drive", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            preexec_fn=_as_a_terminal_starts_it,
        )

    def lines(self, count: int) -> list[str]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline().rstrip() for _ in range(count)]

    def notes(self) -> list[str]:
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self.notes() if line.split()[1].isdigit()]


@contextmanager
def _up(folder: Path, port: int = 0, prepare_s: float = 0) -> Iterator[_Up]:
    running = _Up(folder, port, prepare_s)
    with running.process:
        try:
            yield running
        finally:
            running.process.kill()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[_Up]:
    with _up(tmp_path) as running:
        preparing, ready = running.lines(2)
        assert preparing == "preparing"
        assert ready.startswith("ready http://127.0.0.1:")
        eventually(lambda: len(running.pids()) == 4)
        yield running


@pytest.mark.parametrize("number", TOLD_TO_STOP)
def test_a_signal_to_the_whole_group_stops_the_parts_in_reverse_order(up: _Up, number: signal.Signals) -> None:
    os.killpg(up.process.pid, number)
    assert up.process.wait(timeout=10) == 0
    assert not any(map(alive, up.pids()))
    # The terminal's signal reached no part: each was told by the supervisor, the dependent one first.
    assert [line for line in up.notes() if "SIG" in line] == ["api SIGTERM", "postgres SIGTERM"]


def test_a_signal_interrupts_the_preparation(tmp_path: Path) -> None:
    with _up(tmp_path, prepare_s=600) as running:
        assert running.lines(1) == ["preparing"]
        os.kill(running.process.pid, signal.SIGTERM)
        assert running.process.wait(timeout=10) == 0
        assert running.lines(1) == [""]
        assert not any(map(alive, running.pids()))


def test_a_second_start_is_refused_with_the_process_and_address_of_the_first(up: _Up, tmp_path: Path) -> None:
    with _up(tmp_path) as second:
        (said,) = second.lines(1)
        assert second.process.wait(timeout=20) == 1
    assert said.startswith("already_running: A platform already runs on ")
    assert f"(process {up.process.pid}, http://127.0.0.1:" in said
    assert all(map(alive, up.pids()))


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, _up(tmp_path, server.getsockname()[1]) as running:
        assert running.lines(1) == [
            f"port_taken: Port {server.getsockname()[1]} on 127.0.0.1 is taken; set VOUCH_PORT."
        ]
        assert running.process.wait(timeout=20) == 1
        assert running.notes() == []


def test_a_killed_supervisor_leaves_nothing_behind_and_can_be_followed_at_once(up: _Up, tmp_path: Path) -> None:
    first = up.pids()
    up.process.kill()
    up.process.wait()
    with _up(tmp_path) as second:
        assert second.lines(1) == ["preparing"]
        assert not any(map(alive, first))
        os.kill(second.process.pid, signal.SIGTERM)
        assert second.process.wait(timeout=10) == 0


def test_a_start_clears_up_after_a_supervisor_that_was_killed_with_its_guard(up: _Up, tmp_path: Path) -> None:
    first = up.pids()
    (guard,) = [pid for pid in leftovers.holders(tmp_path / "data" / "lock") if pid != up.process.pid]
    with ExitStack() as stack:
        os.kill(guard, signal.SIGKILL)
        up.process.kill()
        up.process.wait()
        strangers = [stack.enter_context(subprocess.Popen(["/bin/sleep", "600"])) for _ in range(3)]
        eventually(lambda: sum(map(alive, first)) == 2)  # the children in sessions of their own
        with _up(tmp_path) as second:
            assert second.lines(2)[1].startswith("ready ")
            assert not any(map(alive, first))
            assert all(stranger.poll() is None for stranger in strangers)
            os.kill(second.process.pid, signal.SIGTERM)
            assert second.process.wait(timeout=10) == 0
        for stranger in strangers:
            stranger.kill()
