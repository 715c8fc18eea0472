"""A folder of files, with access rules in ``.vouch.yaml`` (see :mod:`connectors.rules`).

Nothing outside the folder is ever read: links are not followed, neither while scanning nor while fetching.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from mimetypes import guess_type
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from connectors.accounts import Accounts
from connectors.filesystem.config import FilesystemConfig
from connectors.filesystem.posix import ENTER, READ, Levels, Posix
from connectors.protocol import Membership
from connectors.rules import FILE_NAME, MAX_BYTES, Rule, broken, read_rule, without_files
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import AccessUnknown, Body, Change, Checkpoint, Json, Refused, SourceAcl, Upsert

_MAX_DEPTH = 100
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_SPECIAL_TYPES = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}


@dataclass(frozen=True, slots=True)
class _File:
    external_id: str
    name: str
    size: int
    mtime_ns: int
    rule: Rule
    levels: Levels


@dataclass(frozen=True, slots=True)
class _Folder:
    """One that is being listed: an open descriptor, its path with "/" at its end, what holds in it, its depth."""

    descriptor: int
    path: str
    rule: Rule
    levels: Levels
    depth: int


class FilesystemConnector:
    """Scans and reads one folder and everything below it."""

    kind: ClassVar[str] = "filesystem"
    Config: ClassVar[type[BaseModel]] = FilesystemConfig
    lists_everything: ClassVar[bool] = True

    def __init__(self, config: FilesystemConfig) -> None:
        """Raises :class:`BadConfig` naming ``config.path`` unless it is a folder that can be listed."""
        self.config = config
        self._root = Path(config.path)
        self._max_bytes = config.max_file_mb << 20
        self._posix: Posix | None = None
        if config.access == "posix" and not hasattr(os, "getxattr"):
            raise BadConfig("Access control lists can be read on Linux alone", field="config.access")
        os.close(self._open_root())

    @property
    def watched(self) -> Path | None:
        """The folder of which a change is worth a sync at once."""
        return self._root if self.config.watch else None

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything in the folder, by path, whatever ``cursor`` says: a listing is cheap, and misses nothing.

        Every ``.vouch.yaml`` is read before the first change is yielded; below one that has a mistake, access is
        unknown. Raises :class:`Unavailable` when the folder cannot be listed.
        """
        found: list[_File | Refused] = []
        self._posix = self._posix_access()
        root = self._open_root()
        try:
            self._walk(_Folder(root, "", Rule(), self._entered((), root), 0), found)
        finally:
            os.close(root)
        for item in sorted(found, key=lambda item: item.external_id):
            yield item if isinstance(item, Refused) else self._change(item)
        yield Checkpoint({"items": len(found)})

    def fetch(self, external_id: str) -> Body:
        parts = external_id.split("/")
        if "\x00" in external_id or any(part in ("", ".", "..") for part in parts) or not self._wanted(external_id):
            raise NotFound()
        folder = self._open_root()
        try:
            for part in parts[:-1]:
                inner = os.open(part, _OPEN_FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            data = _read(parts[-1], folder, self._max_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound() from error
        except OSError as error:
            # ELOOP is a link where a file or folder was; the rest is for the operator to put right.
            raise DocumentRejected(f"The file cannot be read: {error.strerror}", reason="unreadable") from error
        finally:
            os.close(folder)
        return Body(data, guess_type(external_id)[0])

    def memberships(self) -> Iterator[Membership]:
        """The accounts and groups of this machine, where access is read from them."""
        if (posix := self._posix_access()) is not None:
            yield from posix.memberships()

    # -- scanning --

    def _posix_access(self) -> Posix | None:
        if self.config.access != "posix" or self.config.issuer is None:
            return None
        return Posix(Accounts(self.config.issuer, self.config.people), self.config.others)

    def _entered(self, above: Levels, folder: int) -> Levels:
        return above if self._posix is None else self._posix.level(above, os.fstat(folder), folder, ENTER)

    def _open_root(self) -> int:
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError as error:
            raise BadConfig(f"{self._root} is not a folder", field="config.path") from error
        except FileNotFoundError as error:
            raise BadConfig(f"{self._root} does not exist", field="config.path") from error
        except OSError as error:
            raise BadConfig(f"{self._root} cannot be opened: {error.strerror}", field="config.path") from error

    def _walk(self, folder: _Folder, found: list[_File | Refused]) -> None:
        """List ``folder`` into ``found``."""
        path = folder.path
        if folder.depth > _MAX_DEPTH:
            found.append(Refused(path, "too_deep", f"Folders are read {_MAX_DEPTH} deep"))
            return
        try:
            with os.scandir(folder.descriptor) as listing:
                entries = list(listing)
            rule = self._rule(folder.descriptor, path, folder.rule, [entry.name for entry in entries])
            folder = replace(folder, rule=rule)
            for entry in entries:
                self._take(folder, entry, found)
        except OSError as error:
            # Half a listing would look as if the rest had been deleted.
            raise Unavailable(f"{self._root / path} cannot be listed: {error.strerror}") from error
        missing = set(rule.files) - {entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)}
        for name in sorted(missing):
            said = f"{path}{FILE_NAME}, line {rule.files[name].line} names a file that is not here"
            found.append(Refused(f"{path}{name}", "missing", said))

    def _take(self, folder: _Folder, entry: os.DirEntry[str], found: list[_File | Refused]) -> None:
        external_id = folder.path + entry.name
        if not self._shown(entry.name):
            return
        if not _is_readable_name(entry.name):
            shown = external_id.encode("utf-8", "backslashreplace").decode()
            found.append(
                Refused(shown.encode("unicode_escape").decode("ascii"), "unreadable_name", "The name is not text")
            )
        elif entry.is_symlink():
            found.append(Refused(external_id, "symlink", "Links are not followed"))
        elif entry.is_dir(follow_symlinks=False):
            if not self._excluded(external_id):
                self._descend(folder, entry.name, found)
        elif self._wanted(external_id):
            found.append(self._file(folder, entry))

    def _descend(self, above: _Folder, name: str, found: list[_File | Refused]) -> None:
        path = f"{above.path}{name}/"
        try:
            inner = os.open(name, _OPEN_FOLDER, dir_fd=above.descriptor)
        except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
            # What this account may no longer list, it can no longer vouch for.
            found.append(Refused(path, "unreadable", f"The folder cannot be opened: {error.strerror}"))
            return
        try:
            levels = self._entered(above.levels, inner)
            self._walk(_Folder(inner, path, without_files(above.rule), levels, above.depth + 1), found)
        finally:
            os.close(inner)

    def _file(self, folder: _Folder, entry: os.DirEntry[str]) -> _File | Refused:
        external_id = folder.path + entry.name
        info = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(info.st_mode):
            what = _SPECIAL_TYPES.get(stat.S_IFMT(info.st_mode), "special file")
            return Refused(external_id, "not_a_file", f"It is a {what}")
        if info.st_size > self._max_bytes:
            return Refused(external_id, "too_large", f"It is larger than {self.config.max_file_mb} MiB")
        levels = folder.levels
        if self._posix is not None:
            place = f"/proc/self/fd/{folder.descriptor}/{entry.name}"
            levels = self._posix.level(levels, info, place, READ)
        return _File(external_id, entry.name, info.st_size, info.st_mtime_ns, folder.rule, levels)

    def _rule(self, folder: int, path: str, parent: Rule, names: list[str]) -> Rule:
        for name in names:
            if name != FILE_NAME and name.lower() in (FILE_NAME, ".vouch.yml"):
                return broken(parent, _fault(path + name, f"the rules of a folder are called {FILE_NAME}"))
        if FILE_NAME not in names:
            return parent
        where = path + FILE_NAME
        try:
            return read_rule(_read(FILE_NAME, folder, MAX_BYTES), where, path.rstrip("/"), parent)
        except FileNotFoundError:
            raise  # it went while the folder was listed: the next scan sees a folder at rest
        except (OSError, DocumentRejected) as error:
            return broken(parent, _fault(where, f"cannot be read: {error}"))
        except BadConfig as error:
            return broken(parent, error)

    def _shown(self, name: str) -> bool:
        return name != FILE_NAME and (self.config.hidden or not name.startswith((".", "~$")))

    def _excluded(self, external_id: str) -> bool:
        return any(fnmatchcase(external_id, glob) for glob in self.config.exclude)

    def _wanted(self, external_id: str) -> bool:
        """Whether a file of this path is one of the source's."""
        if not all(map(self._shown, external_id.split("/"))) or self._excluded(external_id):
            return False
        return any(fnmatchcase(external_id, glob) for glob in self.config.include)

    def _change(self, file: _File) -> Upsert:
        rule, own = file.rule.for_file(file.name)
        return Upsert(
            external_id=file.external_id,
            title=own.title or "",
            uri=self._uri(file.external_id),
            fingerprint=f"{file.size}-{file.mtime_ns}",
            acl=rule.acl if self._posix is None else _both(file.levels, rule.acl),
            mime=guess_type(file.name)[0],
            owner=rule.owner,
            modified_at=datetime.fromtimestamp(file.mtime_ns / 1e9, UTC),
            review_every=rule.ages.review_every,
            stale_after=rule.ages.stale_after,
            expire_after=rule.ages.expire_after,
            supersedes=own.supersedes,
        )

    def _uri(self, external_id: str) -> str:
        if self.config.base_url is not None:
            return f"{self.config.base_url.rstrip('/')}/{quote(external_id)}"
        return (self._root / external_id).as_uri()


def _both(levels: Levels, rules: SourceAcl) -> SourceAcl:
    """What the mode says and, where there is one, what the rules say besides."""
    if isinstance(levels, AccessUnknown):
        return levels
    return rules if isinstance(rules, AccessUnknown) else (*levels, *(rules or ()))


def _read(name: str, folder: int, limit: int) -> bytes:
    """A regular file of an open folder, whole. Raises OSError, :class:`DocumentRejected` or :class:`Unavailable`."""
    descriptor = os.open(name, _OPEN_FILE, dir_fd=folder)
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor, not a path)
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise DocumentRejected("It is not a regular file", reason="unreadable")
        data = file.read(limit + 1)
        after = os.fstat(descriptor)
    if len(data) > limit:
        raise DocumentRejected(f"It is larger than {limit:,} bytes", reason="too_large")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unavailable("The file was written to while it was read")
    return data


def _is_readable_name(name: str) -> bool:
    """Whether ``name`` is text: UTF-8, nothing invisible that could make two names look alike."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name.isprintable()


def _fault(where: str, what: str) -> BadConfig:
    """A rule file that is wrong as a whole."""
    return BadConfig(f"{where}, line 1: {FILE_NAME}: {what}", field=FILE_NAME, file=where, line=1)
