"""A bucket of Google Cloud Storage, by its JSON API: every request is made by the door.

Who asks is a service account by its key (:mod:`connectors.google`), or nobody: then only a public bucket answers.
Google's own client would look for a key in the environment, in files and at a metadata address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from connectors.files.config import GcsStore
from connectors.files.http import LISTING_BYTES, address, asked
from connectors.files.keys import Pages, below, found, whole
from connectors.files.store import MANY, Enters, Entry, Found
from connectors.google import ServiceAccount
from connectors.rest import ShortToken
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.outbound.door import Answer, Outbound
from vouch.outbound.url import Url

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_only",)
_KIND = "storage#objects"
_TOO_MUCH = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
"""Words of a 403 that is no verdict on who asks."""
_KEY = "config.store.service_account"


class Gcs:
    """One bucket, below one prefix. ``tags``: whether the metadata of objects is listed with them."""

    def __init__(self, config: GcsStore, outbound: Outbound, *, tags: bool) -> None:
        """Raises :class:`BadConfig` for what is no key, and for an address that may not be reached."""
        self._config, self._outbound, self._tags = config, outbound, tags
        base = address(config.endpoint, "config.store.endpoint", outbound.ways)
        root = f"{base.target.rstrip('/')}/storage/v1/b/{config.bucket}"
        self._bucket = Url(base.scheme, base.host, base.port, root)
        self._token = _token(config, outbound)

    @contextmanager
    def opened(self) -> Iterator[Gcs]:
        yield self

    def uri(self, path: str) -> str:
        return f"gs://{self._config.bucket}/{quote(self._config.prefix + path)}"

    def listing(self, enters: Enters) -> Iterator[Found]:
        """Objects by name; a bucket has no folders, so what is not wanted is listed with the rest."""
        pages, mark = Pages(self._bucket.host), ""
        told = "name,size,generation,timeCreated" + (",metadata" if self._tags else "")
        fields = f"kind,nextPageToken,items({told})"
        query = {"prefix": self._config.prefix, "maxResults": str(MANY), "fields": fields}
        while True:
            answer = self._get("/o", query | ({"pageToken": mark} if mark else {}), LISTING_BYTES)
            _require_bucket(answer)
            page = self._page(answer)
            items = page.get("items", [])
            for item in items:
                one = self._found(item)
                if one is not None:
                    yield one
            following = page.get("nextPageToken")
            if following is None:
                return
            mark = pages.after(self._text(following), len(items))

    def read(self, path: str, limit: int) -> bytes:
        """One answer is one generation of the object, whole: there is nothing to hold it against."""
        answer = self._get(f"/o/{quote(self._config.prefix + path, safe='')}", {"alt": "media"}, limit)
        if answer.status == 200:
            return answer.body
        if answer.status in (404, 410):
            self._require_still_there()
            raise NotFound()
        word = _word(answer)
        if answer.status == 401 or word in _TOO_MUCH:
            raise Unavailable(f"The store does not answer for now: {word}")
        raise DocumentRejected(f"The store refuses to give it: {word}", reason="unreadable")

    def tags(self, path: str) -> Mapping[str, str]:
        return {}  # they are listed

    # -- requests --

    def _get(self, path: str, query: Mapping[str, str], max_bytes: int) -> Answer:
        at = self._bucket
        url = Url(at.scheme, at.host, at.port, f"{at.target}{path}?{urlencode(query, quote_via=quote)}")
        answer = asked(self._outbound, url, self._headers(), max_bytes)
        if answer.status == 401 and self._token is not None:  # it may have been taken back before its time
            answer = asked(self._outbound, url, self._headers(renewed=True), max_bytes)
        return answer

    def _headers(self, *, renewed: bool = False) -> Mapping[str, str]:
        if self._token is None:
            return {}
        try:
            return self._token.headers(renewed=renewed) or {}
        except SourceRefuses as error:
            raise BadConfig(error.detail, field=_KEY) from error

    def _require_still_there(self) -> None:
        """An object and a whole bucket that are missing are told in the same words."""
        answer = self._get("/o", {"maxResults": "1", "fields": "kind"}, LISTING_BYTES)
        if answer.status in (404, 410):
            raise Unavailable("The bucket is not there.")

    # -- what is listed --

    def _page(self, answer: Answer) -> dict[str, Any]:
        """A page of objects and nothing else: what is no listing would look like an empty bucket."""
        try:
            page = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"{self._bucket.host} gives a listing that cannot be read to its end.") from error
        if not isinstance(page, dict) or page.get("kind") != _KIND or not isinstance(page.get("items", []), list):
            raise Unavailable(f"{self._bucket.host} gives something else than a listing.")
        return page

    def _found(self, item: Any) -> Found | None:
        if not isinstance(item, dict):
            raise Unavailable(f"{self._bucket.host} gives something else than a listing.")
        path = below(self._text(item.get("name")), self._config.prefix, self._bucket.host)
        generation, metadata = item.get("generation"), item.get("metadata", {})
        version = generation if isinstance(generation, str) and generation else None
        tags = {key: str(metadata[key]) for key in metadata} if self._tags and isinstance(metadata, dict) else {}
        at = _time(item.get("timeCreated"))
        return found(Entry(path, whole(item.get("size")), version, at, tags if self._tags else None))

    def _text(self, said: object) -> str:
        if not isinstance(said, str) or not said:
            raise Unavailable(f"{self._bucket.host} gives something else than a listing.")
        return said


def _token(config: GcsStore, outbound: Outbound) -> ShortToken | None:
    url = str(address(config.token_url, "config.store.token_url", outbound.ways))
    if config.service_account is None:
        return None
    try:
        account = ServiceAccount(config.service_account, url, outbound)
    except BadConfig:
        account = None
    if account is None:
        raise BadConfig(f"{_KEY}: not the JSON of a service account's key", field=_KEY)
    return account.token(_SCOPES, None)


def _require_bucket(answer: Answer) -> None:
    """That the listing is one. What is wrong with bucket or key is the configuration's to put right."""
    if answer.status == 200:
        return
    word = _word(answer)
    if word in _TOO_MUCH:
        raise Unavailable(f"The store does not answer for now: {word}")
    if answer.status in (401, 403):
        raise BadConfig(f"The store refuses to list the bucket to who asks: {word}", field=_KEY)
    if answer.status == 404:
        raise BadConfig("There is no such bucket", field="config.store.bucket")
    raise BadConfig(f"The store refuses to list the bucket: {word}", field="config.store")


def _word(answer: Answer) -> str:
    """The store's own word for what is wrong, or the status; never its text."""
    try:
        word = json.loads(answer.body)["error"]["errors"][0]["reason"]
    except (ValueError, TypeError, LookupError, RecursionError):
        word = None
    known = isinstance(word, str) and word.isascii() and word.isalnum() and len(word) <= 64
    return str(word) if known else f"status {answer.status}"


def _time(said: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
