"""Who asks Azure Blob Storage, and how a request says so.

A key of the account signs each request (Shared Key). A shared access signature is a query that somebody else signed,
which goes along with each. An app registration has tokens that last an hour.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import parse_qsl, quote

from connectors.files.config import AzureStore
from connectors.files.http import address
from connectors.oauth import exchanged, held
from connectors.rest import ShortToken
from vouch.core import clock
from vouch.core.errors import BadConfig, SourceRefuses
from vouch.outbound.door import Outbound
from vouch.outbound.url import Url

VERSION = "2021-12-02"
"""Of the API: the first dates of encoded names, and of tags in a listing, lie before it."""
_SCOPE = "https://storage.azure.com/.default"
_SAS = re.compile(r"[A-Za-z0-9%=&._~:+/*!',@-]+")
_OURS = frozenset({"comp", "restype", "prefix", "marker", "maxresults", "include", "delimiter", "snapshot", "versionid",
                   "showonly", "timeout"})  # fmt: skip
_EMPTY = 11
"""Headers that a signature speaks of and that a GET without conditions has none of, from Content-Encoding to Range."""


class Caller(Protocol):
    """``field``: what to put right when it is refused. ``renews``: whether it has anything new to offer after that."""

    field: str
    renews: bool

    def signed(self, url: Url, query: Mapping[str, str], *, renewed: bool) -> tuple[Url, dict[str, str]]:
        """Where a GET goes, and with which headers."""
        ...


def caller(config: AzureStore, outbound: Outbound) -> Caller:
    """As the configuration says. Raises :class:`BadConfig`, without repeating what is secret."""
    login = str(address(config.login, "config.store.login", outbound.ways)).rstrip("/")
    if config.account_key is not None:
        return _Key(config.account, config.account_key.get_secret_value())
    if config.sas is not None:
        return _Signature(config.sas.get_secret_value())
    if config.tenant is None or config.client_id is None or config.client_secret is None:
        return _Nobody()
    secret = config.client_secret.get_secret_value()
    url = f"{login}/{config.tenant}/oauth2/v2.0/token"
    form = {"grant_type": "client_credentials", "client_id": config.client_id, "scope": _SCOPE}
    token = held(lambda: exchanged(outbound, url, {**form, "client_secret": secret}), url, *form.values(), secret)
    return _App(token)


class _Nobody:
    field, renews = "config.store", False

    def signed(self, url: Url, query: Mapping[str, str], *, renewed: bool) -> tuple[Url, dict[str, str]]:
        return _with(url, _written(query)), {"x-ms-version": VERSION}


class _Signature:
    field, renews = "config.store.sas", False

    def __init__(self, text: str) -> None:
        self._said = text.removeprefix("?")
        names = {name.lower() for name, _ in parse_qsl(self._said, keep_blank_values=True)}
        if not _SAS.fullmatch(self._said) or "sig" not in names or names & _OURS:
            raise BadConfig("It is not a shared access signature such as `sv=…&sig=…`", field=self.field)

    def signed(self, url: Url, query: Mapping[str, str], *, renewed: bool) -> tuple[Url, dict[str, str]]:
        said = "&".join(filter(None, (_written(query), self._said)))
        return _with(url, said), {"x-ms-version": VERSION}


class _App:
    field, renews = "config.store.client_secret", True

    def __init__(self, token: ShortToken) -> None:
        self._token = token

    def signed(self, url: Url, query: Mapping[str, str], *, renewed: bool) -> tuple[Url, dict[str, str]]:
        try:
            token = self._token.headers(renewed=renewed) or {}
        except SourceRefuses as error:
            raise BadConfig(error.detail, field=self.field) from error
        return _with(url, _written(query)), {"x-ms-version": VERSION, **token}


class _Key:
    field, renews = "config.store.account_key", False

    def __init__(self, account: str, text: str) -> None:
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            key = b""
        if not key:
            # Raised here and not above: an error that led to another is told with it, and may quote the key.
            raise BadConfig("It is not the key of an account", field=self.field)
        self._account, self._key = account, key

    def signed(self, url: Url, query: Mapping[str, str], *, renewed: bool) -> tuple[Url, dict[str, str]]:
        headers = {"x-ms-date": format_datetime(clock.now(), usegmt=True), "x-ms-version": VERSION}
        text = "\n".join(
            (
                "GET",
                *[""] * _EMPTY,
                *(f"{name}:{headers[name]}" for name in sorted(headers)),
                f"/{self._account}{url.target}",
                *(f"{name}:{query[name]}" for name in sorted(query)),
            )
        )
        signature = base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode("ascii")
        return _with(url, _written(query)), {**headers, "authorization": f"SharedKey {self._account}:{signature}"}


def _written(query: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(query[name], safe='')}" for name in query)


def _with(url: Url, query: str) -> Url:
    return Url(url.scheme, url.host, url.port, f"{url.target}?{query}" if query else url.target)
