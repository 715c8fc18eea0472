"""One walk through a Notion source, from its roots down.

Notion's search neither lists everything nor at once, so pages are found where they are: among the blocks of a page,
among the rows of a database. Each is asked for by itself and is where it says that it is. The blocks of a page that was
not edited since the last walk are not read again; its children are those that it had.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.declared import raw
from connectors.feeds import what_is_read
from connectors.notion.api import Entry, Notion, Place
from connectors.notion.blocks import Reader
from connectors.notion.config import NotionConfig, is_id
from connectors.notion.markdown import markdown
from connectors.notion.properties import head
from connectors.notion.scope import Scope
from vouch.core import clock
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Change, Checkpoint, Json, Refused, Upsert

MIME = "text/markdown"
DATABASE = "database/"
_SETTLED = timedelta(minutes=5)
"""After this an edit has another time than the last one: Notion tells minutes, and clocks differ."""
_CHECKPOINT_EVERY = 200
_MAX_TITLE = 300
_WRITTEN_AS = "1"
"""Changes with the way in which blocks are written: then all are read again."""
_BESIDES = frozenset({"token", "max_pages", "max_depth", "delay_s"})


class _State(BaseModel):
    """Of each page whose blocks are known: when it was edited, their digest, the pages and databases among them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    of: str
    pages: dict[str, tuple[str, str, list[str]]] = {}

    @classmethod
    def read(cls, said: Json | None, of: str) -> _State:
        """Empty where it was not written here, or for another configuration: then all blocks are read."""
        try:
            # Through JSON, for a tuple is a list there.
            found = cls.model_validate(said or {}, strict=False)
        except ValidationError:
            return cls(of=of)
        sound = all(is_id(child[1:]) and child[0] in _KINDS for _, _, some in found.pages.values() for child in some)
        return found if found.of == of and sound else cls(of=of)


_KINDS = {"p": "page", "d": "database"}


@dataclass
class Walk:
    """``cursor``: what an earlier walk wrote down of the pages that it met; None: nothing is known."""

    notion: Notion
    config: NotionConfig
    cursor: Json | None
    _told: set[str] = field(default_factory=set)
    _waiting: deque[tuple[Place, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._scope = Scope(self.notion, self.config)
        self._reader = Reader(self.notion, self._scope, self.config.max_blocks)
        of = f"{what_is_read(self.config, _BESIDES)}-{_WRITTEN_AS}"
        self._before = _State.read(self.cursor, of)
        self._now = _State(of=of)

    def changes(self) -> Iterator[Change]:
        """Every page and database, once. Raises :class:`SourceRefuses` where a root is not there, at the end too:
        that pages were missing may have been the first that was seen of it."""
        self._waiting.extend((Place("", id), 0) for id in self._scope.roots)
        told = 0
        while self._waiting:
            for change in self._visit(*self._waiting.popleft()):
                yield change
                told += 1
                if told % _CHECKPOINT_EVERY == 0:
                    yield Checkpoint(self._written({**self._before.pages, **self._now.pages}))
        if self._scope.missed:
            self._scope.require_roots()
        yield Checkpoint(self._written(self._now.pages))

    def _written(self, pages: dict[str, tuple[str, str, list[str]]]) -> Json:
        return {"of": self._now.of, "pages": {id: list(known) for id, known in pages.items()}}

    def _visit(self, place: Place, depth: int) -> Iterator[Change]:
        if place.id in self._told or (depth and place.id in self._scope.roots):
            return
        if not depth:
            yield from self._entry(self._scope.root(place.id), depth)
            return
        try:
            entry = self.notion.entry(place)
        except NotFound:  # a view of a database that lies elsewhere is answered like this, too
            self._scope.missed = True
        except SourceRefuses as error:
            if error.said != 403:
                raise
            self._scope.missed = True
            self._count(place.id)
            yield Refused(external_id(place), "unreadable", "Notion does not let it be read")
        else:
            yield from self._entry(entry, depth)

    def _entry(self, entry: Entry, depth: int) -> Iterator[Change]:
        """What is met, if it is below a root by its own word, and what is below it."""
        if entry.is_gone or entry.id in self._told or (depth and entry.id in self._scope.roots):
            return
        root = self._scope.root_of(entry.parent) if depth else entry.id
        if root is None:
            return
        self._scope.remember(entry.place, root)
        self._count(entry.id)
        if entry.place.kind == "page":
            yield from self._page(entry, root, depth)
            return
        yield upsert(entry, "", self._access(root))
        for source, _ in entry.sources:
            yield from self._rows(source, depth + 1)

    def _rows(self, source: str, depth: int) -> Iterator[Change]:
        if depth > self.config.max_depth:
            return
        try:
            rows = self.notion.rows(source)
        except NotFound:  # one that lies elsewhere
            self._scope.missed = True
            return
        for row in rows:
            if isinstance(row, Place):
                self._waiting.append((row, depth))
            else:
                yield from self._entry(row, depth)

    def _page(self, entry: Entry, root: str, depth: int) -> Iterator[Change]:
        known = self._before.pages.get(entry.id)
        if known is None or known[0] != entry.edited:
            try:
                known = self._read(entry, root)
            except NotFound:
                self._scope.missed = True
                return
            except DocumentRejected as error:
                if not depth:  # everything else would count as gone with it
                    raise SourceRefuses(f"The root {entry.id} cannot be read: {error.detail}") from error
                yield Refused(external_id(entry.place), str(error.extra["reason"]), error.detail)
                self._keep(entry, depth)
                return
        else:
            self._now.pages[entry.id] = known
        yield upsert(entry, known[1], self._access(root))
        self._descend(known[2], depth)

    def _keep(self, entry: Entry, depth: int) -> None:
        """Go on with what a page had in it when it could be read. With no time of an edit it is read again next."""
        self._scope.missed = True
        if entry.id in self._before.pages:
            children = self._before.pages[entry.id][2]
            self._now.pages[entry.id] = "", "", children
            self._descend(children, depth)

    def _descend(self, children: list[str], depth: int) -> None:
        if depth < self.config.max_depth:
            self._waiting.extend((Place(_KINDS[child[0]], child[1:]), depth + 1) for child in children)

    def _read(self, entry: Entry, root: str) -> tuple[str, str, list[str]]:
        """The blocks as they are known of by the next walk, unless that has to look again."""
        settled = entry.moment is not None and entry.moment + _SETTLED <= clock.now()
        content = self._reader.read(entry.id, root)
        text = markdown(content.blocks, self._scope.roots)
        children = [child.kind[0] + child.id for child in dict.fromkeys(content.children)]
        found = entry.edited, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32], children
        if settled and content.lasting:
            self._now.pages[entry.id] = found
        return found

    def _count(self, id: str) -> None:
        self._told.add(id)
        if len(self._told) > self.config.max_pages:
            said = f"There are more than {self.config.max_pages:,} pages and databases"
            raise BadConfig(said, field="config.max_pages")

    def _access(self, root: str) -> tuple[int, NotionConfig]:
        return next(n for n, one in enumerate(self.config.roots) if one.id == root), self.config


def external_id(place: Place) -> str:
    """A page is its id, a database says that it is one."""
    return f"{DATABASE}{place.id}" if place.kind == "database" else place.id


def upsert(entry: Entry, digest: str, root: tuple[int, NotionConfig]) -> Upsert:
    """A document, its access that of its root. Its fingerprint is of all its text, ``digest`` being that of blocks."""
    n, config = root
    said = f"{head(entry)}\0{digest}"
    return Upsert(
        external_id=external_id(entry.place),
        title=entry.title[:_MAX_TITLE],
        uri=entry.link,
        fingerprint=hashlib.sha256(said.encode("utf-8", "replace")).hexdigest(),
        acl=raw(config.roots[n].access, f"config.roots.{n}.access"),
        mime=MIME,
        owner=config.roots[n].owner,
        modified_at=entry.moment,
    )
