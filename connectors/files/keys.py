"""What stores without folders have in common: keys below a prefix, told page by page."""

from __future__ import annotations

from connectors.files.store import Entry, Folder, Found
from vouch.core.errors import Unavailable
from vouch.core.types import Refused

_MOST_EMPTY = 1000


class Pages:
    """The marks by which a listing goes on. A page may be empty and not the last, but not one after the other for
    good; and a mark that comes again leads in a circle."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._seen: set[str] = set()
        self._empty = 0

    def after(self, mark: str, told: int) -> str:
        """``mark`` itself, after a page that told of ``told`` keys. Raises :class:`Unavailable`."""
        self._empty = 0 if told else self._empty + 1
        if mark in self._seen or self._empty > _MOST_EMPTY:
            raise Unavailable(f"The pages of {self._host} do not end.")
        self._seen.add(mark)
        return mark


def below(key: str, prefix: str, host: str) -> str:
    """The path of ``key``. Raises :class:`Unavailable` for one that was not asked for."""
    if not key.startswith(prefix):
        raise Unavailable(f"{host} lists what was not asked for.")
    return key.removeprefix(prefix)


def found(entry: Entry) -> Found | None:
    """What an object is by its name; None for the root itself, where somebody made an empty object of it."""
    if entry.path and not entry.path.endswith("/"):
        return entry
    if entry.size == 0:
        return Folder(entry.path) if entry.path else None
    return Refused(entry.path or "/", "not_a_file", "It has the name of a folder, and holds something")


def whole(text: object) -> int | None:
    """A size as a store writes it; None for anything else."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20 else None
