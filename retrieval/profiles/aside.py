"""What is done beside questions and for nobody who waits: one thing after another, in a thread of its own.

What waits is bounded: what finds no room is dropped, and counted. A process that ends does not wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread

from retrieval.metrics import SHADOWS

log = logging.getLogger(__name__)

ROOM = 64
"""Things that may wait."""
END_S = 2.0
"""How long the end of a process waits for the one under way."""


class Aside:
    """Shared by threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._waiting: Queue[Callable[[], None]] = Queue(room)
        self._ended = Event()
        self._thread = Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    def offer(self, work: Callable[[], None]) -> bool:
        """Have it done, if there is room. Never waits."""
        try:
            self._waiting.put_nowait(work)
        except Full:
            SHADOWS.labels("dropped").inc()
            return False
        return True

    def finish(self) -> None:
        """Wait until everything that was taken is done."""
        self._waiting.join()

    def close(self) -> None:
        """Begin nothing more."""
        self._ended.set()
        with suppress(Full):  # then it does not wait for anything
            self._waiting.put_nowait(_nothing)
        self._thread.join(END_S)

    def _run(self) -> None:
        while not self._ended.is_set():
            work = self._waiting.get()
            try:
                if not self._ended.is_set():
                    work()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong with one, the others are done
                SHADOWS.labels("failed").inc()
                log.warning("what was done aside failed: %s", type(error).__name__)
            finally:
                self._waiting.task_done()


def _nothing() -> None:
    """Wakes the thread, so that it sees the end."""
