"""``.vouch.yaml``: who may read a folder, who owns it, how often it is reviewed.

    access: {allow: [group:hr], deny: [user:mallory]}   # one clause; a folder adds its clause to its parents'
    inherit: true                                       # false: start afresh here, dropping the parents' clauses
    owner: user:carol
    review_every: 180d                                  # and stale_after, expire_after
    files:                                              # for single files of this folder
      travel-2024.md: {owner: user:dave, supersedes: [travel-2021.md]}

A file's entry may hold ``access``, ``inherit``, ``owner``, the three ages, ``title`` and ``supersedes``
(paths relative to the folder). A file with anything wrong in it is refused whole, with its line and field: then nobody
may read the folder and what is below it. Whether an entry of ``allow`` or ``deny`` names somebody is not decided here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import yaml

from vouch.core.clock import duration
from vouch.core.errors import BadConfig, InvalidInput
from vouch.core.types import RULES_BROKEN, AccessUnknown, RawClause, SourceAcl, principal_name

FILE_NAME = ".vouch.yaml"
MAX_BYTES = 256 * 1024
"""A larger file of rules is refused unread."""
_AGES = ("review_every", "stale_after", "expire_after")
_FOLDER_KEYS = frozenset({"access", "inherit", "owner", *_AGES, "files"})
_FILE_KEYS = frozenset({"access", "inherit", "owner", *_AGES, "title", "supersedes"})
_MAX_TITLE = 300


@dataclass(frozen=True, slots=True)
class Ages:
    """After how long something is due for review, stale, expired; each None where nothing is said."""

    review_every: str | None = None
    stale_after: str | None = None
    expire_after: str | None = None

    def over(self, parents: Ages) -> Ages:
        """These, and the parents' where nothing is said."""
        return Ages(*(getattr(self, name) or getattr(parents, name) for name in _AGES))


@dataclass(frozen=True, slots=True)
class FileRule:
    """What is said of one file, on top of its folder's rule. ``line`` is where it is said."""

    line: int
    access: RawClause | None = None
    inherit: bool = True
    owner: str | None = None
    ages: Ages = Ages()
    title: str | None = None
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds in a folder, its parents' rules included. ``acl`` None: nobody is said to be allowed."""

    acl: SourceAcl = None
    owner: str | None = None
    ages: Ages = Ages()
    files: Mapping[str, FileRule] = field(default_factory=dict)

    def for_file(self, name: str) -> tuple[Rule, FileRule]:
        """The rule of one file of the folder, and its own entry (an empty one when there is none)."""
        own = self.files.get(name, FileRule(0))
        acl = _joined(self.acl, own.access, inherit=own.inherit)
        rule = Rule(acl, own.owner or self.owner, own.ages.over(self.ages))
        return rule, own


def read_rule(data: bytes, path: str, folder: str, parent: Rule) -> Rule:
    """The rule of ``folder`` (POSIX, relative to the source's root, "" for the root) from its ``.vouch.yaml``.

    ``path`` is the file's name for messages. Raises :class:`BadConfig` with ``file``, ``line`` and ``field``.
    """
    said = _Reader(path, folder).folder(data)
    acl = _joined(parent.acl, said.access, inherit=said.inherit)
    return Rule(acl, said.owner or parent.owner, said.ages.over(parent.ages), said.files)


def broken(parent: Rule, fault: BadConfig) -> Rule:
    """What holds in a folder whose ``.vouch.yaml`` cannot be read or has a mistake: nobody may read anything there."""
    place = (("file", str(fault.extra["file"])), ("line", int(fault.extra["line"])), ("field", str(fault.field)))
    return replace(parent, acl=AccessUnknown(RULES_BROKEN, fault.detail, place), files={})


def without_files(rule: Rule) -> Rule:
    """``rule`` as a subfolder inherits it: entries for single files stay behind."""
    return replace(rule, files={}) if rule.files else rule


def _joined(parents: SourceAcl, clause: RawClause | None, *, inherit: bool) -> SourceAcl:
    if isinstance(parents, AccessUnknown):  # below a broken file nothing opens again, whatever is said there
        return parents
    kept = parents if inherit else None
    return kept if clause is None else (*(kept or ()), clause)


@dataclass(frozen=True, slots=True)
class _Folder:
    access: RawClause | None
    inherit: bool
    owner: str | None
    ages: Ages
    files: Mapping[str, FileRule]


class _Reader:
    """Walks the YAML's nodes, which know their line, instead of the values made of them."""

    def __init__(self, path: str, folder: str) -> None:
        self.path, self.folder_path = path, folder

    def fail(self, node: yaml.Node | None, name: str, message: str, *, line: int | None = None) -> NoReturn:
        at = line if line is not None else (node.start_mark.line + 1 if node is not None else 1)
        raise BadConfig(f"{self.path}, line {at}: {name}: {message}", field=name, file=self.path, line=at)

    def folder(self, data: bytes) -> _Folder:
        root = self.compose(data)
        if root is None:  # an empty file says nothing
            return _Folder(None, True, None, Ages(), {})
        items = self.mapping(root, FILE_NAME, _FOLDER_KEYS)
        files = items.get("files")
        entries = self.mapping(files, "files", None) if files is not None else {}
        return _Folder(
            self.access(items.get("access"), "access"),
            self.boolean(items.get("inherit"), "inherit"),
            self.owner(items.get("owner"), "owner"),
            self.ages(items, ""),
            {name: self.file(node, name) for name, node in entries.items()},
        )

    def compose(self, data: bytes) -> yaml.Node | None:
        try:
            return yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
        except UnicodeDecodeError:
            self.fail(None, FILE_NAME, "is not UTF-8")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.fail(None, FILE_NAME, f"is not valid YAML: {error.problem}", line=mark.line + 1 if mark else 1)
        except (yaml.YAMLError, RecursionError) as error:
            self.fail(None, FILE_NAME, f"is not valid YAML: {error}")

    def file(self, node: yaml.Node, name: str) -> FileRule:
        where = f"files.{name}"
        if not name or "/" in name or name in (".", "..", FILE_NAME):
            self.fail(node, where, "is not the name of a file in this folder")
        items = self.mapping(node, where, _FILE_KEYS)
        return FileRule(
            line=node.start_mark.line + 1,
            access=self.access(items.get("access"), f"{where}.access"),
            inherit=self.boolean(items.get("inherit"), f"{where}.inherit"),
            owner=self.owner(items.get("owner"), f"{where}.owner"),
            ages=self.ages(items, f"{where}."),
            title=self.title(items.get("title"), f"{where}.title"),
            supersedes=self.supersedes(items.get("supersedes"), f"{where}.supersedes", name),
        )

    def access(self, node: yaml.Node | None, name: str) -> RawClause | None:
        if node is None:
            return None
        items = self.mapping(node, name, frozenset({"allow", "deny"}))
        if "allow" not in items:
            self.fail(node, f"{name}.allow", "is missing; a deny alone lets nobody in, so say who is allowed")
        sides = {side: tuple(self.strings(entries, f"{name}.{side}")) for side, entries in items.items()}
        for entry in sides["allow"]:  # one of `deny` closes what it stands for, whatever is wrong with it
            self.principal(items["allow"], entry, f"{name}.allow")
        line = node.start_mark.line + 1
        return RawClause(sides["allow"], sides.get("deny", ()), f"{self.path}, line {line}, {name}")

    def owner(self, node: yaml.Node | None, name: str) -> str | None:
        if node is None:
            return None
        text = self.principal(node, self.string(node, name), name)
        if text == "authenticated":
            self.fail(node, name, "must be a user or a group")
        return text

    def principal(self, node: yaml.Node, text: str, name: str) -> str:
        try:
            return principal_name(text, field=name)
        except InvalidInput as error:
            self.fail(node, name, error.detail)

    def ages(self, items: Mapping[str, yaml.Node], where: str) -> Ages:
        return Ages(*(self.age(items.get(name), f"{where}{name}") for name in _AGES))

    def age(self, node: yaml.Node | None, name: str) -> str | None:
        if node is None:
            return None
        text = self.string(node, name)
        try:
            duration(text, field=name)
        except InvalidInput as error:
            self.fail(node, name, error.detail)
        return text

    def title(self, node: yaml.Node | None, name: str) -> str | None:
        if node is None:
            return None
        text = " ".join(self.string(node, name).split())
        if not 0 < len(text) <= _MAX_TITLE:
            self.fail(node, name, f"must have 1 to {_MAX_TITLE} characters")
        return text

    def supersedes(self, node: yaml.Node | None, name: str, own: str) -> tuple[str, ...]:
        if node is None:
            return ()
        paths: list[str] = []
        for entry, text in zip(self.sequence(node, name), self.strings(node, name), strict=True):
            path = posixpath.normpath(posixpath.join(self.folder_path, text))
            if not text or text.startswith("/") or path.startswith("../") or path in ("..", "."):
                self.fail(entry, name, f"{text!r} does not lie in this source")
            if path == posixpath.join(self.folder_path, own):
                self.fail(entry, name, "a document cannot supersede itself")
            paths.append(path)
        return tuple(paths)

    # -- YAML's own shapes --

    def mapping(self, node: yaml.Node, name: str, allowed: frozenset[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, name, "must be a mapping of names to values")
        items: dict[str, yaml.Node] = {}
        for key, value in node.value:
            text = (
                self.string(key, name)
                if isinstance(key, yaml.ScalarNode)
                else self.fail(key, name, "has a key that is no name")
            )
            inner = text if name == FILE_NAME else f"{name}.{text}"
            if allowed is not None and text not in allowed:
                self.fail(key, inner, f"is not known; known are {', '.join(sorted(allowed))}")
            if text in items:
                self.fail(key, inner, "is said twice")
            items[text] = value
        return items

    def sequence(self, node: yaml.Node, name: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, name, "must be a list")
        found: list[yaml.Node] = node.value
        return found

    def strings(self, node: yaml.Node, name: str) -> list[str]:
        return [self.string(entry, name) for entry in self.sequence(node, name)]

    def string(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.fail(node, name, "must be a text")
        text: Any = node.value
        return str(text)

    def boolean(self, node: yaml.Node | None, name: str) -> bool:
        if node is None:
            return True
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
            self.fail(node, name, "must be true or false")
        return str(node.value).lower() in ("true", "yes", "on")
