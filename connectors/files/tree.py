"""From what a store lists to what a source offers: which paths are documents, and which rules hold for each.

``.vouch.yaml`` means what it means in a folder on disk (:mod:`connectors.rules`): it governs its folder and what is
below, and one that cannot be read, or has a mistake, closes all of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from connectors.files.config import FilesConfig
from connectors.files.store import MAX_DEPTH, Entry, Folder, Found, Opened
from connectors.rules import FILE_NAME, MAX_BYTES, Rule, broken, read_rule, without_files
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import Refused, SourceAcl

_UNREADABLE = ("unreadable_name", "The name is not text, or not a plain path")


@dataclass(frozen=True, slots=True)
class File:
    """A file that is offered, and the rule of its folder."""

    entry: Entry
    name: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Selection:
    """Which paths the configuration wants."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    hidden: bool

    @classmethod
    def of(cls, config: FilesConfig) -> Selection:
        return cls(config.include, config.exclude, config.hidden)

    def enters(self, folder: str) -> bool:
        """Whether what lies in ``folder`` is looked at, and in every folder above it."""
        parts = folder.split("/")
        return all(map(self.shows, parts)) and not any(
            self.leaves_out("/".join(parts[: n + 1])) for n in range(len(parts))
        )

    def takes(self, path: str) -> bool:
        """Whether a file of this path is one of the source's."""
        folder, _, name = path.rpartition("/")
        if not self.shows(name) or self.leaves_out(path) or (folder and not self.enters(folder)):
            return False
        return any(fnmatchcase(path, glob) for glob in self.include)

    def shows(self, name: str) -> bool:
        return name != FILE_NAME and (self.hidden or not name.startswith((".", "~$")))

    def leaves_out(self, path: str) -> bool:
        return any(fnmatchcase(path, glob) for glob in self.exclude)


def is_plain(path: str) -> bool:
    """Whether a path can be read in one way only: text, nothing invisible, and every part of it the name of one thing.

    A backslash is none: who looks at the store from Windows would see another folder, with other rules.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return path.isprintable() and "\\" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def escaped(path: str) -> str:
    """A path that is not plain, as it can be shown and kept; never that of another one."""
    return path.encode("unicode_escape").decode("ascii") or "(no name)"


class Tree:
    """One listing, sorted out: ``files`` are offered, ``refused`` are named in the job."""

    def __init__(self, selection: Selection, max_files: int, declared: SourceAcl) -> None:
        self._selection, self._max_files = selection, max_files
        self._declared = declared
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, set[str]] = {"": set()}
        """By folder: the names in it."""
        self._folders: set[str] = {""}
        """Those that are entered; the root is the empty path."""
        self._rules: dict[str, Rule] = {}
        self.refused: dict[str, Refused] = {}

    def fill(self, listing: Iterable[Found]) -> None:
        """Take in a listing. Raises :class:`BadConfig` when it holds more than the source may."""
        for n, found in enumerate(listing, start=1):
            if n > self._max_files:
                said = f"There are more than {self._max_files:,} files and folders"
                raise BadConfig(said, field="config.max_files")
            self._take(found)

    def enters(self, folder: str) -> bool:
        """Whether a store should go on into ``folder``."""
        return is_plain(folder) and self._enter(folder)

    def _take(self, found: Found) -> None:
        path = (found.external_id if isinstance(found, Refused) else found.path).removesuffix("/")
        folder, _, name = path.rpartition("/")
        if not is_plain(path):
            if self._selection.shows(name) or name in (".", ".."):
                self._refuse(path, *_UNREADABLE)
            return
        if not self._enter(folder):
            return
        self._names[folder].add(name)  # also of what is refused: it may be the rules of the folder
        if isinstance(found, Entry):
            self._entries[path] = found
        elif isinstance(found, Folder):
            self._enter(path)
        elif self._selection.shows(name) and not self._selection.leaves_out(path):
            self._refuse(found.external_id, found.reason, found.detail)

    def _enter(self, folder: str) -> bool:
        """Note ``folder`` and those above it; False where one is not wanted, or lies too deep."""
        if folder in self._folders:
            return True
        above, _, name = folder.rpartition("/")
        if not self._enter(above):
            return False
        self._names[above].add(name)
        if not self._selection.enters(folder):
            return False
        if folder.count("/") >= MAX_DEPTH:
            self._refuse(f"{folder}/", "too_deep", f"Folders are read {MAX_DEPTH} deep")
            return False
        self._folders.add(folder)
        self._names[folder] = set()
        return True

    def _refuse(self, path: str, reason: str, detail: str) -> None:
        shown = path if is_plain(path.removesuffix("/")) else escaped(path)
        self.refused.setdefault(shown, Refused(shown, reason, detail))

    def read_rules(self, store: Opened) -> None:
        """Every file of rules, before anything is offered."""
        for folder in sorted(self._folders):  # "a" comes before "a/b"
            above = self._rules[folder.rpartition("/")[0]] if folder else Rule(acl=self._declared)
            self._rules[folder] = self._rule(store, folder, without_files(above))
        for folder, rule in self._rules.items():
            path = f"{folder}/" if folder else ""
            here = {name for name in self._names[folder] if f"{path}{name}" in self._entries}
            for name in sorted(set(rule.files) - here):
                said = f"{path}{FILE_NAME}, line {rule.files[name].line} names a file that is not here"
                self._refuse(f"{path}{name}", "missing", said)

    def _rule(self, store: Opened, folder: str, above: Rule) -> Rule:
        path, names = f"{folder}/" if folder else "", self._names[folder]
        for name in sorted(names):
            if name != FILE_NAME and name.lower() in (FILE_NAME, ".vouch.yml"):
                return broken(above, _fault(path + name, f"the rules of a folder are called {FILE_NAME}"))
        if FILE_NAME not in names:
            return above
        where = path + FILE_NAME
        if where not in self._entries:
            return broken(above, _fault(where, "is not a file that can be read"))
        try:
            data = store.read(where, MAX_BYTES)
        except NotFound as error:
            raise Unavailable(f"{where} went while the store was listed.") from error
        except DocumentRejected as error:
            return broken(above, _fault(where, f"cannot be read: {error.detail}"))
        try:
            return read_rule(data, where, folder, above)
        except BadConfig as error:
            return broken(above, error)

    def files(self) -> Iterator[File]:
        """What is offered, by path. Those that cannot be are among :attr:`refused` from then on."""
        for path in sorted(self._entries):
            folder, _, name = path.rpartition("/")
            if path not in self.refused and self._selection.takes(path):
                yield File(self._entries[path], name, self._rules[folder])

    def refuse_larger(self, max_mb: int) -> None:
        for path, entry in self._entries.items():
            if not self._selection.takes(path):
                continue
            if entry.size is not None and entry.size > max_mb << 20:
                self._refuse(path, "too_large", f"It is larger than {max_mb} MiB")
            elif entry.version is None:
                said = "The store says neither a version of it nor when it changed, so no change would be noticed"
                self._refuse(path, "no_version", said)


def _fault(where: str, what: str) -> BadConfig:
    """A rule file that is wrong as a whole."""
    return BadConfig(f"{where}, line 1: {FILE_NAME}: {what}", field=FILE_NAME, file=where, line=1)
