"""The circuit breaker of one model: what fails again and again is left out for a while, so that nobody waits for it.

Open after :data:`OPENS_AT` failures one after the other, for a pause that doubles each time that the one call let
through after it fails too. In this process alone: each finds out for itself, from its own calls.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OPENS_AT = 5
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 300.0


class Breaker:
    """Shared by threads. ``now``: seconds by a clock that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    def admits(self) -> bool:
        """Whether a call may be made. Whoever is let through has to tell how it went."""
        with self._lock:
            if self._open_until is None:
                return True
            if self._trying or self._now() < self._open_until:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._open_until, self._trying = 0, None, False

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._trying = False
            if self._failures >= OPENS_AT:
                times: int = 2 ** min(self._failures - OPENS_AT, 10)
                self._open_until = self._now() + min(FIRST_PAUSE_S * times, LONGEST_PAUSE_S)

    def passed(self) -> None:
        """The call told nothing of whether the model works."""
        with self._lock:
            self._trying = False

    @property
    def state(self) -> str:
        """``closed``, ``open``, or ``trying`` once the pause is over."""
        with self._lock:
            if self._open_until is None:
                return "closed"
            return "open" if self._now() < self._open_until and not self._trying else "trying"
