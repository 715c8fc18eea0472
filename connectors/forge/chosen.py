"""Which files of a repository on a server are offered, and which names can be part of an address at all."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import Protocol

from connectors.rules import FILE_NAME
from vouch.core.types import Refused

LFS = b"version https://git-lfs.github.com/spec/"
LINK, SUBMODULE = "120000", "160000"
_LONGEST_PATH = 1000


class Chosen(Protocol):
    """What a configuration says of files."""

    @property
    def include(self) -> tuple[str, ...]: ...

    @property
    def exclude(self) -> tuple[str, ...]: ...

    @property
    def hidden(self) -> bool: ...


def readable(path: str) -> bool:
    """Whether ``path`` is text that stays where it is when it becomes part of an address."""
    return (
        len(path) <= _LONGEST_PATH
        and path.isprintable()
        and not any(name in ("", ".", "..") for name in path.split("/"))
    )


def wanted(config: Chosen, path: str) -> bool:
    names = path.split("/")
    if FILE_NAME in names or (not config.hidden and any(name.startswith(".") for name in names)):
        return False
    if any(fnmatchcase(path, glob) for glob in config.exclude):
        return False
    return any(fnmatchcase(path, glob) for glob in config.include)


def unreadable(place: int, path: str, part: str = "") -> Refused:
    """A file of a repository, or of a ``part`` of it that has names of its own, whose name cannot be told as it is."""
    shown = path.encode("unicode_escape", "replace").decode("ascii")[:200]
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    said = f"The name is not text, too long, or leads elsewhere: {shown}"
    return Refused(f"{place}/unreadable/{part}{digest}", "unreadable_name", said)
