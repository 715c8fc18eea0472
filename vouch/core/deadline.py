"""The moment by which a request has to end, shared out among its steps."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """``at``: by the clock that only goes forward, seconds."""

    at: float

    @classmethod
    def of(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds, 0 once it has passed."""
        return max(0.0, self.at - time.monotonic())

    def keeping(self, seconds: float) -> Deadline:
        """Earlier by so much, which whoever comes after needs."""
        return Deadline(self.at - seconds)
