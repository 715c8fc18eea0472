"""Confluence Cloud: pages, blog posts with their comments, and attachments, under the site's own permissions.

Every scan lists everything and reads every permission anew; bodies are fetched where a version changed. A restriction
that changes leaves no trace in what the site calls recent, nor does what lies below a page that is moved.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from mimetypes import guess_type
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from connectors.accounts import Account, Accounts
from connectors.atlassian.config import credential
from connectors.atlassian.members import members
from connectors.atlassian.text import as_dict, clean, document, section, time_of
from connectors.confluence.access import Tree, space_clause
from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.site import BLOG_POST, PAGE, V1, File, Item, Site, Space
from connectors.confluence.storage import html
from connectors.pace import PACE, Pace
from connectors.protocol import Membership
from connectors.rest import Rest, address_of
from vouch.core.clock import rfc3339
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import (
    AccessUnknown,
    Body,
    Change,
    Checkpoint,
    Json,
    RawClause,
    Refused,
    SourceAcl,
    Upsert,
)
from vouch.outbound.door import Outbound

MIME = "text/html"
_EXTERNAL = re.compile(r"(page|blogpost|attachment)/([A-Za-z0-9_-]{1,64})")
_VAGUE = frozenset(("", "application/octet-stream", "binary/octet-stream"))
_FORMAT = "1"
"""Of what is made of a body. It is part of the fingerprint."""


class ConfluenceConnector:
    """Reads the spaces of a Confluence Cloud site, with their permissions and page restrictions."""

    kind: ClassVar[str] = "confluence"
    Config: ClassVar[type[BaseModel]] = ConfluenceConfig
    lists_everything: ClassVar[bool] = True
    goes_out: ClassVar[bool] = True

    def __init__(self, config: ConfluenceConfig, outbound: Outbound, pace: Pace = PACE) -> None:
        """Raises :class:`BadConfig` for an address or a token that cannot work; nothing is asked yet."""
        self.config = config
        self._accounts = Accounts(config.issuer, config.people)
        base = address_of(config.site, "site", outbound)
        self._opened_at = (config.base_url or base).rstrip("/")
        self._rest = Rest(outbound, base, credential(config.user, config.token), delay_s=config.delay_s, pace=pace)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything, with its access; the cursor says nothing, for no part is left out.

        Raises :class:`BadConfig` for a space that the account does not see: it may be there all the same.
        """
        site = Site(self._rest, self._opened_at)
        site.require_account()
        spaces = self._spaces(site)
        files: defaultdict[str, dict[str, File]] = defaultdict(dict)
        for file in site.files(self._statuses(PAGE)) if self.config.attachments else ():
            if file.of is not None and self._wanted(file):
                files[file.of[1]][file.id] = file
        named: set[str] = set()
        for space in spaces:
            for change in self._of_space(site, space, files):
                if change.external_id in named:
                    continue  # it was moved here meanwhile; the next scan sees it here alone
                named.add(change.external_id)
                if len(named) > self.config.max_items:
                    raise BadConfig(
                        f"There are more than {self.config.max_items:,} documents", field="config.max_items"
                    )
                yield change
        yield Checkpoint({"documents": len(named)})

    def fetch(self, external_id: str) -> Body:
        match = _EXTERNAL.fullmatch(external_id)
        if match is None:
            raise NotFound()
        try:
            site = Site(self._rest, self._opened_at)
            return self._file(site, match[2]) if match[1] == "attachment" else self._page(site, match[1], match[2])
        except SourceRefuses as error:
            if error.said == 403:
                raise DocumentRejected("The account may not read it.", reason="unreadable") from error
            raise

    def memberships(self) -> Iterator[Membership]:
        """Which account is which user, of those that are active, and their groups. Who may use Confluence is in a group
        of the site; somebody who is in none has to be named in ``people``."""
        site = Site(self._rest, self._opened_at)
        site.require_account()
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for group in site.listed(f"{V1}/group", {"limit": 200}):
            id = str(group.get("id"))
            try:
                for user in site.listed(f"{V1}/group/{quote(id, safe='')}/membersByGroupId", {"limit": 200}):
                    if isinstance(user.get("accountId"), str):
                        groups[user["accountId"]].add(self._accounts.group("group", id))
            except NotFound:
                continue  # deleted since it was listed
        ids = sorted({*groups, *(account for account in self.config.people.named if "@" not in account)})
        trusts = self.config.trust_emails
        people = (Account(id, email if trusts else None) for id, email in site.active_accounts(ids))
        yield from members(self._accounts, people, groups)

    # -- what a scan names --

    def _spaces(self, site: Site) -> list[Space]:
        config = self.config
        found: dict[str, Space] = {}
        for key in config.spaces:
            there = [space for space in site.spaces(key) if space.key == key]
            if not there:
                raise BadConfig(f"The account sees no space {key}", field="config.spaces")
            found[there[0].id] = there[0]
        for space in () if config.spaces else site.spaces():
            if config.personal or not space.personal:
                found[space.id] = space
        return [
            space
            for space in found.values()
            if space.key not in config.exclude_spaces and (config.archived or not space.archived)
        ]

    def _of_space(self, site: Site, space: Space, files: dict[str, dict[str, File]]) -> Iterator[Upsert | Refused]:
        """What is there first, then who may read it, so that no access is older than what it is for."""
        items = {item.id: item for kind in self._kinds for item in site.contents(space, kind, self._statuses(kind))}
        comments: defaultdict[str, set[str]] = defaultdict(set)
        if self.config.comments and items:
            for comment in site.comments(f"space = {_quoted(space.key)}"):
                comments[str(as_dict(comment.get("container")).get("id"))].add(_mark(comment))
        access = space_clause(site, space, self._accounts, self.config.public)
        tree = Tree(site, self._accounts, items)
        if isinstance(access, RawClause):
            tree.read(items.keys())
        for item in items.values():
            acl = _acl(access, tree, item)
            yield self._upsert(item, comments[item.id], acl)
            for file in files.get(item.id, {}).values():
                yield self._attachment(file, acl)

    def _upsert(self, item: Item, comments: set[str], acl: SourceAcl) -> Upsert:
        made_of = "\0".join((_FORMAT, str(item.version), item.title, *sorted(comments)))
        return Upsert(
            external_id=item.external_id,
            title=item.title,
            uri=item.uri,
            fingerprint=hashlib.sha256(made_of.encode("utf-8", "replace")).hexdigest(),
            acl=acl,
            mime=MIME,
            owner=self._owner(item),
            modified_at=item.modified_at,
        )

    def _attachment(self, file: File, acl: SourceAcl) -> Upsert | Refused:
        external_id = f"attachment/{file.id}"
        if file.size > self.config.max_attachment_mb << 20:
            return Refused(external_id, "too_large", f"It is larger than {self.config.max_attachment_mb:,} MiB")
        fingerprint = f"{_FORMAT}.{file.version}"
        return Upsert(external_id, file.title, file.uri, fingerprint, acl, _mime(file), modified_at=file.modified_at)

    def _owner(self, item: Item) -> str | None:
        if item.owner is None:
            return None
        return next((known.member for known in self._accounts.members([Account(item.owner)])), None)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return (PAGE, BLOG_POST) if self.config.blog_posts else (PAGE,)

    def _statuses(self, kind: str) -> tuple[str, ...]:
        return ("current", "archived") if self.config.archived and kind == PAGE else ("current",)

    def _wanted(self, file: File) -> bool:
        return any(fnmatchcase(file.title.lower(), glob) for glob in self.config.attachments)

    # -- what is fetched --

    def _page(self, site: Site, kind: str, id: str) -> Body:
        item, storage = self._published(site, kind, id)
        sections = html(storage)
        if self.config.comments:
            said = [_comment(comment) for comment in site.comments(f"container = {id}", bodies=True)]
            sections += section("Comments", "".join(said)) if said else ""
        data = document(item.title, sections).encode("utf-8", "replace")
        if len(data) > self.config.max_page_kb << 10:
            raise DocumentRejected(f"It is larger than {self.config.max_page_kb:,} KiB", reason="too_large")
        return Body(data, MIME)

    def _published(self, site: Site, kind: str, id: str) -> tuple[Item, str]:
        """A page of the spaces that are read. Raises :class:`NotFound` for any other."""
        item, storage = site.content(kind, id)
        if kind not in self._kinds or item.status not in self._statuses(kind):
            raise NotFound()
        config = self.config
        if config.spaces or config.exclude_spaces:
            key = site.space(item.space).key
            if key in config.exclude_spaces or (config.spaces and key not in config.spaces):
                raise NotFound()
        return item, storage

    def _file(self, site: Site, id: str) -> Body:
        file = site.file(id)
        if file.of is None or file.status not in self._statuses(PAGE) or not self._wanted(file):
            raise NotFound()
        self._published(site, *file.of)
        path = f"{V1}/content/{file.of[1]}/child/attachment/{file.id}/download"
        return Body(site.rest.download(path, self.config.max_attachment_mb << 20).body, _mime(file))


def _acl(access: RawClause | AccessUnknown, tree: Tree, item: Item) -> SourceAcl:
    """The space's clause and those of the tree; whatever is unknown closes it all."""
    if isinstance(access, AccessUnknown):
        return access
    levels = tree.levels(item.kind, item.id)
    return levels if isinstance(levels, AccessUnknown) else (access, *levels)


def _mark(comment: Json) -> str:
    """What changes when a comment does."""
    return f"{comment.get('id')}.{as_dict(comment.get('version')).get('number')}"


def _comment(comment: Json) -> str:
    """A comment under who wrote it, and when."""
    storage = as_dict(as_dict(comment.get("body")).get("storage")).get("value")
    history = as_dict(comment.get("history"))
    author = clean(as_dict(history.get("createdBy")).get("displayName"))
    at = rfc3339(time_of(history.get("createdDate"))) or ""
    said = html(storage) if isinstance(storage, str) else ""
    return section(", ".join(filter(None, (author, at[:10]))) or "Comment", said, level=3)


def _mime(file: File) -> str | None:
    """As the site says; a type that says nothing gives way to the file's name."""
    said = file.media_type.partition(";")[0].strip().lower()
    return (guess_type(file.title)[0] if said in _VAGUE else said) or None


def _quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
