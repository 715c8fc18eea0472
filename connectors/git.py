"""A git repository at a ref: its files, by commit. Nothing in it is run, checked out or believed about access.

It is read where it lies, by its objects, so there is no clone that could be out of date, and a working tree does not
matter. A scan goes from the commit that the last one ended at and tells what differs between the two trees.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from mimetypes import guess_type
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import Annotated, ClassVar
from urllib.parse import quote, unquote, urlsplit

from dulwich.errors import NotGitRepository
from dulwich.objects import S_ISGITLINK, Commit, ObjectID
from dulwich.repo import Repo
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connectors.codeowners import CodeOwners
from connectors.declared import Address, PathRule, access_of, owner
from connectors.git_snapshot import Entry, Snapshot, snapshot_at
from connectors.protocol import Membership
from connectors.rules import FILE_NAME
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound
from vouch.core.types import Body, Change, Checkpoint, Deleted, Json, Refused, Upsert

_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_BYTES = 1024
"""A pointer to a file that is kept elsewhere is never larger."""
_SCP = re.compile(r"[^/\s]+@[^/\s:]+:|[^/\s:]{2,}:(?!//)")


class GitConfig(BaseModel):
    """Configuration of a git source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1, max_length=4096, description="The repository, bare or not: a folder, or `file://…`."
    )
    ref: str = Field("HEAD", min_length=1, max_length=200, description="Branch, tag, or whole name of a ref.")
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=100, description="Globs over the path; one must match (`*` crosses `/`)."
    )
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs over the path; none may match.")
    hidden: bool = Field(False, description="Whether names that begin with a dot are read.")
    access: tuple[PathRule, ...] = Field(
        (), max_length=200, description="Rules, each globs and clauses; the first that matches counts, else nobody."
    )
    owners: dict[str, Annotated[str, AfterValidator(owner)]] = Field(
        default_factory=dict, max_length=2000, description="From what CODEOWNERS writes (`@team`) to principals."
    )
    max_file_mb: int = Field(50, ge=1, le=200, description="Largest file offered, MiB.")
    max_files: int = Field(200_000, ge=1, le=2_000_000, description="A scan that meets more entries fails.")
    base_url: Address | None = Field(None, max_length=2000, description="Where people open the files; else `file://`.")

    @field_validator("path")
    @classmethod
    def _local(cls, value: str) -> str:
        if "\x00" in value:
            raise ValueError("holds a NUL character")
        if value.startswith("file://"):
            url = urlsplit(value)
            if url.netloc not in ("", "localhost") or url.query or url.fragment:
                raise ValueError("must be a folder of this machine: file:///srv/handbook.git")
            value = unquote(url.path)
        elif "://" in value or (_SCP.match(value) and not Path(value).exists()):
            raise ValueError("only repositories of this machine are read; mirror it here (git clone --mirror)")
        return os.path.abspath(value)  # noqa: PTH100  (Path.resolve would follow links, and say so only later)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    blob: ObjectID


class GitConnector:
    """Scans and reads the files of one repository at one ref."""

    kind: ClassVar[str] = "git"
    Config: ClassVar[type[BaseModel]] = GitConfig
    lists_everything: ClassVar[bool] = False

    def __init__(self, config: GitConfig) -> None:
        """Raises :class:`BadConfig` unless ``config.path`` is a repository and ``config.ref`` names a commit in it."""
        self.config = config
        self._max_bytes = config.max_file_mb << 20
        with self._opened():
            pass

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """What differs between the cursor's commit and the ref's, or every file. Ends with the commit's id.

        Raises :class:`CursorExpired` when that commit is no longer there, and when who owns what has changed.
        """
        with self._opened() as head:
            since = None if cursor is None else self._since(head, cursor)
            found = list(self._listed(head) if since is None else self._changed(head, since))
            dates = head.dates(since, {item.path.encode() for item in found if isinstance(item, _File)})
            _, owners = head.owners()
            for item in found:
                if isinstance(item, _File):
                    yield self._upsert(item, dates.get(item.path.encode()), owners)
                else:
                    yield item
            if since is None or since.id != head.commit.id:
                yield Checkpoint({"commit": head.commit.id.decode("ascii")})

    def fetch(self, external_id: str) -> Body:
        """The file as it is at the ref now."""
        if not self._wanted(external_id):
            raise NotFound()
        with self._opened() as head:
            found = head.lookup(external_id)
            if found is None or not S_ISREG(found.mode):
                raise NotFound()
            if head.objects.size(found.sha) > self._max_bytes:
                raise DocumentRejected(self._too_large, reason="too_large")
            return Body(head.read(found.sha), guess_type(external_id)[0])

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    @contextmanager
    def _opened(self) -> Iterator[Snapshot]:
        try:
            repo = Repo(self.config.path)
        except NotGitRepository as error:
            raise BadConfig(f"{self.config.path} is no git repository", field="config.path") from error
        except OSError as error:
            said = f"{self.config.path} cannot be opened: {error.strerror}"
            raise BadConfig(said, field="config.path") from error
        with closing(repo):
            yield snapshot_at(repo, self.config.ref, self.config.max_files)

    def _since(self, head: Snapshot, cursor: Json) -> Commit:
        """The commit of the cursor, as long as a difference to it tells everything."""
        found = head.objects.find(str(cursor.get("commit")))
        if not isinstance(found, Commit):
            raise CursorExpired("The commit of the last scan is gone: history was rewritten")
        before = Snapshot(head.objects, found, head.max_entries)
        if self.config.owners and before.owners()[0] != head.owners()[0]:
            raise CursorExpired("CODEOWNERS has changed, which may concern any file")
        return found

    def _listed(self, head: Snapshot) -> Iterator[_File | Refused]:
        for entry in head.entries():
            taken = self._take(head, entry)
            if taken is not None:
                yield taken

    def _changed(self, head: Snapshot, since: Commit) -> Iterator[_File | Refused | Deleted]:
        for old, new in head.changes(since):
            if new is not None:
                taken = self._take(head, new)
                if taken is not None:
                    yield taken
            elif old is not None and (path := _text(old.path)) is not None and self._wanted(path):
                yield Deleted(path)

    def _take(self, head: Snapshot, entry: Entry) -> _File | Refused | None:
        path = _text(entry.path)
        if path is None:
            shown = entry.path.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")
            return Refused(shown, "unreadable_name", "The name is not text")
        if not self._wanted(path):
            return None
        if S_ISGITLINK(entry.mode):
            return Refused(path, "submodule", "Submodules are sources of their own")
        if S_ISLNK(entry.mode):
            return Refused(path, "symlink", "Links are not followed")
        size = head.objects.size(entry.sha)
        if size > self._max_bytes:
            return Refused(path, "too_large", self._too_large)
        if size <= _LFS_BYTES and head.read(entry.sha).startswith(_LFS):
            return Refused(path, "lfs_pointer", "The content is kept outside of the repository, by Git LFS")
        return _File(path, entry.sha)

    @property
    def _too_large(self) -> str:
        return f"It is larger than {self.config.max_file_mb} MiB"

    def _wanted(self, path: str) -> bool:
        names = path.split("/")
        if FILE_NAME in names or (not self.config.hidden and any(name.startswith(".") for name in names)):
            return False
        if any(fnmatchcase(path, glob) for glob in self.config.exclude):
            return False
        return any(fnmatchcase(path, glob) for glob in self.config.include)

    def _upsert(self, file: _File, modified_at: datetime | None, owners: CodeOwners) -> Upsert:
        return Upsert(
            external_id=file.path,
            title="",
            uri=self._uri(file.path),
            fingerprint=file.blob.decode("ascii"),
            acl=access_of(self.config.access, file.path),
            mime=guess_type(file.path)[0],
            owner=owners.owner(file.path, self.config.owners),
            modified_at=modified_at,
        )

    def _uri(self, path: str) -> str:
        if self.config.base_url is not None:
            return f"{self.config.base_url.rstrip('/')}/{quote(path)}"
        return f"{Path(self.config.path).as_uri()}#{quote(path)}"


def _text(path: bytes) -> str | None:
    """A path that is text: UTF-8, nothing invisible that could make two names look alike."""
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
