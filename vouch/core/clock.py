"""The one place that knows what time it is. Tests move it with :func:`frozen`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from vouch.core.errors import InvalidInput

_frozen: datetime | None = None


def now() -> datetime:
    """The present moment, UTC, with its zone."""
    return _frozen or datetime.now(UTC)


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Hold :func:`now` at ``at`` within the block (this process alone)."""
    global _frozen
    before, _frozen = _frozen, at
    try:
        yield
    finally:
        _frozen = before


def rfc3339(at: datetime | None) -> str | None:
    """``2026-03-01T12:00:00Z``; naive times are refused."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(at: datetime) -> datetime:
    """``at`` in UTC. Raises ``ValueError`` for a naive time, and for one whose year is not 1 to 9999 there."""
    if at.tzinfo is None:
        raise ValueError("a time needs a zone, such as 2026-03-01T12:00:00Z")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time lies in the years 1 to 9999 of UTC") from None


LONGEST = timedelta(days=18_250)
"""Of what :func:`duration` reads; nothing that is set for longer is meant."""
_DURATION = re.compile(r"^(\d{1,6})\s*(s|m|h|d|w)$")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: str, *, field: str | None = None) -> timedelta:
    """``"15m"``, ``"24h"``, ``"180d"`` → timedelta. Raises :class:`InvalidInput`, also past :data:`LONGEST`."""
    match = _DURATION.match(text.strip())
    if not match or int(match[1]) == 0:
        raise InvalidInput(f"{text!r} is not a duration such as 15m, 24h or 180d", field=field)
    length = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if length > LONGEST:
        raise InvalidInput(f"{text!r} is longer than {LONGEST.days} days", field=field)
    return length
