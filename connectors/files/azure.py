"""A container of Azure Blob Storage, by its REST API: every request is made by the door.

Who asks is an app registration, a shared access signature, a key of the account (:mod:`connectors.files.azure_key`), or
nobody: then only a public container answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

from connectors.files.azure_key import Caller, caller
from connectors.files.config import AzureStore
from connectors.files.http import LISTING_BYTES, address, asked, inner, local_name, text_of, xml
from connectors.files.keys import Pages, below, found, whole
from connectors.files.store import MANY, Enters, Entry, Folder, Found
from connectors.pace import http_date
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import AccessUnknown
from vouch.outbound.door import Answer, Outbound
from vouch.outbound.url import Url

_OF_THE_STORE = frozenset(
    {
        "AuthenticationFailed", "AuthorizationFailure", "AccountIsDisabled", "AuthorizationProtocolMismatch",
        "AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch", "AuthorizationSourceIPMismatch",
        "ContainerBeingDeleted", "ContainerDisabled", "ContainerNotFound", "InvalidAuthenticationInfo",
        "KeyBasedAuthenticationNotPermitted", "NoAuthenticationInformation", "PublicAccessNotPermitted",
    }
)  # fmt: skip
"""Words that say nothing of the one blob that was asked for."""


class Azure:
    """One container, below one prefix. ``tags``: whether the tags of blobs are listed with them."""

    def __init__(self, config: AzureStore, outbound: Outbound, *, tags: bool) -> None:
        """Raises :class:`BadConfig` for what is no key or signature, and for an address that may not be reached."""
        self._config, self._outbound, self._tags = config, outbound, tags
        endpoint = config.endpoint or f"https://{config.account}.blob.core.windows.net"
        base = address(endpoint, "config.store.endpoint", outbound.ways)
        container = quote(config.container, safe="$")
        self._container = Url(base.scheme, base.host, base.port, f"{base.target.rstrip('/')}/{container}")
        self._caller: Caller = caller(config, outbound)

    @contextmanager
    def opened(self) -> Iterator[Azure]:
        yield self

    def uri(self, path: str) -> str:
        return str(self._at(path))

    def listing(self, enters: Enters) -> Iterator[Found]:
        """Blobs by name. Folders are listed with them where the account has such things; what lies in one that is not
        wanted is listed too."""
        pages, mark = Pages(self._container.host), ""
        query = {
            "restype": "container", "comp": "list", "prefix": self._config.prefix, "maxresults": str(MANY),
            "include": "metadata,tags" if self._tags else "metadata",
        }  # fmt: skip
        while True:
            said = query | ({"marker": mark} if mark else {})
            answer = self._get(self._container, {name: value for name, value in said.items() if value}, LISTING_BYTES)
            self._require_container(answer)
            page = xml(answer.body, self._container.host)
            following = text_of(page, "NextMarker")
            if local_name(page) != "EnumerationResults" or following is None:
                raise Unavailable(f"{self._container.host} gives something else than a listing, or half of one.")
            blobs = inner(page, "Blobs", "Blob")
            for blob in blobs:
                one = self._found(blob)
                if one is not None:
                    yield one
            if not following:
                return
            mark = pages.after(following, len(blobs))

    def read(self, path: str, limit: int) -> bytes:
        answer = self._get(self._at(path), {}, limit)
        if answer.status == 200:
            return answer.body
        code = _code(answer)
        if code in _OF_THE_STORE or answer.status == 401:
            raise Unavailable(f"The store does not let anything be read: {code}")
        if answer.status in (404, 410):
            raise NotFound()
        raise DocumentRejected(f"The store refuses to give it: {code}", reason="unreadable")

    def tags(self, path: str) -> Mapping[str, str]:
        return {}  # they are listed

    # -- requests --

    def _at(self, path: str) -> Url:
        at = self._container
        return Url(at.scheme, at.host, at.port, f"{at.target}/{quote(self._config.prefix + path, safe='/~')}")

    def _get(self, at: Url, query: Mapping[str, str], max_bytes: int) -> Answer:
        url, headers = self._caller.signed(at, query, renewed=False)
        answer = asked(self._outbound, url, headers, max_bytes)
        if answer.status == 401 and self._caller.renews:  # its token may have been taken back before its time
            url, headers = self._caller.signed(at, query, renewed=True)
            answer = asked(self._outbound, url, headers, max_bytes)
        return answer

    def _require_container(self, answer: Answer) -> None:
        """That the listing is one. What is wrong with container or key is the configuration's to put right."""
        if answer.status == 200:
            return
        code = _code(answer)
        if code == "ContainerBeingDeleted":
            raise Unavailable(f"The store does not let anything be read: {code}")
        if answer.status in (401, 403) or code in _OF_THE_STORE - {"ContainerNotFound", "ContainerDisabled"}:
            said = "; listing tags is a permission of its own" if self._tags else ""
            raise BadConfig(f"The store refuses to list the container: {code}{said}", field=self._caller.field)
        if answer.status == 404:
            raise BadConfig(f"There is no such container: {code}", field="config.store.container")
        raise BadConfig(f"The store refuses to list the container: {code}", field="config.store")

    # -- what is listed --

    def _found(self, blob: Any) -> Found | None:
        name = next(iter(inner(blob, "Name")), None)
        key = (name.text or "") if name is not None else ""
        if name is not None and name.get("Encoded") == "true":  # it has what XML cannot say
            key = unquote(key, errors="surrogateescape")
        path = below(key, self._config.prefix, self._container.host)
        if _is_folder(blob):
            return Folder(path) if path else None
        size, tag = text_of(blob, "Properties", "Content-Length"), text_of(blob, "Properties", "Etag")
        at = http_date(text_of(blob, "Properties", "Last-Modified") or "")
        version = f"{tag.strip(chr(34))}-{size}" if tag else None
        return found(Entry(path, whole(size), version, at, _tags(blob) if self._tags else None))


def _is_folder(blob: Any) -> bool:
    """Whether it stands for a folder: an account with a hierarchy says so, and its tools in older ways."""
    if text_of(blob, "Properties", "ResourceType") == "directory":
        return True
    return any(
        local_name(one).lower() == "hdi_isfolder" and (one.text or "").lower() == "true"
        for one in (child for metadata in inner(blob, "Metadata") for child in metadata)
    )


def _tags(blob: Any) -> Mapping[str, str] | AccessUnknown:
    """The tags of a blob, as many as it says that it has."""
    told = inner(blob, "Tags", "TagSet", "Tag")
    tags = {text_of(tag, "Key") or "": text_of(tag, "Value") or "" for tag in told}
    if len(tags) != (whole(text_of(blob, "Properties", "TagCount")) or 0):
        return AccessUnknown("tags_unreadable", "The store does not tell as many tags as the object has")
    return tags


def _code(answer: Answer) -> str:
    """The store's own word for what is wrong, or the status; never its text, which may repeat what was signed."""
    code = answer.headers.get("x-ms-error-code", "")
    return code if code.isascii() and code.isalnum() and len(code) <= 64 else f"status {answer.status}"
