"""A figure of running processes, read again and again while something else is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def sampled(read: Callable[[], float], every_s: float) -> Iterator[list[float]]:
    """What ``read`` gave, oldest first: every ``every_s`` seconds while the block lasts, in a thread of its own."""
    samples: list[float] = []
    over = Event()

    def watch() -> None:
        while not over.wait(every_s):
            samples.append(read())

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
