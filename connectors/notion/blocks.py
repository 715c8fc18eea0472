"""The blocks of one page, read to their last, and the pages and databases that are among them.

A block that is shown in several pages has its original in one of them. Elsewhere it is read only where the original
belongs to the same root as the page: by another root other people may read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.notion.api import Notion, Place, is_gone
from connectors.notion.config import is_id
from connectors.notion.scope import Scope
from vouch.core.errors import DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Json

CHILDREN = {"child_page": "page", "child_database": "database"}
_WITHOUT = frozenset({*CHILDREN, "unsupported", "link_to_page"})
"""What is never looked into: a page of its own, or what Notion answers with an error."""
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Block:
    """``said``: what is particular to its kind. ``inside``: the blocks in it."""

    kind: str
    id: str
    said: Json
    inside: tuple[Block, ...] = ()


@dataclass
class Content:
    """``lasting``: whether it stays as it is until the page itself is edited."""

    blocks: tuple[Block, ...] = ()
    children: list[Place] = field(default_factory=list)
    lasting: bool = True


class Reader:
    """Reads the blocks of pages, ``most`` of one at most."""

    def __init__(self, notion: Notion, scope: Scope, most: int) -> None:
        self._notion, self._scope, self._most = notion, scope, most

    def read(self, page: str, root: str) -> Content:
        """Raises :class:`DocumentRejected` for a page that is too large, or that Notion cannot tell as blocks, and
        :class:`NotFound` for one that is gone."""
        one = _Page(self._notion, self._scope, root, self._most)
        try:
            one.content.blocks = one.below(page, ())
        except SourceRefuses as error:
            if error.said not in (400, 403):
                raise
            raise DocumentRejected("Notion does not tell its blocks", reason="unreadable") from error
        return one.content


class _Page:
    def __init__(self, notion: Notion, scope: Scope, root: str, most: int) -> None:
        self._notion, self._scope, self._root = notion, scope, root
        self._left = self._most = most
        self.content = Content()

    def below(self, id: str, copies: tuple[str, ...], depth: int = 0) -> tuple[Block, ...]:
        """``copies``: the originals that are being read in the place of a copy, outermost first."""
        if depth > _DEEPEST:
            raise DocumentRejected(f"Its blocks are nested deeper than {_DEEPEST}", reason="too_large")
        found: list[Block] = []
        for block in self._notion.blocks(id):
            self._left -= 1
            if self._left < 0:
                raise DocumentRejected(f"It has more than {self._most:,} blocks", reason="too_large")
            if not is_gone(block):
                found.append(self._block(block, copies, depth))
        return tuple(found)

    def _block(self, block: Json, copies: tuple[str, ...], depth: int) -> Block:
        kind, id = str(block["type"]), str(block["id"])
        said: Any = block.get(kind)
        said = said if isinstance(said, dict) else {}
        if kind in CHILDREN and not copies:
            self.content.children.append(Place(CHILDREN[kind], id))
        original = said.get("synced_from") if kind == "synced_block" else None
        if original is not None:
            return Block(kind, id, said, self._copied(original, copies, depth))
        if kind in _WITHOUT or block.get("has_children") is not True:
            return Block(kind, id, said)
        if not copies:
            self._scope.remember(Place("block", id), self._root)
        return Block(kind, id, said, self._inside(id, copies, depth))

    def _copied(self, original: Any, copies: tuple[str, ...], depth: int) -> tuple[Block, ...]:
        self.content.lasting = False  # edited with another page
        id = original.get("block_id") if isinstance(original, dict) else None
        if not isinstance(id, str) or not is_id(id) or id in copies:
            return ()
        if self._scope.root_of(Place("block", id)) != self._root:
            return ()
        return self._inside(id, (*copies, id), depth)

    def _inside(self, id: str, copies: tuple[str, ...], depth: int) -> tuple[Block, ...]:
        try:
            return self.below(id, copies, depth + 1)
        except NotFound:
            pass  # it went between its listing and this one
        except SourceRefuses as error:
            if error.said != 400:  # "block type … is not supported via the API"
                raise
        self.content.lasting = False
        return ()
