"""A small supervisor: starts parts in order, restarts what dies, stops them in reverse order.

Nothing outlives it: children die with the thread that started them (``launch.py``), and what they forked is killed
by a guard process that notices the supervisor's end (``leftovers.py``). Children are leaders of sessions of their
own, so Ctrl-C in a terminal reaches the supervisor alone and the order of stopping is its to choose.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vouch.core.errors import StartFailed, VouchError
from vouch.embedded import launch, leftovers
from vouch.embedded.console import Console
from vouch.embedded.parts import Part, waves

STOP_S = 8.5
"""All parts are gone this many seconds after a stop began; the promise is ten."""
_TICK_S = 0.05
_LONGEST_TICK_S = 0.25
"""Between two looks at a part that takes its time: each look takes some of the time in which the part could start."""
_LAST_LINES = 20


class Stopped(Exception):
    """A stop was requested while something was being started."""


@dataclass(slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    born: float = 0.0
    deaths: int = 0
    again_at: float = 0.0


class Supervisor:
    """Keeps parts running from ``start`` until the block ends.

    ``folder`` holds one lock file per part. Setting ``stop`` ends ``watch``, and ``start`` with :class:`Stopped`.
    ``hold`` is a descriptor that is to stay open until everything is gone, even when the supervisor is killed (the
    data folder's lock). ``start`` and ``watch`` are called from one thread, which must live as long as the parts:
    the kernel kills them with it.
    """

    def __init__(self, folder: Path, console: Console, stop: threading.Event, *, hold: int | None = None) -> None:
        self._folder = folder
        self._console = console
        self._hold = hold
        self._waves: list[list[_Child]] = []
        self._stop = stop
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(leftovers.__file__)), str(self._folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=() if self._hold is None else (self._hold,),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_all()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()

    def pids(self) -> dict[str, int]:
        """Process id of each part that runs, in order of start."""
        children = [child for wave in self._waves for child in wave]
        return {child.part.name: child.process.pid for child in children if child.process is not None}

    def start(self, parts: Sequence[Part]) -> None:
        """Start parts in the order of their dependencies; return when all are ready.

        Raises :class:`StartFailed` with the last log lines of the part that ended, or was not ready in time.
        """
        for wave in waves(parts):
            if self._stop.is_set():
                raise Stopped
            children = [_Child(part) for part in wave]
            self._waves.append(children)
            for child in children:
                self._try_first(child)
            for child in children:
                self._await_ready(child)

    def watch(self) -> None:
        """Restart what dies, until a stop is requested."""
        while not self._stop.wait(_TICK_S):
            for wave in self._waves:
                for child in wave:
                    self._tend(child)

    def _try_first(self, child: _Child) -> None:
        try:
            self._spawn(child)
        except (OSError, VouchError) as error:
            raise StartFailed(f"{child.part.name} could not be started: {error}") from error

    def _await_ready(self, child: _Child) -> None:
        part, began = child.part, time.monotonic()
        while not part.ready():
            waited = time.monotonic() - began
            if self._stop.wait(min(max(_TICK_S, waited / 20), _LONGEST_TICK_S)):
                raise Stopped
            ended = _ended(child)
            if ended is not None:
                self._bury(child)
                if child.reader is not None:
                    child.reader.join(timeout=1.0)  # its last lines say why; a stray may hold the pipe open
                raise StartFailed(f"{part.name} ended before it was ready ({ended}).{_quoted(child)}")
            if waited > part.start_s:
                raise StartFailed(f"{part.name} was not ready after {part.start_s:g} s.{_quoted(child)}")

    def _spawn(self, child: _Child) -> None:
        part = child.part
        lock = leftovers.claim(self._folder / part.name)
        try:
            if part.prepare is not None:
                part.prepare()
            child.process = subprocess.Popen(
                launched(part.command, part.user),
                env=dict(part.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )
        finally:
            os.close(lock)
        child.born = time.monotonic()
        child.reader = threading.Thread(target=self._pump, args=(child, child.process.stdout), daemon=True)
        child.reader.start()

    def _pump(self, child: _Child, stream: IO[bytes]) -> None:
        with stream:
            while raw := stream.readline(65536):
                text = raw.decode(errors="replace").rstrip()
                child.tail.append(text)
                self._console.line(child.part.name, text)

    def _tend(self, child: _Child) -> None:
        restart = child.part.restart
        if child.process is None:
            if time.monotonic() >= child.again_at:
                self._restart(child)
            return
        ended = _ended(child)
        if ended is None:
            return
        self._bury(child)
        child.deaths = 1 if time.monotonic() - child.born >= restart.steady_s else child.deaths + 1
        self._postpone(child, f"ended ({ended})")

    def _restart(self, child: _Child) -> None:
        try:
            self._spawn(child)
        except (OSError, VouchError) as error:
            child.deaths += 1
            self._postpone(child, f"could not be started: {error}")

    def _postpone(self, child: _Child, what: str) -> None:
        delay = child.part.restart.delay(child.deaths)
        child.again_at = time.monotonic() + delay
        self._console.line(child.part.name, f"{what}; starting it again in {delay:g} s")

    def _bury(self, child: _Child) -> None:
        """Kill what the dead leader left in its group, then reap it: until then its id cannot be another's."""
        if child.process is None:
            return
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        child.process = None

    def _stop_all(self) -> None:
        deadline = time.monotonic() + STOP_S
        while self._waves:
            wave = [child for child in self._waves.pop() if child.process is not None]
            asked = time.monotonic()
            for child in wave:
                if child.process is not None:
                    os.kill(child.process.pid, child.part.stop_signal)  # Popen's own would reap it
            for child in wave:
                until = min(deadline, asked + child.part.grace_s)
                while _ended(child) is None and time.monotonic() < until:
                    time.sleep(_TICK_S / 5)
                if _ended(child) is None:
                    self._console.line(child.part.name, f"did not stop in {child.part.grace_s:g} s; killed")
                self._bury(child)


def launched(command: Sequence[str], user: tuple[int, int] | None) -> list[str]:
    """The command line that runs ``command`` as ``user`` and lets it die with the calling thread."""
    who = "-" if user is None else f"{user[0]}:{user[1]}"
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid()), who, *command]


def _ended(child: _Child) -> str | None:
    """How the process ended, or None while it lives; it is not reaped."""
    if child.process is None:
        return "not running"
    found = os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return f"exit status {found.si_status}"
    return signal.Signals(found.si_status).name


def _quoted(child: _Child) -> str:
    if not child.tail:
        return " It logged nothing."
    return " Its last lines:\n" + "\n".join(f"  {line}" for line in child.tail)
