"""Telling a collector how questions went. What is told waits in a bounded queue for a thread that sends it, so that no
question waits for a collector, or fails with one; what finds no room is dropped, and counted.

What is sent of it is for `retrieval/otlp.py` to say: names of steps, times, counts, reasons, models and tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any

from retrieval.metrics import OTLP_SPANS
from vouch.core.deadline import Deadline
from vouch.core.errors import VouchError
from vouch.core.settings import Settings

log = logging.getLogger(__name__)

PARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The `traceparent` header of the request under way: the caller's span that the question is part of, if any."""
ROOM = 1_000
"""Questions that may wait to be sent."""
BATCH = 50
"""Questions that are sent at once."""
FLUSH_S = 3.0
"""What sending the rest may take when the process ends."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One writer's try at an answer. ``behind``: the provider and the model that its name stands for. ``usage`` is
    empty where nothing came back."""

    writer: str
    behind: tuple[str, str]
    outcome: str
    began: float
    seconds: float
    usage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A question that has ended. ``began`` is on the clock that its steps and attempts are timed by, ``began_ns`` the
    same moment as the world counts. ``facts`` are those of its trace; ``error`` is why it ended without an answer."""

    trace_id: str
    kind: str
    tenant: str
    began: float
    began_ns: int
    seconds: float
    walk: Sequence[tuple[str, float, float]]
    attempts: Sequence[Attempt]
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    parent: str | None = None

    @property
    def spans(self) -> int:
        """How many it comes to."""
        return 1 + len(self.walk) + len(self.attempts)


Send = Callable[[Sequence[Told]], bool]
"""Whether they were taken."""


class Exporter:
    """Shared by threads. ``send`` is called in a thread of its own, with :data:`BATCH` at most."""

    def __init__(self, send: Send, room: int = ROOM) -> None:
        self._send = send
        self._waiting: Queue[Told | None] = Queue(room)
        self._thread = Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, settings: Settings) -> Exporter | None:
        """None where no collector is set. Connects to nothing."""
        if settings.otlp_endpoint is None:
            return None
        from retrieval.otlp import Otlp

        return cls(Otlp(settings.otlp_endpoint).send)

    def offer(self, told: Told) -> None:
        """Have it sent, if there is room. Never waits."""
        try:
            self._waiting.put_nowait(told)
        except Full:
            OTLP_SPANS.labels("dropped").inc(told.spans)

    def close(self) -> None:
        """Send what waits, for :data:`FLUSH_S` at most."""
        deadline = Deadline.of(FLUSH_S)
        try:
            self._waiting.put(None, timeout=deadline.remaining())
        except Full:
            return
        self._thread.join(deadline.remaining())

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = [first], False
            while len(batch) < BATCH and not ended:
                try:
                    following = self._waiting.get_nowait()
                except Empty:
                    break
                if following is None:
                    ended = True
                else:
                    batch.append(following)
            outcome = "sent" if self._sent(batch) else "failed"
            OTLP_SPANS.labels(outcome).inc(sum(told.spans for told in batch))
            if ended:
                return

    def _sent(self, batch: Sequence[Told]) -> bool:
        try:
            return self._send(batch)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a collector, the thread goes on
            log.warning("spans could not be sent: %s", type(error).__name__)
            return False


@contextmanager
def exported(exporter: Exporter | None, told: Callable[[str | None], Told]) -> Iterator[None]:
    """Tell of the question when the block is left, and by which error if by one."""
    error: str | None = None
    try:
        yield
    except BaseException as raised:
        error = raised.code if isinstance(raised, VouchError) else type(raised).__name__
        raise
    finally:
        if exporter is not None:
            exporter.offer(told(error))
