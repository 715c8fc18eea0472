"""How GitHub is asked: who asks, and what its limits and errors look like."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.forge.answers import Row, row, rows
from connectors.forge.since import PER_PAGE, Since
from connectors.github.config import AppKey, GithubConfig
from connectors.github.rows import Exchanged
from connectors.pace import http_date, retry_after
from connectors.rest import Credential, Rest, ShortToken, Token, address_of
from vouch.core import clock
from vouch.core.errors import BadConfig, NotFound, SourceRefuses, Unavailable
from vouch.outbound.door import Answer, Outbound
from vouch.outbound.url import parse_url

_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_SECONDARY_S = 60.0
"""What GitHub asks for where it names no time."""
_MOST_HELD = 256

_held: dict[str, ShortToken] = {}
"""Tokens of Apps by who they are for: a connector is made for each document, and a token lasts an hour."""


U = TypeVar("U", bound=Row)


class _ForGit:
    """The credential of the API as GitHub takes it where git is spoken."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def headers(self, *, renewed: bool = False) -> Mapping[str, str] | None:
        held = self._credential.headers(renewed=renewed)
        if not held:
            return held
        token = held["authorization"].removeprefix("Bearer ")
        return {"authorization": f"Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"}


class Github:
    """The API of one configuration."""

    def __init__(self, config: GithubConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address that may not be reached, a token that no header can hold, and a key
        that is none."""
        base = address_of(config.base, "base", outbound)
        credential: Token | ShortToken
        if config.app is not None:
            credential = _of_app(outbound, base, config.app)
        else:
            secret = config.token.get_secret_value() if config.token is not None else None
            credential = Token(None if secret is None else f"Bearer {secret}")
        self.rest = Rest(outbound, base, credential, headers=_HEADERS, pause=pause)
        above = base.removesuffix("/v3") if base.endswith("/api/v3") else base
        self._graphql = f"{above}/graphql"
        self.web = Rest(outbound, _web(base), _ForGit(credential), pause=pause)
        """Where repositories are cloned from. It follows from where the API is, and never from what that answers."""
        self.known = config.app is not None or config.token is not None
        """Whether GitHub is told who asks."""

    def every(self, kind: type[U], path: str, params: Mapping[str, Any] | None = None) -> Iterator[U]:
        """Every row of every page."""
        for reply in self.rest.pages(path, {**(params or {}), "per_page": PER_PAGE}):
            yield from rows(kind, reply.data)

    def since(self, at: datetime | None) -> Since:
        """Lists that go on from a moment."""
        return Since(self.rest, at, "since", {"sort": "updated", "direction": "asc"})

    def graphql(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors. Raises :class:`NotFound`, :class:`SourceRefuses` and
        :class:`Unavailable` for those that it has."""
        reply = self.rest.ask("POST", self._graphql, content={"query": query, "variables": variables})
        said = reply.data if isinstance(reply.data, dict) else {}
        errors = said.get("errors")
        if errors:
            kinds = {str(error.get("type")) for error in errors if isinstance(error, dict)}
            if kinds == {"NOT_FOUND"}:
                raise NotFound()
            if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_ENFORCEMENT"}:
                raise SourceRefuses("GitHub does not let this be read with the credential.", said=403)
            left = _until_reset(reply.headers) if "RATE_LIMITED" in kinds else 0.0
            raise Unavailable("GitHub could not answer a query.", retry_after_s=left or 0.0)
        if not isinstance(said.get("data"), dict):
            raise Unavailable("GitHub answered a query without data.")
        return said["data"]


def pause(answer: Answer) -> float | None:
    """Seconds that GitHub asks for, of either of its limits; both may come as 403."""
    if answer.status not in (403, 429):
        return None
    asked = retry_after(answer)
    if asked is None and answer.headers.get("x-ratelimit-remaining") == "0":
        asked = _until_reset(answer.headers)
    if asked is None and b"secondary rate limit" in answer.body[:4096]:
        asked = _SECONDARY_S
    return asked


def _web(base: str) -> str:
    """``https://github.com`` by the address of its API; that of an Enterprise Server by its own."""
    url = parse_url(base)
    if url.target.endswith("/api/v3"):
        return str(url).removesuffix("/api/v3")
    return f"{url.scheme}://{url.authority.removeprefix('api.')}"


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """By its own clock, where it tells that."""
    text = headers.get("x-ratelimit-reset", "")
    if not (text.isascii() and text.isdigit()):
        return None
    now = http_date(headers.get("date", "")) or clock.now()
    return max(1.0, int(text[:12]) - now.timestamp())


def _of_app(outbound: Outbound, base: str, app: AppKey) -> ShortToken:
    pem = app.private_key.get_secret_value().encode()
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise BadConfig("config.app.private_key: not an RSA key in PEM", field="config.app.private_key")
    rsa = key

    def exchange() -> tuple[str, float]:
        now = clock.now()
        claims = {"iat": int(now.timestamp()) - 60, "exp": int(now.timestamp()) + 540, "iss": str(app.id)}
        signed = jwt.encode(claims, rsa, algorithm="RS256")
        asking = Rest(outbound, base, Token(f"Bearer {signed}"), headers=_HEADERS, pause=pause)
        try:
            reply = asking.ask("POST", f"/app/installations/{app.installation}/access_tokens", content={})
        except NotFound:  # not that a document is
            raise SourceRefuses("GitHub knows no such installation of the App.", said=404) from None
        got = row(Exchanged, reply.data)
        then = http_date(reply.headers.get("date", "")) or now
        return got.token, (got.expires_at - then).total_seconds()

    who = hashlib.sha256(repr((outbound, base, app.id, app.installation, pem)).encode()).hexdigest()
    if who not in _held and len(_held) >= _MOST_HELD:
        _held.clear()
    return _held.setdefault(who, ShortToken(exchange))
