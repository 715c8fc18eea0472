"""What a Confluence site says over its API, as frozen values: spaces, what is in them, comments, files, accounts.

Version 2 of the API is asked, and version 1 where 2 has nothing: search, restrictions, groups. Of a link to the next
page only the mark of the place is taken, so that both versions' links, which are relative to different addresses, lead
on, and none leads elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from connectors.atlassian.text import as_dict, clean, malformed, time_of
from connectors.rest import Reply, Rest
from vouch.core.errors import SourceRefuses, Unavailable
from vouch.core.types import Json

V1, V2 = "rest/api", "api/v2"
PAGE, BLOG_POST = "page", "blogpost"
PLACES = {PAGE: "pages", BLOG_POST: "blogposts", "folder": "folders", "whiteboard": "whiteboards",
          "database": "databases", "embed": "embeds"}  # fmt: skip
"""What content can lie in, or under, and where version 2 tells of it."""
_MOST_PAGES = 100_000
_AT_ONCE = 250
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_URI = 2000


@dataclass(frozen=True, slots=True)
class Space:
    id: str
    key: str
    archived: bool
    personal: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A page or a blog post. ``parent``: kind and id of what it lies under, where the listing names one."""

    kind: str
    id: str
    title: str
    version: int
    modified_at: datetime | None
    owner: str | None
    uri: str
    parent: tuple[str, str] | None
    space: str
    status: str

    @property
    def external_id(self) -> str:
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class File:
    """An attachment. ``of``: kind and id of what it is attached to."""

    id: str
    title: str
    version: int
    modified_at: datetime | None
    media_type: str
    size: int
    uri: str
    of: tuple[str, str] | None
    status: str


class Site:
    """A site as one scan, or one fetch, sees it. An answer that is not well-formed raises :class:`Unavailable`."""

    def __init__(self, rest: Rest, opened_at: str) -> None:
        """``opened_at``: the address under which people open what is there."""
        self.rest, self._opened_at = rest, opened_at

    def listed(self, path: str, params: Mapping[str, Any]) -> Iterator[Json]:
        """The results of every page of a listing."""
        place: Mapping[str, str] = {}
        seen: set[tuple[tuple[str, str], ...]] = set()
        while True:
            reply = self.rest.get(path, {**params, **place})
            for result in _results(reply.data):
                if not isinstance(result, dict):
                    raise malformed()
                yield result
            further = _next(reply)
            if further is None:
                return
            mark = tuple(sorted(further.items()))
            if mark in seen or len(seen) >= _MOST_PAGES:
                raise Unavailable(f"The pages of {self.rest.base.host} do not end.")
            seen.add(mark)
            place = further

    def require_account(self) -> None:
        """Raises :class:`SourceRefuses` where the site takes the asker for nobody: it would show what is public, as if
        that were all."""
        said = self.rest.get(f"{V1}/user/current").data
        if not isinstance(said, dict) or not said.get("accountId") or said.get("type") == "anonymous":
            raise SourceRefuses(f"{self.rest.base.host} does not accept the credential.", said=401)

    def spaces(self, key: str | None = None) -> Iterator[Space]:
        """All spaces that the account sees, or the one with ``key``."""
        for said in self.listed(f"{V2}/spaces", {"keys": key, "limit": _AT_ONCE, "sort": "id"}):
            yield _space(said)

    def space(self, id: str) -> Space:
        return _space(self._one("spaces", id))

    def contents(self, space: Space, kind: str, statuses: tuple[str, ...]) -> Iterator[Item]:
        """The pages, or the blog posts, of a space; never drafts. What changes meanwhile can come twice."""
        for status in statuses:
            wanted = {"status": status, "limit": _AT_ONCE, "sort": "id", **({"depth": "all"} if kind == PAGE else {})}
            for said in self.listed(f"{V2}/spaces/{space.id}/{PLACES[kind]}", wanted):
                item = self._item(kind, said)
                if item.status == status:
                    yield item

    def content(self, kind: str, id: str) -> tuple[Item, str]:
        """A page or blog post as it is published, and its body in the storage format."""
        said = self._one(PLACES[kind], id, {"body-format": "storage"})
        body = as_dict(as_dict(said.get("body")).get("storage")).get("value")
        if not isinstance(body, str):
            raise malformed()
        return self._item(kind, said), body

    def parent(self, kind: str, id: str) -> tuple[str, str] | None:
        """Kind and id of what ``id`` lies under. Raises :class:`NotFound` for what the account cannot see."""
        return _parent(self._one(PLACES[kind], id))

    def has_ancestors(self, id: str) -> bool:
        """Whether a page lies under anything, asked for by itself."""
        return bool(_results(self.rest.get(f"{V2}/pages/{id}/ancestors", {"limit": 1}).data))

    def files(self, statuses: tuple[str, ...]) -> Iterator[File]:
        """Every attachment of the site: there is no listing of one space's."""
        for status in statuses:
            wanted = {"status": status, "limit": _AT_ONCE, "sort": "created-date"}
            for said in self.listed(f"{V2}/attachments", wanted):
                yield self._file(said)

    def file(self, id: str) -> File:
        return self._file(self._one("attachments", id))

    def comments(self, cql: str, *, bodies: bool = False) -> Iterator[Json]:
        """The comments that a query finds, replies and resolved ones included."""
        expand = "container,version" + (",body.storage,history" if bodies else "")
        wanted = {"cql": f"type = comment and {cql} order by created asc", "expand": expand, "limit": 50}
        yield from self.listed(f"{V1}/content/search", wanted)

    def active_accounts(self, ids: list[str]) -> Iterator[tuple[str, str | None]]:
        """Of ``ids`` those that are active, with the e-mail address where the site shows it."""
        for start in range(0, len(ids), _AT_ONCE):
            wanted = {"accountIds": ids[start : start + _AT_ONCE]}
            for said in _results(self.rest.ask("POST", f"{V2}/users-bulk", content=wanted).data):
                account = as_dict(said)
                if account.get("accountStatus") == "active":
                    email = account.get("email")
                    yield str(account.get("accountId")), email if isinstance(email, str) and email else None

    # -- from JSON --

    def _one(self, place: str, id: str, params: Mapping[str, Any] | None = None) -> Json:
        said = self.rest.get(f"{V2}/{place}/{quote(id, safe='')}", params).data
        if not isinstance(said, dict) or str(said.get("id")) != id:
            raise malformed()
        return said

    def _item(self, kind: str, said: Json) -> Item:
        id, version = _id(said.get("id")), _version(said)
        owner = said.get("ownerId") or said.get("authorId")
        return Item(
            kind=kind,
            id=id,
            title=clean(said.get("title")),
            version=version[0],
            modified_at=version[1],
            owner=owner if isinstance(owner, str) else None,
            uri=self._uri(said, f"/pages/viewpage.action?pageId={id}"),
            parent=_parent(said) if kind == PAGE else None,
            space=str(said.get("spaceId")),
            status=str(said.get("status")),
        )

    def _file(self, said: Json) -> File:
        id, version = _id(said.get("id")), _version(said)
        of = next(((k, str(said[f])) for k, f in ((PAGE, "pageId"), (BLOG_POST, "blogPostId")) if said.get(f)), None)
        size = said.get("fileSize")
        return File(
            id=id,
            title=clean(said.get("title")),
            version=version[0],
            modified_at=version[1],
            media_type=str(said.get("mediaType") or ""),
            size=size if isinstance(size, int) else 0,
            uri=self._uri(said, f"/pages/viewpage.action?pageId={of[1] if of else ''}"),
            of=of,
            status=str(said.get("status")),
        )

    def _uri(self, said: Json, otherwise: str) -> str:
        """Where people open it: the site's own relative link, in plain characters."""
        link = said.get("webuiLink") or as_dict(said.get("_links")).get("webui")
        path = quote(link, safe="/%?=&#+:@!$,;~()*'") if isinstance(link, str) and link.startswith("/") else otherwise
        return f"{self._opened_at}{path if len(path) <= _MAX_URI else otherwise}"


def _results(data: Any) -> list[Any]:
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(results, list):
        raise malformed()
    return results


def _next(reply: Reply) -> Mapping[str, str] | None:
    """The place that the next page begins at. Raises :class:`Unavailable` for a link that names none."""
    link = as_dict(reply.data.get("_links")).get("next") or reply.next
    if not link:
        return None
    said = parse_qs(urlsplit(str(link)).query)
    place: dict[str, str] = {name: said[name][0] for name in ("cursor", "start") if name in said}
    if not place:
        raise malformed()
    return place


def _space(said: Json) -> Space:
    key = said.get("key")
    if not isinstance(key, str) or not key:
        raise malformed()
    return Space(_id(said.get("id")), key, said.get("status") != "current", said.get("type") == "personal")


def _parent(said: Json) -> tuple[str, str] | None:
    parent = said.get("parentId")
    return None if parent is None else (str(said.get("parentType") or PAGE), _id(parent))


def _version(said: Json) -> tuple[int, datetime | None]:
    version = as_dict(said.get("version"))
    number = version.get("number")
    if not isinstance(number, int):
        raise malformed()
    return number, time_of(version.get("createdAt"))


def _id(said: object) -> str:
    text = str(said) if isinstance(said, str | int) else ""
    if not _ID.fullmatch(text):
        raise malformed()
    return text
