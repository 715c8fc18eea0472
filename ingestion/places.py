"""Places for scans: so many at a time on a data folder, so that sources that are slow cannot hold every process.

A place is a lock on a file: whoever dies gives it up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scan_place(folder: Path, count: int) -> Iterator[bool]:
    """Hold one of ``count`` places, if one is free: True for as long as the block lasts. Never waits."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        with (folder / f"scan-{n}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield True
            return
    yield False
