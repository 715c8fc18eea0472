"""So many calls of one model at a time; a few wait their turn, and the rest are sent on at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vouch.core.deadline import Deadline


class Full(Exception):
    """No turn came in time, or too many are waiting for one already."""


class Lane:
    """Shared by threads."""

    def __init__(self, width: int, queue: int) -> None:
        self._turns = threading.BoundedSemaphore(width)
        self._lock = threading.Lock()
        self._queue = queue
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for a turn now."""
        return self._waiting

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """A turn for the block. Raises :class:`Full`."""
        if not self._turns.acquire(blocking=False):
            self._wait(deadline)
        try:
            yield
        finally:
            self._turns.release()

    def _wait(self, deadline: Deadline) -> None:
        with self._lock:
            if self._waiting >= self._queue:
                raise Full
            self._waiting += 1
        try:
            if not self._turns.acquire(timeout=deadline.remaining()):
                raise Full
        finally:
            with self._lock:
                self._waiting -= 1
