"""The supervisor, with dummy parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from tests.embedded.dummies import alive, dummy, eventually, supervised
from vouch.core.errors import StartFailed
from vouch.embedded import leftovers, supervisor
from vouch.embedded.console import Console
from vouch.embedded.parts import Part, Restart, waves

SLEEP = "import time; time.sleep(600)"


def _diary(name: str, path: Path, *depends_on: str) -> Part:
    """A part that writes when it starts and when it is told to stop."""
    mark = path.with_name(f"{name}.up")
    code = f"""
import signal, sys, time
def note(what):
    with open({str(path)!r}, "a") as file: file.write(what + " {name}\\n")
def leave(*_):
    note("stop"); sys.exit()
signal.signal(signal.SIGTERM, leave)
note("start")
open({str(mark)!r}, "w").close()
while True: time.sleep(0.05)
"""
    return dummy(name, code, ready=mark.exists, depends_on=depends_on)


def test_parts_start_after_and_stop_before_what_they_depend_on(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    parts = [_diary("api", diary, "index", "database"), _diary("index", diary, "database"), _diary("database", diary)]
    with supervised(tmp_path / "parts", parts) as running:
        assert list(running.supervisor.pids()) == ["database", "index", "api"]
    assert diary.read_text().splitlines() == [
        *("start database", "start index", "start api"),
        *("stop api", "stop index", "stop database"),
    ]


def test_waves_ignore_absent_parts_and_refuse_cycles_and_twins() -> None:
    def part(name: str, *depends_on: str) -> Part:
        return Part(name, ("/bin/true",), {}, depends_on=depends_on)

    found = waves([part("c", "a", "b"), part("a", "given elsewhere"), part("b")])
    assert [[p.name for p in wave] for wave in found] == [["a", "b"], ["c"]]
    with pytest.raises(ValueError, match="cycle"):
        waves([part("a", "b"), part("b", "a")])
    with pytest.raises(ValueError, match="same name"):
        waves([part("a"), part("a")])


def test_a_killed_part_is_restarted_and_what_it_left_is_killed(tmp_path: Path) -> None:
    children = tmp_path / "children"
    # One child in the part's group, one in a session of its own: both outlive a leader killed by SIGKILL.
    code = f"""
import os, time
for session in (False, True):
    if os.fork() == 0:
        if session: os.setsid()
        with open({str(children)!r}, "a") as file: file.write(str(os.getpid()) + "\\n")
        time.sleep(600)
time.sleep(600)
"""
    part = dummy("part", code, ready=lambda: children.exists() and len(children.read_text().split()) == 2)
    with supervised(tmp_path / "parts", [part]) as running:
        before = running.supervisor.pids()["part"]
        left = [int(pid) for pid in children.read_text().split()]
        assert all(map(alive, left))
        os.kill(before, signal.SIGKILL)
        eventually(lambda: running.supervisor.pids().get("part", before) != before)
        assert not any(map(alive, left))
        eventually(lambda: len(children.read_text().split()) == 4)
        assert "ended (SIGKILL); starting it again in 0.2 s" in running.log.getvalue()
    assert not any(alive(int(pid)) for pid in children.read_text().split())


def test_restarts_back_off_up_to_a_cap_and_start_over_once_the_part_was_steady(tmp_path: Path) -> None:
    restart = Restart(first_s=0.01, cap_s=0.04, steady_s=60)
    assert [restart.delay(n) for n in (1, 2, 3, 4, 5000)] == [0.01, 0.02, 0.04, 0.04, 0.04]
    with supervised(tmp_path / "a", [dummy("flaky", "raise SystemExit(3)", restart=restart)]) as running:
        eventually(lambda: running.log.getvalue().count("again in 0.04 s") >= 2)
    log = running.log.getvalue()
    assert log.index("again in 0.01 s") < log.index("again in 0.02 s") < log.index("again in 0.04 s")
    assert "ended (exit status 3)" in log

    steady = Restart(first_s=0.01, cap_s=0.04, steady_s=0)
    with supervised(tmp_path / "b", [dummy("steady", "raise SystemExit(3)", restart=steady)]) as running:
        eventually(lambda: running.log.getvalue().count("again in 0.01 s") >= 3)
    assert "0.02 s" not in running.log.getvalue()


def test_a_restart_that_cannot_be_prepared_is_tried_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def prepare() -> None:
        calls.append(len(calls))
        if calls[-1] == 1:
            raise OSError("the disk is full")

    part = dummy("part", SLEEP, prepare=prepare, restart=Restart(first_s=0.01))
    with supervised(tmp_path / "parts", [part]) as running:
        before = running.supervisor.pids()["part"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: running.supervisor.pids().get("part", before) != before)
        assert "could not be started: the disk is full; starting it again in 0.02 s" in running.log.getvalue()
    assert calls == [0, 1, 2]


def test_a_part_that_never_becomes_ready_fails_the_start_with_its_last_lines(tmp_path: Path) -> None:
    code = "print('\\n'.join(f'line {n}' for n in range(40))); " + SLEEP
    with (
        pytest.raises(StartFailed) as caught,
        supervised(tmp_path / "parts", [dummy("first", SLEEP), dummy("slow", code, ready=lambda: False, start_s=1.0)]),
    ):
        pass
    assert caught.value.detail.startswith("slow was not ready after 1 s. Its last lines:\n  line 20\n")
    assert caught.value.detail.endswith("  line 39")
    assert leftovers.holders(tmp_path / "parts" / "first") == []  # what had started was stopped


def test_a_part_that_ends_before_it_is_ready_fails_the_start_at_once(tmp_path: Path) -> None:
    part = dummy("broken", "import sys; sys.exit('no such key')", ready=lambda: False)
    said = r"broken ended before it was ready \(exit status 1\).*\n  no such key"
    with pytest.raises(StartFailed, match=said), supervised(tmp_path / "parts", [part]):
        pass
    missing = Part("missing", (str(tmp_path / "nothing"),), {}, ready=lambda: False)
    with pytest.raises(StartFailed, match="No such file or directory"), supervised(tmp_path / "parts", [missing]):
        pass


def test_a_part_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    seen: list[bool] = []
    with supervised(tmp_path / "parts", [dummy("deaf", deaf, grace_s=0.2)]) as running:
        eventually(lambda: "deaf" in running.log.getvalue())
        pid = running.supervisor.pids()["deaf"]
        seen.append(alive(pid))
    assert seen == [True]
    assert not alive(pid)
    assert "did not stop in 0.2 s; killed" in running.log.getvalue()


def test_stopping_is_bounded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert supervisor.STOP_S < 10
    monkeypatch.setattr(supervisor, "STOP_S", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    parts = [dummy(f"deaf{n}", deaf, grace_s=3600.0, depends_on=[f"deaf{n - 1}"]) for n in range(3)]
    with supervised(tmp_path / "parts", parts) as running:
        eventually(lambda: running.log.getvalue().count("deaf\n") == 3)
        pids = running.supervisor.pids().values()
    assert not any(map(alive, pids))


def test_a_part_gets_the_environment_it_was_given_and_no_input(tmp_path: Path) -> None:
    code = "import os, sys; print(sorted(os.environ), repr(sys.stdin.read()))"
    part = Part("part", (sys.executable, "-I", "-S", "-c", code), {"SECRET": "x", "LC_CTYPE": "C.UTF-8"})
    with supervised(tmp_path / "parts", [part]) as running:
        eventually(lambda: "['LC_CTYPE', 'SECRET'] ''" in running.log.getvalue())


def test_only_processes_that_hold_the_lock_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "part"
    lock = leftovers.claim(path)
    sleeper = [sys.executable, "-I", "-S", "-c", SLEEP]
    with subprocess.Popen(sleeper, pass_fds=[lock]) as left, subprocess.Popen(sleeper) as stranger:
        os.close(lock)
        assert leftovers.holders(path) == [left.pid]
        os.close(leftovers.claim(path))
        assert left.wait() == -signal.SIGKILL
        assert stranger.poll() is None
        stranger.kill()


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_log_lines_are_prefixed_and_coloured_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, terminal = StringIO(), _Terminal()
    for stream in (plain, terminal):
        console = Console(stream)
        console.line("api", "one")
        console.line("postgres", "two")
    assert plain.getvalue() == "api       │ one\npostgres  │ two\n"
    assert terminal.getvalue() == "\x1b[36mapi       │\x1b[0m one\n\x1b[33mpostgres  │\x1b[0m two\n"
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = _Terminal()
    Console(quiet).line("api", "one")
    assert quiet.getvalue() == "api       │ one\n"


def test_a_part_goes_on_when_its_log_cannot_be_written(tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    code = f"""
import os, time
while not os.path.exists({str(go)!r}): time.sleep(0.02)
print("x\\n" * 1_000_000, flush=True)  # more than a pipe holds
open({str(done)!r}, "w").close()
time.sleep(600)
"""
    with supervised(tmp_path / "parts", [dummy("part", code)]) as running:
        running.log.close()
        go.touch()
        eventually(done.exists)
