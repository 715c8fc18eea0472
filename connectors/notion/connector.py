"""Notion: pages, databases and their rows, with access declared for each root.

What is asked is in :mod:`connectors.notion.api`, what belongs to which root in :mod:`connectors.notion.scope`, the walk
in :mod:`connectors.notion.walk`. A page is its id: it may be renamed and moved, and is the same document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from connectors.notion.api import VERSION, Entry, Notion, Place
from connectors.notion.blocks import Reader
from connectors.notion.config import NotionConfig, is_id
from connectors.notion.markdown import markdown
from connectors.notion.properties import head
from connectors.notion.scope import Scope
from connectors.notion.walk import DATABASE, MIME, Walk
from connectors.protocol import Membership
from connectors.rest import Rest, Token, address_of
from vouch.core.errors import DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Body, Change, Json
from vouch.outbound.door import Outbound


class NotionConnector:
    """Reads Notion: pages and databases below the roots that are named, with who may read each root."""

    kind: ClassVar[str] = "notion"
    Config: ClassVar[type[BaseModel]] = NotionConfig
    lists_everything: ClassVar[bool] = True
    goes_out: ClassVar[bool] = True

    def __init__(self, config: NotionConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address or a token that cannot work. Whether Notion accepts the token, and
        shows the roots, only a scan tells."""
        self.config = config
        token = Token(f"Bearer {config.token.get_secret_value()}")
        api = address_of(config.api, "api", outbound)
        headers = {"notion-version": VERSION}
        self._notion = Notion(Rest(outbound, api, token, headers=headers, delay_s=config.delay_s))

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything below the roots, whatever the cursor: it only spares the blocks of pages that were not edited."""
        yield from Walk(self._notion, self.config, cursor).changes()

    def fetch(self, external_id: str) -> Body:
        """The page's title, properties and blocks, or what is said of the database, as Markdown."""
        id = external_id.removeprefix(DATABASE)
        if not is_id(id):
            raise NotFound()
        scope = Scope(self._notion, self.config)
        try:
            return self._body(Place("database" if id != external_id else "page", id), scope)
        except NotFound:
            # An integration that was taken off a root is told that nothing is there: that deletes nothing.
            scope.require_roots()
            raise
        except SourceRefuses as error:
            if error.said != 403:
                raise
            raise DocumentRejected(error.detail, reason="unreadable") from error

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    def _body(self, place: Place, scope: Scope) -> Body:
        entry = self._notion.entry(place)
        root = None if entry.is_gone else scope.root_of(_own(entry, scope))
        if root is None:
            raise NotFound()
        parts = [head(entry)]
        if place.kind == "page":
            content = Reader(self._notion, scope, self.config.max_blocks).read(entry.id, root)
            parts.append(markdown(content.blocks, scope.roots))
        text = "\n\n".join(part for part in parts if part)
        return Body(f"{text}\n".encode("utf-8", "replace"), MIME)


def _own(entry: Entry, scope: Scope) -> Place:
    return entry.place if entry.id in scope.roots else entry.parent
