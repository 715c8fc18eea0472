"""Microsoft Graph as it is asked here: libraries, their items and permissions, users and groups.

Every listing is followed to its end or raises; an answer that is not of the documented form is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.rest import Rest
from connectors.sharepoint.config import GUID
from vouch.core.errors import CursorExpired, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Json
from vouch.outbound.door import Answer

_ID = re.compile(r"[A-Za-z0-9!_-]{1,200}")
_SELECT = "id,name,size,file,folder,root,deleted,parentReference,lastModifiedDateTime,webUrl"
_BATCH = 20
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Item:
    """A file, a folder, or something else that a library holds. ``mime``: None where it is no file."""

    drive: str
    id: str
    name: str
    mime: str | None
    is_folder: bool
    is_deleted: bool
    size: int
    digest: str
    modified: str
    link: str

    @property
    def external_id(self) -> str:
        return f"{self.drive}/{self.id}"

    @classmethod
    def of(cls, drive: str, said: Any) -> Item:
        """Raises :class:`Unavailable` for what is no item."""
        try:
            file, deleted = said.get("file"), "deleted" in said
            item = cls(
                drive=drive,
                id=said["id"],
                name=str(said.get("name") or ""),
                mime=None if file is None else str(file.get("mimeType") or "application/octet-stream"),
                is_folder="folder" in said or "root" in said,
                is_deleted=deleted,
                size=int(said["size"]) if file is not None and not deleted else 0,
                digest="" if file is None else str((file.get("hashes") or {}).get("quickXorHash") or ""),
                modified=str(said.get("lastModifiedDateTime") or ""),
                link=str(said.get("webUrl") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unavailable("Microsoft Graph told of something that is no item.") from error
        if not isinstance(item.id, str) or not _ID.fullmatch(item.id):
            raise Unavailable("Microsoft Graph told of something that is no item.")
        return item


class Graph:
    """Asks Microsoft Graph. Raises as :class:`~connectors.rest.Rest` does. ``feed``: headers of a feed's requests."""

    def __init__(self, rest: Rest, feed: Rest) -> None:
        self._rest, self._feed = rest, feed

    def sites(self) -> Iterator[str]:
        """Every site of the tenant that is nobody's own, by id."""
        for page in self.pages(self._rest, "sites/getAllSites", {"$select": "id,isPersonalSite"}):
            yield from (_id(one) for one in page if not (isinstance(one, dict) and one.get("isPersonalSite") is True))

    def drives_of(self, site: str) -> list[str]:
        """The document libraries of a site. Raises :class:`SourceRefuses` where there is no such site."""
        try:
            found = [one for page in self.pages(self._rest, f"sites/{site}/drives", {"$select": "id"}) for one in page]
        except NotFound as error:
            raise SourceRefuses(f"There is no site {site} that the app may read.") from error
        return [_id(one) for one in found]

    def site_of(self, drive: str) -> tuple[str, str]:
        """The site collection and the site that a library is in."""
        said = self._rest.get(f"drives/{drive}", {"$select": "id,sharePointIds"}).data
        ids = said.get("sharePointIds") if isinstance(said, dict) else None
        if not isinstance(ids, dict):
            raise Unavailable("Microsoft Graph does not say which site a library is in.")
        return str(ids.get("siteId", "")).lower(), str(ids.get("webId", "")).lower()

    def item(self, drive: str, id: str) -> Item:
        return Item.of(drive, self._rest.get(f"drives/{drive}/items/{id}", {"$select": _SELECT}).data)

    def children(self, folder: Item) -> Iterator[list[Item]]:
        """What is right in a folder, page by page."""
        asked = {"$select": _SELECT, "$top": 200}
        for page in self.pages(self._rest, f"drives/{folder.drive}/items/{folder.id}/children", asked):
            yield [Item.of(folder.drive, one) for one in page]

    def everything(self, drive: str, reached: dict[str, str]) -> Iterator[list[Item]]:
        """All items of a library, page by page; ``reached`` then says where its feed stands. An item may come twice."""
        try:
            self._rest.get(f"drives/{drive}", {"$select": "id"})
        except NotFound as error:
            raise SourceRefuses(f"There is no library {drive} that the app may read.") from error
        try:
            yield from self._delta(drive, f"drives/{drive}/root/delta", {"$select": _SELECT}, reached)
        except NotFound as error:  # 410: it is to be begun anew
            raise Unavailable("Microsoft Graph did not tell a library to its end.") from error

    def changes(self, drive: str, reached: dict[str, str]) -> Iterator[list[Item]]:
        """What changed since ``reached`` said. Raises :class:`CursorExpired` when the feed does not go back so far."""
        try:
            yield from self._delta(drive, reached[drive], None, reached)
        except NotFound as error:  # 410: it is to be listed anew; 404: the library is gone
            raise CursorExpired("Microsoft Graph no longer tells what changed since.") from error
        except SourceRefuses as error:
            if error.said != 400:
                raise
            raise CursorExpired("Microsoft Graph no longer tells what changed since.") from error

    def content(self, item: Item, max_bytes: int) -> Answer:
        """From wherever Graph says that it lies: that host is not told who asks."""
        try:
            return self._rest.download(f"drives/{item.drive}/items/{item.id}/content", max_bytes)
        except SourceRefuses as error:
            if error.said != 403:
                raise
            raise DocumentRejected("Microsoft Graph does not let it be downloaded.", reason="unreadable") from error

    def permissions(self, items: Sequence[Item]) -> list[list[Any] | None]:
        """Of each item, in their order; None where they may not be read."""
        paths = [f"drives/{item.drive}/items/{item.id}/permissions" for item in items]
        return [self._if_let(path) if found is None else found for path, found in self._together(paths)]

    def users(self) -> Iterator[Json]:
        for page in self.pages(self._rest, "users", {"$select": "id,userPrincipalName,accountEnabled", "$top": 999}):
            for one in page:
                _guid(one)
                yield one

    def groups(self) -> Iterator[str]:
        for page in self.pages(self._rest, "groups", {"$select": "id", "$top": 999}):
            yield from map(_guid, page)

    def members(self, groups: Sequence[str]) -> Iterator[list[Any]]:
        """Of each group, in their order, whoever is in it at any depth."""
        for path, found in self._together([f"groups/{id}/transitiveMembers?$select=id&$top=999" for id in groups]):
            try:
                yield self._listing(path) if found is None else found
            except NotFound as error:
                raise Unavailable("A group of Entra went while it was read.") from error

    def pages(self, rest: Rest, path: str, asked: Json | None) -> Iterator[list[Any]]:
        """What is listed, page by page. Raises :class:`Unavailable` for pages that circle."""
        for said in self._followed(rest, path, asked):
            yield _values(said)

    # -- how --

    def _delta(self, drive: str, path: str, asked: Json | None, reached: dict[str, str]) -> Iterator[list[Item]]:
        for said in self._followed(self._feed, path, asked):
            yield [Item.of(drive, one) for one in _values(said)]
            if "@odata.nextLink" not in said:
                link = said.get("@odata.deltaLink")
                if not isinstance(link, str):
                    raise Unavailable("Microsoft Graph does not say where its feed stands.")
                reached[drive] = link

    def _followed(self, rest: Rest, path: str, asked: Json | None) -> Iterator[Json]:
        seen: set[str] = set()
        said: Any = rest.get(path, asked).data
        while True:
            if not isinstance(said, dict):
                raise Unavailable("Microsoft Graph answered with something else than a list.")
            yield said
            if "@odata.nextLink" not in said:
                return
            link = said["@odata.nextLink"]
            if not isinstance(link, str) or link in seen or len(seen) >= _MOST_PAGES:
                raise Unavailable("The pages of Microsoft Graph do not end.")
            seen.add(link)
            said = rest.get(link).data

    def _together(self, paths: Sequence[str]) -> Iterator[tuple[str, list[Any] | None]]:
        """Each path with the whole listing there, twenty asked for together. None where that did not answer it whole:
        then it is to be asked for by itself, with the patience that it needs."""
        for n in range(0, len(paths), _BATCH):
            some = paths[n : n + _BATCH]
            answered = self._batch(some) if len(some) > 1 else {}
            yield from ((path, answered.get(at)) for at, path in enumerate(some))

    def _batch(self, paths: Sequence[str]) -> dict[int, list[Any]]:
        """What was answered whole, by its place among ``paths``."""
        asked = [{"id": str(n), "method": "GET", "url": f"/{path}"} for n, path in enumerate(paths)]
        said = self._rest.ask("POST", "$batch", content={"requests": asked}).data
        answers = said.get("responses") if isinstance(said, dict) else None
        if not isinstance(answers, list):
            raise Unavailable("Microsoft Graph did not answer a batch.")
        found: dict[int, list[Any]] = {}
        for answer in answers:
            if not isinstance(answer, dict) or answer.get("status") != 200 or not str(answer.get("id")).isdecimal():
                continue
            body = answer.get("body")
            if isinstance(body, dict) and isinstance(body.get("value"), list) and "@odata.nextLink" not in body:
                found[int(answer["id"])] = body["value"]
        return found

    def _listing(self, path: str) -> list[Any]:
        return [one for page in self.pages(self._rest, path, None) for one in page]

    def _if_let(self, path: str) -> list[Any] | None:
        try:
            return self._listing(path)
        except NotFound:
            return None
        except SourceRefuses as error:
            if error.said != 403:
                raise
            return None


def is_item(text: str) -> bool:
    """Whether ``text`` can name an item: a library and an id in it."""
    return re.fullmatch(rf"{_ID.pattern}/{_ID.pattern}", text) is not None


def _values(said: Json) -> list[Any]:
    found = said.get("value")
    if not isinstance(found, list):
        raise Unavailable("Microsoft Graph answered with something else than a list.")
    return found


def _id(said: Any) -> str:
    found = said.get("id") if isinstance(said, dict) else None
    if not isinstance(found, str) or not re.fullmatch(r"[A-Za-z0-9!_.,-]{1,400}", found):
        raise Unavailable("Microsoft Graph told of something without an id.")
    return found


def _guid(said: Any) -> str:
    found = said.get("id") if isinstance(said, dict) else None
    if not isinstance(found, str) or not re.fullmatch(GUID, found):
        raise Unavailable("Microsoft Graph told of something without an object id.")
    return found
