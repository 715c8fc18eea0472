"""What runs as a process of its own loads its modules without a look for garbage.

Loading makes some hundred thousand objects, and nearly all of them stay. To look through them again and again for what
may go takes a fifth of the time in which a worker is loaded, and a quarter of the API's. Later looks leave them out
too, so that processes that a worker forks go on sharing their memory.
"""

from __future__ import annotations

import gc


def loading() -> None:
    """What is made from here on stays. For entry points alone: a module that others import has no say in this."""
    gc.disable()


def loaded() -> None:
    """What is made from here on is looked through as usual."""
    gc.freeze()
    gc.enable()
