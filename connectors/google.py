"""Who asks Google in the name of a service account: its key signs what a short token is exchanged for (RFC 7523)."""

from __future__ import annotations

import json
from datetime import timedelta

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from connectors.oauth import exchanged, held
from connectors.rest import ShortToken
from vouch.core import clock
from vouch.core.errors import BadConfig
from vouch.outbound.door import Outbound

_LASTS = timedelta(hours=1)
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccount:
    """The key of a service account. The address of tokens that it names itself is not followed: ``url`` is."""

    def __init__(self, secret: SecretStr, url: str, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for what is no such key, without repeating it."""
        self._outbound, self._url = outbound, url
        try:
            said = json.loads(secret.get_secret_value())
            self._email, self._pem = str(said["client_email"]), str(said["private_key"])
            key_id = said.get("private_key_id")
            key = load_pem_private_key(self._pem.encode(), password=None)
        except (ValueError, TypeError, KeyError, RecursionError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, RSAPrivateKey):
            # Raised here and not above: an error that led to another is told with it, and may quote the key.
            raise BadConfig(
                "config.service_account: not the JSON of a service account's key", field="config.service_account"
            )
        self._key = key
        self._headers = {"kid": key_id} if isinstance(key_id, str) else {}

    def token(self, scopes: tuple[str, ...], subject: str | None) -> ShortToken:
        """Tokens with ``scopes``, in the name of ``subject`` where one is given (domain-wide delegation)."""

        def exchange() -> tuple[str, float]:
            now = clock.now()
            claims = {
                "iss": self._email, "scope": " ".join(scopes), "aud": self._url, "iat": now, "exp": now + _LASTS,
                **({"sub": subject} if subject is not None else {}),
            }  # fmt: skip
            signed = jwt.encode(claims, self._key, algorithm="RS256", headers=self._headers)
            return exchanged(self._outbound, self._url, {"grant_type": _GRANT, "assertion": signed})

        return held(exchange, self._url, self._pem, " ".join(scopes), subject or "")
