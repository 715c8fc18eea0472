"""SharePoint: the document libraries of sites, read over Microsoft Graph with the permissions that it tells.

What is asked is in :mod:`connectors.sharepoint.graph`, who may read in :mod:`connectors.sharepoint.rules`. A file is
its id in its library: it may be renamed and moved there, and is the same document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel

from connectors.accounts import Accounts
from connectors.feeds import MOST_LEFT, Cursor, what_is_read
from connectors.protocol import Membership
from connectors.rest import Rest, address_of
from connectors.sharepoint.config import ALL_SITES, SharePointConfig
from connectors.sharepoint.graph import Graph, Item, is_item
from connectors.sharepoint.rules import HIDDEN, Rules, moment
from connectors.sharepoint.token import app_token
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import AclChanged, Body, Change, Checkpoint, Deleted, Json, Refused, Upsert
from vouch.outbound.door import Outbound

_CHECKPOINT_EVERY = 500
_MAX_TITLE = 300
_MAX_LINK = 2000
_BESIDES = frozenset({"client_secret", "certificate", "people", "site_groups", "max_files"})
_FEED = {"deltaexcludeparent": "true"}
_SHARING = {"prefer": "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"}


class SharePointConnector:
    """Reads document libraries of SharePoint, with who may read what is in them."""

    kind: ClassVar[str] = "sharepoint"
    Config: ClassVar[type[BaseModel]] = SharePointConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: SharePointConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address, a key or a combination that cannot work. Whether Entra accepts the
        app only a scan tells."""
        if not (config.sites or config.drives):
            raise BadConfig("config.sites: nothing is read: name sites or libraries", field="config.sites")
        self.config = config
        api = address_of(config.api, "api", outbound)
        token = app_token(config, api, address_of(config.login, "login", outbound), outbound)
        feed = {**_FEED, **(_SHARING if config.sharing_changes else {})}
        self._graph = Graph(Rest(outbound, api, token), Rest(outbound, api, token, headers=feed))
        self._rules = Rules(self._graph, config, Accounts(config.issuer, config.people))

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything, or what the feeds of the libraries tell of since the cursor.

        Raises :class:`CursorExpired` where a feed does not go back so far, where a folder is gone with what was in it,
        and where libraries came or went.
        """
        try:
            yield from self._changes(cursor)
        except NotFound as error:
            raise SourceRefuses("Microsoft Graph no longer has what is being read.", said=404) from error

    def fetch(self, external_id: str) -> Body:
        """The file's own bytes."""
        if not is_item(external_id):
            raise NotFound()
        drive, _, id = external_id.partition("/")
        try:
            item = self._graph.item(drive, id)
            if not self._offers(item) or not self._reads(drive):
                raise NotFound()
        except SourceRefuses as error:
            if error.said != 403:
                raise
            raise DocumentRejected(error.detail, reason="unreadable") from error
        if item.size > self.config.max_file_mb << 20:
            raise DocumentRejected(self._too_large, reason="too_large")
        return Body(self._graph.content(item, self.config.max_file_mb << 20).body, item.mime)

    def memberships(self) -> Iterator[Membership]:
        """Who each account is, who is in Entra's groups, and what is declared of the groups of sites."""
        try:
            yield from self._rules.memberships()
        except NotFound as error:
            raise SourceRefuses("Microsoft Graph no longer has what is being read.", said=404) from error

    # -- what is read --

    def _drives(self) -> list[str]:
        sites = self._graph.sites() if ALL_SITES in self.config.sites else iter(self.config.sites)
        found = {drive for site in sites for drive in self._graph.drives_of(site)}
        return sorted(found | set(self.config.drives))

    def _reads(self, drive: str) -> bool:
        """Whether a library is of the source, by what it says of itself."""
        if drive in self.config.drives or ALL_SITES in self.config.sites:
            return True
        return self._graph.site_of(drive) in {tuple(site.split(",")[1:]) for site in self.config.sites}

    def _offers(self, item: Item) -> bool:
        if item.mime is None or item.is_deleted:
            return False
        wanted = any(fnmatchcase(item.name, glob) for glob in self.config.include)
        return wanted and not any(fnmatchcase(item.name, glob) for glob in self.config.exclude)

    # -- reading --

    def _changes(self, cursor: Json | None) -> Iterator[Change]:
        drives, of = self._drives(), what_is_read(self.config, _BESIDES)
        if cursor is None:
            yield from self._whole(drives, of)
            return
        known = Cursor.read(cursor, of)
        if known is None or set(known.feeds) != set(drives):
            raise CursorExpired("It is not of what is read now")
        changed = set(known.left)
        for drive in drives:
            for page in self._graph.changes(drive, known.feeds):
                changed |= {item.external_id for item in page}
        yield from self._visit(sorted(changed), known)
        yield Checkpoint(known.written([]))

    def _whole(self, drives: Sequence[str], of: str) -> Iterator[Change]:
        reached, told, again = Cursor(of, {}), set[str](), set[str]()
        for drive in drives:
            for page in self._graph.everything(drive, reached.feeds):
                # What comes again has changed while it was listed: the next scan looks at it before anything else.
                again |= {item.external_id for item in page} & told
                yield from self._told(page, told, reached)
        if len(again) > MOST_LEFT:
            raise CursorExpired("Too much changed while it was listed")
        yield Checkpoint(reached.written(sorted(again)))

    def _visit(self, ids: list[str], known: Cursor) -> Iterator[Change]:
        """What each of ``ids`` is now; of a folder all that is in it, for it may be shared with others than before, and
        a feed need not say so of each item."""
        told: set[str] = set()
        done = 0
        for n, id in enumerate(ids):
            for change in self._now(id, told, known):
                done += 1
                yield change
            if done >= _CHECKPOINT_EVERY and len(ids) - n - 1 <= MOST_LEFT:
                done = 0
                yield Checkpoint(known.written(ids[n + 1 :]))

    def _now(self, external_id: str, told: set[str], known: Cursor) -> Iterator[Change]:
        if external_id in told:
            return
        drive, _, id = external_id.partition("/")
        try:
            item = self._graph.item(drive, id)
        except (NotFound, SourceRefuses) as error:
            if isinstance(error, SourceRefuses) and error.said != 403:
                raise
            if known.was_folder(external_id):
                raise CursorExpired("A folder is gone; what was in it only a whole listing tells") from error
            yield Deleted(external_id) if isinstance(error, NotFound) else AclChanged(external_id, HIDDEN)
            return
        if not item.is_folder:
            yield from self._told([item], told, known, besides=True)
            return
        waiting, seen = [item], {external_id}
        known.add_folder(external_id)
        while waiting:
            for page in self._graph.children(waiting.pop()):
                folders = {one.external_id: one for one in page if one.is_folder and one.external_id not in seen}
                waiting += folders.values()
                seen |= folders.keys()
                yield from self._told(page, told, known, besides=True)

    def _told(
        self, page: Sequence[Item], told: set[str], reached: Cursor, *, besides: bool = False
    ) -> Iterator[Change]:
        """The changes of a page, each item once; with ``besides``, also that what is no document is none."""
        offered: list[Item] = []
        for item in {item.external_id: item for item in page}.values():  # of one that comes twice the later one
            if item.is_folder:
                reached.add_folder(item.external_id)
            elif item.external_id not in told:
                told.add(item.external_id)
                if self._offers(item):
                    offered.append(item)
                elif besides:
                    yield Deleted(item.external_id)
        if len(told) > self.config.max_files:
            raise BadConfig(f"There are more than {self.config.max_files:,} files", field="config.max_files")
        for item, acl in zip(offered, self._rules.access(offered), strict=True):
            if item.size > self.config.max_file_mb << 20:
                yield Refused(item.external_id, "too_large", self._too_large)
                continue
            name = "".join(char if char.isprintable() else " " for char in item.name)
            content = "\0".join((item.name, str(item.mime), str(item.size), item.digest, item.modified))
            yield Upsert(
                external_id=item.external_id,
                title=" ".join(name.split())[:_MAX_TITLE],
                uri=_link(item),
                fingerprint=hashlib.sha256(content.encode("utf-8", "replace")).hexdigest(),
                acl=acl,
                mime=item.mime,
                modified_at=moment(item.modified),
            )

    @property
    def _too_large(self) -> str:
        return f"It is larger than {self.config.max_file_mb} MiB"


def _link(item: Item) -> str:
    fine = item.link.startswith("https://") and item.link.isprintable() and len(item.link) <= _MAX_LINK
    return item.link if fine and " " not in item.link else f"urn:vouch:sharepoint:{item.external_id}"
