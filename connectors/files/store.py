"""What a store of files is to the ``files`` connector, whatever it speaks: a listing, and bytes by path.

Paths are relative to the root that the configuration names, with ``/``. A store tells names as it was told them: what
may not stand as one is sorted out in :mod:`connectors.files.tree`, for all stores alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vouch.core.types import AccessUnknown, Refused

MAX_DEPTH = 100
"""Folders below folders, from the root on."""
MANY = 1000
"""Requests for a page, or a folder, of a listing are as large as that, where the size can be chosen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file. ``version`` differs whenever its bytes may; None where the store gives nothing to tell it by. ``tags``:
    what is pinned to it, where a listing tells that; None where it has to be asked for."""

    path: str
    size: int | None
    version: str | None
    modified_at: datetime | None = None
    tags: Mapping[str, str] | AccessUnknown | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, as far as a store has such things."""

    path: str


Found = Entry | Folder | Refused
Enters = Callable[[str], bool]
"""Whether the folder of a path is wanted: where it is not, nothing is asked of it."""


def folder_by_folder(listed: Callable[[str], Iterator[Found]], enters: Enters) -> Iterator[Found]:
    """A listing from the root down, for a store that lists one folder at a time; none is entered that is not wanted."""
    waiting = [""]
    while waiting:
        inside: list[str] = []
        for found in listed(waiting.pop()):
            if isinstance(found, Folder):
                inside.append(found.path)
            yield found
        waiting += [path for path in inside if enters(path)]


class Opened(Protocol):
    """A store while it is being read.

    All raise :class:`~vouch.core.errors.BadConfig` naming ``config.store…`` where the configuration cannot work, and
    :class:`~vouch.core.errors.Unavailable` when trying again may help.
    """

    def listing(self, enters: Enters) -> Iterator[Found]:
        """Everything below the root, each path once. A folder that may not be listed is ``Refused``; a listing that
        ends too early raises, for half of one would look as if the rest had been deleted."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """A file, whole. Raises :class:`~vouch.core.errors.NotFound` and
        :class:`~vouch.core.errors.DocumentRejected` (``too_large`` past ``limit`` bytes, ``unreadable``)."""
        ...

    def tags(self, path: str) -> Mapping[str, str]:
        """What is pinned to an object, for stores that know such a thing. Raises as :meth:`read`."""
        ...


class Store(Protocol):
    """Made from a validated configuration; nothing is connected to before it is opened."""

    def opened(self) -> AbstractContextManager[Opened]: ...

    def uri(self, path: str) -> str:
        """Where a file lies, for people."""
        ...
