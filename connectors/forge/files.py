"""Files of a repository on a forge: what differs between two of its trees, who owns what, which bytes are offered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from typing import Protocol

from connectors.forge.chosen import LFS, LINK, SUBMODULE, readable, unreadable, wanted
from connectors.forge.codeowners import MAX_BYTES, PLACES, CodeOwners
from connectors.forge.config import ForgeConfig
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound
from vouch.core.types import Body, Change, Deleted, Refused, SourceAcl, Upsert


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path. ``id``: of its content; ``size``: None where the forge does not list it."""

    id: str
    mode: str
    size: int | None = None


Entries = Mapping[str, Entry]
"""By path; no folders."""


class Stored(Protocol):
    """What a forge tells of the files of one repository. ``at``: a commit or a tree, as the forge goes by."""

    @property
    def number(self) -> int: ...

    @property
    def name(self) -> str: ...

    def entries(self, at: str) -> Entries:
        """Raises :class:`NotFound` when there is no such commit or tree any more."""
        ...

    def read(self, at: str, path: str, entry: Entry, most: int) -> bytes:
        """Raises :class:`DocumentRejected` for more than ``most`` bytes."""
        ...

    def address(self, path: str) -> str:
        """Where people open it."""
        ...


class Offered:
    """What is named of the files of one repository."""

    def __init__(self, config: ForgeConfig, stored: Stored) -> None:
        self._config, self._stored = config, stored

    def changes(self, since: str | None, now: str | None, acl: SourceAcl, *, whole: bool) -> Iterator[Change]:
        """What differs between two commits or trees, or (``whole``) every file and what is gone.

        Raises :class:`CursorExpired` when the first is not there any more.
        """
        before: Entries = {}
        if since is not None:
            try:
                before = self._stored.entries(since)
            except NotFound as error:
                raise CursorExpired(f"{self._stored.name}: what the last scan read is gone") from error
        after = self._stored.entries(now) if now is not None else {}
        owners = self._owners(now, after)
        same_owners = not self._config.owners or _owners_in(before) == _owners_in(after)
        for path, entry in after.items():
            if not whole and same_owners and _same(before.get(path), entry):
                continue
            change = self._change(path, entry, owners, acl)
            if change is not None:
                yield change
        for path in before.keys() - after.keys():
            if readable(path) and wanted(self._config, path):
                yield Deleted(self._id(path))

    def _change(self, path: str, entry: Entry, owners: CodeOwners, acl: SourceAcl) -> Upsert | Refused | None:
        if not readable(path):
            return unreadable(self._stored.number, path)
        if not wanted(self._config, path):
            return None
        if entry.mode == SUBMODULE:
            return Refused(self._id(path), "submodule", "Submodules are sources of their own")
        if entry.mode == LINK:
            return Refused(self._id(path), "symlink", "Links are not followed")
        if (entry.size or 0) > self._config.max_file_mb << 20:
            return Refused(self._id(path), "too_large", too_large(self._config))
        return Upsert(
            external_id=self._id(path),
            title="",
            uri=self._stored.address(path),
            fingerprint=entry.id,
            acl=acl,
            mime=guess_type(path)[0],
            owner=owners.owner(path, self._config.owners),
        )

    def _owners(self, now: str | None, entries: Entries) -> CodeOwners:
        """The file that says who owns what; one that is too large names nobody."""
        found = _owners_in(entries)
        if not self._config.owners or now is None or found is None:
            return CodeOwners("")
        try:
            return CodeOwners(self._stored.read(now, *found, MAX_BYTES).decode("utf-8", "replace"))
        except DocumentRejected:
            return CodeOwners("")

    def _id(self, path: str) -> str:
        return f"{self._stored.number}/files/{path}"


def require_few(files: int, config: ForgeConfig, name: str) -> None:
    """Raises :class:`BadConfig` for a repository with more files than a scan may meet."""
    if files > config.max_items:
        raise BadConfig(f"{name} has more than {config.max_items:,} files", field="config.max_items")


def require_offered(config: ForgeConfig, path: str) -> None:
    """Raises :class:`NotFound` for a path that no scan names."""
    if not readable(path) or not wanted(config, path):
        raise NotFound()


def body_of(path: str, data: bytes) -> Body:
    """A file as it is. Raises :class:`DocumentRejected` for one that only says where the content is."""
    if data.startswith(LFS):
        raise DocumentRejected("The content is kept outside of the repository, by Git LFS.", reason="lfs_pointer")
    return Body(data, guess_type(path)[0])


def too_large(config: ForgeConfig) -> str:
    return f"It is larger than {config.max_file_mb} MiB"


def _same(before: Entry | None, after: Entry) -> bool:
    return before is not None and (before.id, before.mode) == (after.id, after.mode)


def _owners_in(entries: Entries) -> tuple[str, Entry] | None:
    """Where it is said who owns what."""
    at = next((at for at in PLACES if at in entries and entries[at].mode not in (LINK, SUBMODULE)), None)
    return None if at is None else (at, entries[at])
