"""Where tests keep what has to be a file and need not outlast them."""

from __future__ import annotations

import os
import tempfile


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one: these tests kill processes, not machines, and need no slow disk."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
