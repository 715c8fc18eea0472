"""When each host may be asked again: not faster than agreed, and not while it asks to be left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vouch.core import clock
from vouch.core.errors import Unavailable
from vouch.outbound.door import Answer

MOST_WAIT_S = 60.0
"""Longest pause that is taken in a scan, whether by Crawl-delay or by Retry-After; past that the host is left alone."""


class Pace:
    """When each host may be asked next. One for the whole process: its scans and fetches share it."""

    def __init__(
        self, moment: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.moment, self.sleep = moment, sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._resting: dict[str, float] = {}

    def hold(self, host: str, seconds: float) -> None:
        """Let the next request to ``host`` wait so long."""
        with self._lock:
            self._next[host] = max(self._next.get(host, 0.0), self.moment() + seconds)

    def rest(self, host: str, seconds: float) -> None:
        """Leave ``host`` alone for as long as it asks."""
        self._resting[host] = self.moment() + seconds

    def require_awake(self, host: str) -> None:
        """Raises :class:`Unavailable` while ``host`` is left alone."""
        left = self._resting.get(host, 0.0) - self.moment()
        if left > 0:
            raise Unavailable(f"{host} asked to be left alone for {left:.0f} s.", retry_after_s=left)

    def wait(self, host: str, delay_s: float) -> None:
        """Return when ``host`` may be asked, and reserve the moment."""
        with self._lock:
            now = self.moment()
            at = max(now, self._next.get(host, now))
            self._next[host] = at + delay_s
        if at > now:
            self.sleep(at - now)


PACE = Pace()


def retry_after(answer: Answer) -> float | None:
    """Seconds that the host asks to be left alone, given as such or as a date; None where it does not."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment = http_date(text)
    return None if moment is None else max(0.0, (moment - clock.now()).total_seconds())


def http_date(text: str) -> datetime | None:
    """A moment as HTTP headers write it; None for anything else."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
