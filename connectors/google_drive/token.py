"""Who asks Google: a service account, in its own name or a user's, or an OAuth client that a user let read."""

from __future__ import annotations

import json
from datetime import timedelta

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from connectors.google_drive.config import GoogleDriveConfig
from connectors.oauth import exchanged, held
from connectors.rest import ShortToken
from vouch.core import clock
from vouch.core.errors import BadConfig
from vouch.outbound.door import Outbound

DRIVE_SCOPES = ("https://www.googleapis.com/auth/drive.readonly",)
DIRECTORY_SCOPES = tuple(
    f"https://www.googleapis.com/auth/admin.directory.{what}.readonly" for what in ("user", "group", "group.member")
)
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


def credentials(config: GoogleDriveConfig, url: str, outbound: Outbound) -> tuple[ShortToken, ShortToken | None]:
    """Tokens for Drive, and for the directory where one is configured. Raises :class:`BadConfig`."""
    client = (config.client_id, config.client_secret, config.refresh_token)
    if config.service_account is not None:
        if any(part is not None for part in client):
            raise _fault("service_account", "either a service account or an OAuth client, not both")
        account = ServiceAccount(config.service_account, url, outbound)
        if config.directory is None:
            return account.token(DRIVE_SCOPES, config.subject), None
        return account.token(DRIVE_SCOPES, config.subject), account.token(DIRECTORY_SCOPES, config.directory.subject)
    if config.client_id is None or config.client_secret is None or config.refresh_token is None:
        raise _fault("service_account", "needed, or else client_id, client_secret and refresh_token")
    for field in ("subject", "directory"):
        if getattr(config, field) is not None:
            raise _fault(field, "only a service account can read in another's name")
    form = {
        "grant_type": "refresh_token",
        "client_id": config.client_id,
        "client_secret": config.client_secret.get_secret_value(),
        "refresh_token": config.refresh_token.get_secret_value(),
    }
    return held(lambda: exchanged(outbound, url, form), url, *form.values()), None


def _fault(field: str, said: str) -> BadConfig:
    return BadConfig(f"config.{field}: {said}", field=f"config.{field}")
