"""What of a Drive a source reads: shared drives, folders with all below, what the account owns."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property

from connectors.google_drive.api import Drive, File
from connectors.google_drive.config import ALL_DRIVES, GoogleDriveConfig
from vouch.core.errors import NotFound, SourceRefuses, Unavailable

_DEEPEST = 200
OWN = ""
"""The feed of the account itself; those of shared drives have the drive's id."""


class Scope:
    """Made for one scan or fetch; remembers what it has seen of folders."""

    def __init__(self, drive: Drive, config: GoogleDriveConfig) -> None:
        self._drive, self._config = drive, config
        self._below: dict[str, bool] = {}
        self._member: dict[str, str | None] = {}

    @cached_property
    def drives(self) -> tuple[str, ...]:
        """The shared drives. Raises :class:`SourceRefuses` for one that the account is no member of."""
        if ALL_DRIVES in self._config.drives:
            return tuple(sorted(set(self._drive.drives())))
        for drive_id in self._config.drives:
            self._drive.require_drive(drive_id)
        return tuple(sorted(set(self._config.drives)))

    def starts(self) -> dict[str, str]:
        """Every feed that tells of something in here, and where it stands."""
        found = {drive_id: self._drive.start(drive_id) for drive_id in self.drives}
        if self._config.my_drive or self._config.folders:
            found[OWN] = self._drive.start(OWN)
        for folder_id in self._config.folders:
            drive_id = self._drive.folder(folder_id).drive
            token = None if drive_id is None else self._member_start(drive_id)
            if drive_id is not None and token is not None:
                found.setdefault(drive_id, token)
        return found

    def everything(self) -> Iterator[File]:
        """All files and folders that are in here, each once."""
        seen: set[str] = set()
        for file in self._all():
            if file.id not in seen:
                seen.add(file.id)
                yield file

    def below(self, folder: File, *, trashed: bool = False) -> Iterator[File]:
        """Everything in a folder and its folders. What is met twice is told once, so that a circle ends."""
        member = folder.drive is not None and self._member_start(folder.drive) is not None
        drive_id = folder.drive if member else None
        waiting, seen = [folder.id], {folder.id}
        while waiting:
            at = waiting.pop()
            try:
                for file in self._drive.children(at, drive_id, trashed=trashed):
                    if file.id not in seen:
                        seen.add(file.id)
                        waiting += [file.id] if file.is_folder else []
                        yield file
            except NotFound as error:
                # It was there a moment ago. Whether it went, or its rights did, the next try sees.
                raise Unavailable("A folder of Google Drive went while it was read.") from error

    def holds(self, file: File) -> bool:
        """Whether a file or folder is in here, wherever it was before."""
        wanted = self._config.drives
        if file.trashed:
            return False
        if file.drive is not None and file.drive in (self.drives if ALL_DRIVES in wanted else wanted):
            return True
        if self._config.my_drive and file.mine and file.drive is None:
            return True
        return bool(self._config.folders) and file.parent is not None and self._is_below(file.parent)

    def offers(self, file: File) -> bool:
        """Whether it is to be a document: of a kind that has content, with a name that is wanted."""
        if file.is_folder or file.taken_as is None:
            return False
        wanted = any(fnmatchcase(file.name, glob) for glob in self._config.include)
        return wanted and not any(fnmatchcase(file.name, glob) for glob in self._config.exclude)

    def _all(self) -> Iterator[File]:
        for drive_id in self.drives:
            yield from self._drive.in_drive(drive_id)
        if self._config.my_drive:
            yield from self._drive.mine()
        for folder_id in self._config.folders:
            yield from self.below(self._drive.folder(folder_id))

    def _is_below(self, folder_id: str) -> bool:
        """Whether a folder is one of those configured, or in one. A folder that cannot be seen is in none."""
        way: list[str] = []
        at: str | None = folder_id
        while at is not None and at not in self._below and len(way) < _DEEPEST and at not in way:
            way.append(at)
            if at in self._config.folders:
                self._below[at] = True
                break
            at = self._parent(at)
        found = at is not None and self._below.get(at, False)
        self._below |= dict.fromkeys(way, found)
        return found

    def _parent(self, folder_id: str) -> str | None:
        try:
            return self._drive.file(folder_id).parent
        except NotFound:
            return None
        except SourceRefuses as error:
            if error.said != 403:
                raise
            return None

    def _member_start(self, drive_id: str) -> str | None:
        """Where the feed of a drive stands of which a folder is read; None where the account may not ask for it: then
        its own feed tells of what it was let in to."""
        if drive_id not in self._member:
            try:
                self._member[drive_id] = self._drive.start(drive_id)
            except NotFound:
                self._member[drive_id] = None
            except SourceRefuses as error:
                if error.said != 403:
                    raise
                self._member[drive_id] = None
        return self._member[drive_id]
