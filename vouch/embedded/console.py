"""The parts' log lines on one stream, each behind its part's name."""

from __future__ import annotations

import os
import threading
from typing import TextIO

_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
_WIDTH = 9


class Console:
    """Writes whole lines from any thread, or none for None.

    Colour only where a terminal reads it and ``NO_COLOR`` is not set.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._colour = stream is not None and stream.isatty() and "NO_COLOR" not in os.environ
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        with self._lock:
            if self._stream is None:
                return
            label = f"{name:<{_WIDTH}} │"
            if self._colour:
                colour = self._seen.setdefault(name, _COLOURS[len(self._seen) % len(_COLOURS)])
                label = f"\x1b[{colour}m{label}\x1b[0m"
            try:
                self._stream.write(f"{label} {text}\n")
                self._stream.flush()
            except (OSError, ValueError):
                # The terminal is gone. Parts go on, and their pipes must be read on or they would stand still.
                self._stream = None
