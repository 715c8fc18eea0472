"""A folder of a WebDAV server: one question for each folder, through the door."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from connectors.files.config import WebdavStore
from connectors.files.http import LISTING_BYTES, address, asked, inner, text_of, xml
from connectors.files.store import Enters, Entry, Folder, Found, folder_by_folder
from connectors.pace import http_date
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import Refused
from vouch.outbound.door import Answer, Outbound
from vouch.outbound.url import Url

_WANTED = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getetag/><getcontentlength/><getlastmodified/></prop></propfind>"
)
_URL = "config.store.url"


class Webdav:
    """One folder of one server."""

    def __init__(self, config: WebdavStore, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address that is none or may not be reached, and for a secret that cannot be
        sent."""
        self._outbound = outbound
        url = address(config.url, _URL, outbound.ways)
        self._base = Url(url.scheme, url.host, url.port, url.target.rstrip("/") + "/")
        self._root = _parts(self._base.target)
        self._headers = _authorization(config)

    @contextmanager
    def opened(self) -> Iterator[Webdav]:
        yield self

    def uri(self, path: str) -> str:
        return str(self._at(path))

    def listing(self, enters: Enters) -> Iterator[Found]:
        return folder_by_folder(self._folder, enters)

    def read(self, path: str, limit: int) -> bytes:
        answer = asked(self._outbound, self._at(path), self._headers, limit)
        if answer.status == 200:
            return answer.body
        if answer.status in (404, 410):
            raise NotFound()
        if answer.status == 401:
            raise Unavailable("The server refuses the login.")
        raise DocumentRejected(f"The server answers with status {answer.status}", reason="unreadable")

    def tags(self, path: str) -> Mapping[str, str]:
        return {}

    # -- listing --

    def _folder(self, folder: str) -> Iterator[Found]:
        """What lies in ``folder``. One that may no longer be listed can no longer be vouched for."""
        headers = {**self._headers, "depth": "1", "content-type": "application/xml; charset=utf-8"}
        url = self._at(f"{folder}/" if folder else "")
        answer = asked(self._outbound, url, headers, LISTING_BYTES, ("PROPFIND", _WANTED))
        if answer.status == 401 or (not folder and answer.status != 207):
            raise BadConfig(_refusal(answer), field=_URL)
        if answer.status != 207:
            yield Refused(f"{folder}/", "unreadable", f"The folder cannot be listed: {_refusal(answer)}")
            return
        here = [*self._root, *(folder.split("/") if folder else ())]
        for item in inner(xml(answer.body, url.host), "response"):
            name = self._name(item, here)
            if name is not None:
                yield _found(item, f"{folder}/{name}" if folder else name)

    def _name(self, item: Any, here: list[str]) -> str | None:
        """What ``item`` is called in the folder ``here``; None for the folder itself."""
        href = (text_of(item, "href") or "").strip()
        try:
            parts = _parts(urlsplit(href).path)
        except ValueError:
            parts = []
        if parts == here:
            return None
        # Only the path counts: behind a proxy many a server names itself by another host.
        if len(parts) != len(here) + 1 or parts[:-1] != here:
            raise Unavailable(f"{self._base.host} lists what does not lie in the folder that was asked for.")
        # An escaped slash is part of the name, and must not lead into another folder's rules: what is then no plain
        # path is refused by that.
        return parts[-1].replace("/", "\\")

    def _at(self, path: str) -> Url:
        return Url(self._base.scheme, self._base.host, self._base.port, self._base.target + quote(path, safe="/~"))


def _found(item: Any, path: str) -> Found:
    status = text_of(item, "status")
    if status is not None:
        return Refused(path, "unreadable", "The server does not say what it is")
    said = [prop for state in inner(item, "propstat") if " 200" in (text_of(state, "status") or "")
            for prop in inner(state, "prop")]  # fmt: skip
    if not said:
        return Refused(path, "unreadable", "The server does not say what it is")
    values = {name: next((text for prop in said if (text := text_of(prop, name))), None) for name in _VALUES}
    if any(inner(prop, "resourcetype", "collection") for prop in said):
        return Folder(path)
    size = values["getcontentlength"]
    whole = int(size) if size is not None and size.isascii() and size.isdigit() else None
    at = http_date(values["getlastmodified"] or "")
    version = "-".join(filter(None, (values["getetag"], size, values["getlastmodified"])))
    told = values["getetag"] is not None or at is not None
    return Entry(path, whole, version if told else None, at)


_VALUES = ("getetag", "getcontentlength", "getlastmodified")


def _parts(path: str) -> list[str]:
    """The names that a path consists of, decoded one by one: an escaped slash is part of a name."""
    inside = path.removeprefix("/").removesuffix("/")
    return [unquote(part, errors="surrogateescape") for part in inside.split("/")] if inside else []


def _refusal(answer: Answer) -> str:
    if answer.leads_to is not None:
        return "The server leads elsewhere; give the address that it leads to"
    if answer.status == 401:
        return "The server refuses the login"
    return f"The server answers with status {answer.status}"


def _authorization(config: WebdavStore) -> dict[str, str]:
    if config.token is not None:
        text = f"Bearer {config.token.get_secret_value()}"
        if not all("!" <= char <= "~" for char in text.removeprefix("Bearer ")):
            raise BadConfig("It is not the value of a header", field="config.store.token")
        return {"authorization": text}
    if config.password is None:
        return {}
    pair = f"{config.user}:{config.password.get_secret_value()}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
