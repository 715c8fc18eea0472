"""The threads that questions are worked on in. They are not those of the other routes: models that do not answer must
not keep anybody from revoking what their answers would show."""

from __future__ import annotations

import anyio
from anyio.lowlevel import RunVar

AT_ONCE = 40
"""Questions that are worked on at once; further ones wait for a thread."""
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("walks")


def limiter() -> anyio.CapacityLimiter:
    """This event loop's."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(made := anyio.CapacityLimiter(AT_ONCE))
        return made
