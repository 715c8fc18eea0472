"""One event loop in a thread of its own, for callers that are plain threads.

Connections belong to the loop that they were opened in. With one loop that stays they are kept open between calls,
and hundreds of calls wait in it at the price of one thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
H = TypeVar("H")


class Loop:
    """Starts with its first call, in the process that makes it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._running: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for ``work``; raises what it raises. Not to be called from within the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def run_heard(self, work: Callable[[Callable[[H], None]], Coroutine[Any, Any, T]], hear: Callable[[H], None]) -> T:
        """Waits for ``work``, which is given a way to tell of what it has so far. ``hear`` is told of it in the
        caller's thread, so that it may take its time; what it raises cancels the work. Raises as :meth:`run`."""
        heard = SimpleQueue[tuple[H] | None]()
        running = asyncio.run_coroutine_threadsafe(work(lambda one: heard.put((one,))), self._started())
        running.add_done_callback(lambda _: heard.put(None))
        try:
            while (one := heard.get()) is not None:
                hear(*one)
        except BaseException:
            running.cancel()
            raise
        return running.result()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                self._running = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._running.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._running

    def close(self) -> None:
        """Ends the loop; calls under way are cancelled."""
        with self._lock:
            loop, thread, self._running, self._thread = self._running, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
