"""What a process that serves does once it has started, so that no question waits for what is none of its business."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_S = 0.001
"""How long a thread may compute before another one gets its turn: with Python's five milliseconds for each of several
questions at work, the event loop, and with it everybody's input and output, waited for all of them."""


@contextmanager
def serving() -> Iterator[None]:
    """While the block lasts, collections of garbage pass over what is there at its beginning: models, routes, schemas.
    To look through all of that took tens of milliseconds, now and then, of whatever question was being answered."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)
