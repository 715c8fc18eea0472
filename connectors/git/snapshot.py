"""A commit of a git repository: its files, what differs from another commit, when its files were last touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from stat import S_ISREG
from typing import Any

from dulwich.diff_tree import tree_changes
from dulwich.errors import NotTreeError
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import Blob, Commit, ObjectID, SubmoduleEncountered, Tag, TreeEntry
from dulwich.repo import Repo
from dulwich.walk import Walker

from connectors.forge.codeowners import MAX_BYTES, PLACES, CodeOwners
from connectors.git.objects import Objects
from vouch.core.errors import BadConfig, Unavailable


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path: a file, a link, a submodule."""

    path: bytes
    mode: int
    sha: ObjectID


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit. Raises :class:`BadConfig` where more than ``max_entries`` come together: a few small trees that hold
    one another many times over make billions of paths."""

    objects: Objects
    commit: Commit
    max_entries: int

    def entries(self) -> Iterator[Entry]:
        """Everything in the commit but its folders."""
        objects: Any = self.objects
        for n, entry in enumerate(iter_tree_contents(objects, self.commit.tree), start=1):
            self._count(n)
            found = _entry(entry)
            assert found is not None
            yield found

    def changes(self, since: Commit) -> Iterator[tuple[Entry | None, Entry | None]]:
        """What lies at each path that differs, in ``since`` and here."""
        yield from self._differences(since.tree, self.commit.tree)

    def lookup(self, path: str) -> Entry | None:
        """What lies at ``path``."""
        raw = path.encode()
        try:
            mode, sha = tree_lookup_path(self.objects.__getitem__, self.commit.tree, raw)
        except (KeyError, SubmoduleEncountered, NotTreeError):
            return None
        return Entry(raw, mode, sha)

    def read(self, sha: ObjectID) -> bytes:
        """The bytes of a file."""
        blob = self.objects[sha]
        assert isinstance(blob, Blob)
        return blob.data

    def owners(self) -> tuple[ObjectID | None, CodeOwners]:
        """The file that says who owns what: its id, and read. One that is not there, or too large, names nobody."""
        for place in PLACES:
            found = self.lookup(place)
            if found is not None and S_ISREG(found.mode) and self.objects.size(found.sha) <= MAX_BYTES:
                return found.sha, CodeOwners(self.read(found.sha).decode("utf-8", "replace"))
        return None, CodeOwners("")

    def dates(self, since: Commit | None, paths: set[bytes]) -> dict[bytes, datetime | None]:
        """When each path was last touched: by the newest commit, after ``since``, that differs there from all of its
        parents. Where the history is not whole that is not known."""
        left, found = set(paths), dict[bytes, datetime | None]()
        store: Any = self.objects
        exclude = [since.id] if since is not None else []
        walker = Walker(store, [self.commit.id], exclude, get_parents=self._parents)
        try:
            for entry in walker if left else ():
                touched = self._touched(entry.commit) & left
                found |= dict.fromkeys(touched, _time(entry.commit))
                left -= touched
                if not left:
                    break
        except Unavailable:
            pass  # a shallow repository: older commits are elsewhere
        return found

    def _parents(self, commit: Commit) -> list[ObjectID]:
        """Those that are here."""
        return [parent for parent in commit.parents if parent in self.objects]

    def _touched(self, commit: Commit) -> set[bytes]:
        trees: Sequence[ObjectID | None] = [self._commit(parent).tree for parent in commit.parents] or [None]
        differing = [{new.path for _, new in self._differences(tree, commit.tree) if new} for tree in trees]
        return set.intersection(*differing)

    def _commit(self, sha: ObjectID) -> Commit:
        found = self.objects[sha]
        assert isinstance(found, Commit)
        return found

    def _differences(self, old: ObjectID | None, new: ObjectID) -> Iterator[tuple[Entry | None, Entry | None]]:
        objects: Any = self.objects
        for n, change in enumerate(tree_changes(objects, old, new, change_type_same=True), start=1):
            self._count(n)
            yield _entry(change.old), _entry(change.new)

    def _count(self, entries: int) -> None:
        if entries > self.max_entries:
            raise BadConfig(f"There are more than {self.max_entries:,} entries", field="config.max_files")


def snapshot_at(repo: Repo, name: str, max_entries: int) -> Snapshot:
    """The commit that a branch, a tag or a whole name of a ref leads to. Raises :class:`BadConfig`."""
    objects = Objects(repo)
    for ref in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
        if ref != "HEAD" and not ref.startswith("refs/"):
            continue
        try:
            found = objects[repo.refs[ref.encode()]]  # type: ignore[index]
        except (KeyError, ValueError):
            continue
        while isinstance(found, Tag):
            found = objects[found.object[1]]
        if isinstance(found, Commit):
            return Snapshot(objects, found, max_entries)
    raise BadConfig(f"{name!r} is no branch or tag with a commit", field="config.ref")


def _entry(found: TreeEntry | None) -> Entry | None:
    if found is None or found.path is None or found.mode is None or found.sha is None:
        return None
    return Entry(found.path, found.mode, found.sha)


def _time(commit: Commit) -> datetime | None:
    try:
        return datetime.fromtimestamp(commit.commit_time, UTC)
    except (ValueError, OverflowError, OSError):  # anything can stand there
        return None
