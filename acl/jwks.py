"""Public keys of token issuers (RFC 7517): fetched where the issuer says, kept a short while, never taken from a token.

A set is read again when it is :data:`MAX_AGE_S` old, or at once for a key id that is not in it, but never twice within
:data:`COOL_DOWN_S`, so nobody can make the platform knock at an issuer's door by inventing key ids. While an issuer
cannot be reached its last set serves up to :data:`MAX_STALE_S`; then its tokens are refused.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from jwt import PyJWK, PyJWTError

from vouch.catalog.tables import Issuer
from vouch.core.errors import InvalidInput, Unauthenticated, Unavailable
from vouch.core.types import Json

log = logging.getLogger(__name__)

MAX_AGE_S = 300.0
MAX_STALE_S = 3600.0
COOL_DOWN_S = 30.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
_PATIENCE_S = 10.0
_FITS = {
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS = tuple(_FITS)
"""What a token may be signed with: signatures by a private key alone. No shared secret, and never ``none``."""
_SECRET_PARTS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def usable(keys: Sequence[Json], kid: str | None, algorithm: str) -> PyJWK | None:
    """The one key of a set that verifies ``algorithm`` under ``kid``; None where there is none, or more than one."""
    fitting = [key for key in keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)]
    if len(fitting) != 1:
        return None
    try:
        return PyJWK(fitting[0], algorithm)
    except PyJWTError:  # such as a curve point that is not on its curve
        return None


def _fits(key: Json, algorithm: str) -> bool:
    kind, curve = _FITS[algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and "verify" in key.get("key_ops", ["verify"])
    )


def keys_of(document: Any) -> tuple[Json, ...]:
    """The keys of a JWK Set. Raises ``ValueError`` for what is none, and for one with private keys in it."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise ValueError(f"not a JWK Set of 1 to {MAX_KEYS} keys")
    if any(_SECRET_PARTS & key.keys() for key in keys):
        raise ValueError("holds a private or a shared key")
    return tuple(keys)


def require_url(url: str, *, of: str | None = None, field: str) -> str:
    """``url``, if keys may be fetched there: https, or http on this machine where ``of``, the issuer, is there too.

    Raises :class:`InvalidInput`.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput("not a URL", field=field) from error
    plain = parts.scheme == "http" and _is_loopback(host) and (of is None or of.startswith("http://"))
    if not host or not (parts.scheme == "https" or plain) or parts.username or parts.fragment:
        raise InvalidInput("needs an https URL without a user or a fragment", field=field)
    if len(url) > 2000 or not all("!" <= char <= "~" for char in url):
        raise InvalidInput("a URL has at most 2000 characters of ASCII", field=field)
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fetch_json(url: str) -> Any:
    """The JSON document at ``url``: no redirects, no compression, bounded in size and time.

    Raises ``httpx.HTTPError`` or ``ValueError``.
    """
    deadline = time.monotonic() + _PATIENCE_S
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    with (
        httpx.Client(timeout=5.0, follow_redirects=False, trust_env=False, headers=headers) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != 200 or "content-encoding" in response.headers:
            raise ValueError(f"answered with status {response.status_code}")
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_BYTES or time.monotonic() > deadline:
                raise ValueError("is too large or too slow")
    try:
        return json.loads(bytes(body))
    except RecursionError:
        raise ValueError("is nested too deeply") from None


@dataclass
class _Set:
    """What is known of one issuer's keys; moments are of ``time.monotonic``."""

    keys: tuple[Json, ...] = ()
    read_at: float | None = None
    tried_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySets:
    """The keys of every issuer that this process has met."""

    def __init__(self, fetch: Callable[[str], Any] = fetch_json, moment: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._moment = fetch, moment
        self._lock = threading.Lock()
        self._sets: defaultdict[tuple[str, str | None], _Set] = defaultdict(_Set)

    def find(self, issuer: Issuer, kid: str | None, algorithm: str) -> PyJWK:
        """The issuer's key. Raises :class:`Unauthenticated` where it has no such key, :class:`Unavailable` where
        that cannot be found out."""
        assert issuer.url is not None
        if issuer.jwks is not None:
            found = usable(keys_of(issuer.jwks), kid, algorithm)
        else:
            with self._lock:
                known = self._sets[issuer.url, issuer.jwks_uri]
            with known.lock:
                found = self._find(known, issuer.url, issuer.jwks_uri, (kid, algorithm))
        if found is None:
            raise Unauthenticated()
        return found

    def _find(self, known: _Set, url: str, jwks_uri: str | None, wanted: tuple[str | None, str]) -> PyJWK | None:
        now = self._moment()
        age = None if known.read_at is None else now - known.read_at
        cooling = known.tried_at is not None and now - known.tried_at < COOL_DOWN_S
        failed = False
        if (age is None or age > MAX_AGE_S) and not cooling:
            failed, cooling = not self._read(known, url, jwks_uri), True
            age = None if known.read_at is None else now - known.read_at
        if age is None or age > MAX_STALE_S:
            raise _unavailable()
        found = usable(known.keys, *wanted)
        if found is None and not cooling:
            failed = not self._read(known, url, jwks_uri)
            found = usable(known.keys, *wanted)
        if found is None and failed:
            raise _unavailable()
        return found

    def _read(self, known: _Set, url: str, jwks_uri: str | None) -> bool:
        """Whether a new set was read."""
        known.tried_at = self._moment()
        try:
            known.keys = keys_of(self._fetch(jwks_uri or self._discover(url)))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, InvalidInput) as error:
            log.warning("the keys of %s cannot be read: %s", url, error)
            return False
        known.read_at = known.tried_at
        return True

    def _discover(self, url: str) -> str:
        """OpenID Connect Discovery 1.0, section 4."""
        document = self._fetch(url.rstrip("/") + "/.well-known/openid-configuration")
        if not isinstance(document, dict) or document.get("issuer") != url:
            raise ValueError("the discovery document is of another issuer")
        return require_url(str(document.get("jwks_uri")), of=url, field="jwks_uri")


def _unavailable() -> Unavailable:
    return Unavailable("The keys of the credential's issuer cannot be read.")
