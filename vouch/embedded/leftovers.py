"""Which processes belong to a part, known to the kernel: they hold the part's lock file open.

A part is started with the locked file among its descriptors, and what it forks inherits it. So a lock that can
be taken means that nothing of the part lives, and a lock that cannot names, through ``/proc``, exactly the
processes that are left: no recorded process id is ever trusted, and no stranger is ever signalled.

Run as a script (``leftovers.py FOLDER``) this is the supervisor's guard: it waits for its standard input to
end, which happens when the supervisor is gone however it went, and then kills what is left of every part.
Standard library alone, for it starts without site packages.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from pathlib import Path


def holders(path: Path) -> list[int]:
    """Ids of the other processes that have ``path`` open, as far as this user may look."""
    target = path.stat()
    names = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(name) for name in names if int(name) != os.getpid() and _holds(name, target)]


def _holds(pid: str, target: os.stat_result) -> bool:
    with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # a descriptor that was closed meanwhile
                if os.path.samestat(entry.stat(), target):
                    return True
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getsid(pid) == pid:  # the part itself: its group has children that did not inherit the file
            os.killpg(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)


def claim(path: Path, *, within_s: float = 10.0) -> int:
    """Lock ``path`` (made when missing), killing whatever still holds it. Returns the open descriptor.

    Raises ``TimeoutError`` naming the processes that did not go away.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = holders(path)
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise TimeoutError(f"processes {left} of an earlier run still hold {path}") from None
            for pid in left:
                _kill(pid)
            time.sleep(0.02)
        else:
            return descriptor


def _guard(folder: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for path in folder.iterdir():
        os.close(claim(path))


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
