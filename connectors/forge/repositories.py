"""Which repositories a source reads, as they are called today: those that are named, or all of a group of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from connectors.forge.answers import Row, row
from connectors.forge.config import ForgeConfig
from connectors.rest import Rest
from vouch.core.errors import NotFound, Unavailable

MOVED = (301, 302, 307, 308)
"""What a forge answers where something has another name now."""
_HOPS = 3

R = TypeVar("R", bound=Row)


class Numbered(Protocol):
    """What goes by a number, whatever it is called."""

    @property
    def id(self) -> int: ...


N = TypeVar("N", bound=Numbered)


def gathered(
    names: Sequence[str], named: Callable[[str], N | None], listed: Iterable[N]
) -> tuple[dict[int, N], list[str]]:
    """Those that are named and those that are listed, each once, by number, and the names that nothing goes by."""
    found: dict[int, N] = {}
    missing: list[str] = []
    for name in names:
        one = named(name)
        if one is None:
            missing.append(name)
        else:
            found.setdefault(one.id, one)
    for one in listed:
        found[one.id] = one
    return found, missing


def is_read(config: ForgeConfig, path: str, *, archived: bool) -> bool:
    """Whether a repository that can be seen is wanted."""
    if archived and not config.archived:
        return False
    return not any(fnmatchcase(path, glob) for glob in config.skip)


def followed(rest: Rest, kind: type[R], path: str) -> R | None:
    """What is at ``path``, or at where the forge says that it went when it was renamed or given away."""
    at = path
    for _ in range(_HOPS):
        try:
            reply = rest.get(at, accept=MOVED)
        except NotFound:
            return None
        if reply.status not in MOVED:
            return row(kind, reply.data)
        at = reply.headers.get("location", "")
    raise Unavailable(f"{rest.base.host} sends from one place to another for {path}.")
