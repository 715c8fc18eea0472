"""A bucket of S3, or of what speaks its protocol: requests are signed by Amazon's own library and sent by the door.

Only the library's signer is used. Its client would look for keys in the environment, in files and at a metadata
address, and open connections of its own; here the key is that of the configuration, or nothing is signed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote_plus

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from connectors.files.config import S3Store
from connectors.files.http import LISTING_BYTES, address, asked, inner, text_of, xml
from connectors.files.keys import Pages
from connectors.files.store import MANY, Enters, Entry, Folder, Found
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import Refused
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.door import Answer, Outbound
from vouch.outbound.url import Url

logging.getLogger("botocore").setLevel(logging.INFO)  # at DEBUG its signer would write down a session token
_EXPIRED = frozenset({"ExpiredToken", "RequestTimeTooSkewed", "RequestExpired", "TokenRefreshRequired"})
_WRONG_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed"})
_TAG_BYTES = 64 << 10


class S3:
    """One bucket, below one prefix."""

    def __init__(self, config: S3Store, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an endpoint that may not be reached."""
        self._config, self._outbound = config, outbound
        self._base = _base(config, outbound)
        secret, token = config.secret_access_key, config.session_token
        self._credentials = (
            Credentials(config.access_key_id, secret.get_secret_value(), token.get_secret_value() if token else None)
            if secret is not None
            else None
        )

    @contextmanager
    def opened(self) -> Iterator[S3]:
        yield self

    def uri(self, path: str) -> str:
        return f"s3://{self._config.bucket}/{quote(self._config.prefix + path)}"

    def listing(self, enters: Enters) -> Iterator[Found]:
        """Objects by key; a bucket has no folders, so what is not wanted is listed with the rest."""
        token: str | None = None
        pages = Pages(self._base.host)
        while True:
            query = {"list-type": "2", "max-keys": str(MANY), "encoding-type": "url", "prefix": self._config.prefix}
            answer = self._get("", query | ({"continuation-token": token} if token else {}), LISTING_BYTES)
            self._require_bucket(answer)
            page = xml(answer.body, self._base.host)
            coded = text_of(page, "EncodingType") == "url"
            items = inner(page, "Contents")
            for item in items:
                found = self._found(item, coded)
                if found is not None:
                    yield found
            if text_of(page, "IsTruncated") != "true":
                return
            token = text_of(page, "NextContinuationToken")
            if not token:
                raise Unavailable(f"{self._base.host} ends its listing too early.")
            pages.after(token, len(items))

    def read(self, path: str, limit: int) -> bytes:
        answer = self._get(self._config.prefix + path, {}, limit)
        _require_object(answer)
        return answer.body

    def tags(self, path: str) -> Mapping[str, str]:
        answer = self._get(self._config.prefix + path, {"tagging": ""}, _TAG_BYTES)
        if answer.status == 404 and _code(answer) == "NoSuchTagSet":  # as some say of an object without any
            return {}
        _require_object(answer)
        tags = inner(xml(answer.body, self._base.host), "TagSet", "Tag")
        return {text_of(tag, "Key") or "": text_of(tag, "Value") or "" for tag in tags}

    # -- requests --

    def _get(self, key: str, query: Mapping[str, str], max_bytes: int) -> Answer:
        said = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
        path = f"{self._base.target}{quote(key, safe='/~')}"
        url = Url(self._base.scheme, self._base.host, self._base.port, f"{path}?{said}" if said else path)
        return asked(self._outbound, url, self._signed(url), max_bytes)

    def _signed(self, url: Url) -> dict[str, str]:
        if self._credentials is None:
            return {}
        request = AWSRequest("GET", str(url))
        S3SigV4Auth(self._credentials, "s3", self._config.region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def _require_bucket(self, answer: Answer) -> None:
        """That the listing is one. What is wrong with bucket or key is the configuration's to put right."""
        if answer.status == 200:
            return
        code = _code(answer)
        if answer.status in (301, 307, 308):
            region = answer.headers.get("x-amz-bucket-region", "")
            said = "The bucket is elsewhere" + (f": in {region}" if region.replace("-", "").isalnum() else "")
            raise BadConfig(said, field="config.store.region")
        if code in _EXPIRED:
            raise Unavailable(f"The store refuses the key: {code}")
        if code in _WRONG_KEY or answer.status in (401, 403):
            raise BadConfig(f"The store refuses the key: {code}", field="config.store.access_key_id")
        if answer.status == 404:
            raise BadConfig(f"There is no such bucket: {code}", field="config.store.bucket")
        raise BadConfig(f"The store refuses to list the bucket: {code}", field="config.store")

    def _found(self, item: Any, coded: bool) -> Found | None:
        """None for the prefix itself, where somebody made an empty object of it."""
        key = text_of(item, "Key") or ""
        key = unquote_plus(key, errors="surrogateescape") if coded else key
        if not key.startswith(self._config.prefix):
            raise Unavailable(f"{self._base.host} lists what was not asked for.")
        path, size = key.removeprefix(self._config.prefix), _whole(text_of(item, "Size"))
        if path.endswith("/") or not path:
            if size == 0:
                return Folder(path) if path else None
            return Refused(path or "/", "not_a_file", "It has the name of a folder, and holds something")
        tag, at = (text_of(item, "ETag") or "").strip('"'), text_of(item, "LastModified")
        version = f"{tag}-{size}" if tag else None
        return Entry(path, size, version, _time(at))


def _base(config: S3Store, outbound: Outbound) -> Url:
    """Where the bucket's own keys begin."""
    url = address(
        config.endpoint or f"https://s3.{config.region}.amazonaws.com", "config.store.endpoint", outbound.ways
    )
    root = url.target if url.target.endswith("/") else f"{url.target}/"
    if not config.virtual_host:
        return Url(url.scheme, url.host, url.port, f"{root}{config.bucket}/")
    field = "config.store.bucket"
    if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
        raise BadConfig("The bucket's name cannot stand in an address; leave virtual_host out", field=field)
    host = address(f"{url.scheme}://{config.bucket.lower()}.{url.authority}", field, outbound.ways)
    return Url(host.scheme, host.host, host.port, root)


def _require_object(answer: Answer) -> None:
    if answer.status == 200:
        return
    code = _code(answer)
    if answer.status in (404, 410) and code != "NoSuchBucket":
        raise NotFound()
    if code in _EXPIRED | _WRONG_KEY or answer.status == 401:
        raise Unavailable(f"The store refuses the key: {code}")
    if code == "NoSuchBucket":
        raise Unavailable("The bucket is not there.")
    raise DocumentRejected(f"The store refuses to give it: {code}", reason="unreadable")


def _code(answer: Answer) -> str:
    """The store's own word for what is wrong, or the status; never its text, which may repeat a key."""
    try:
        code = text_of(xml(answer.body, ""), "Code") or ""
    except Unavailable:
        code = ""
    return code if code.isalnum() and len(code) <= 64 else f"status {answer.status}"


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
