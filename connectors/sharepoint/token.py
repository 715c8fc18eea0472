"""Who asks Microsoft Graph: an app registration, by its secret or by a certificate that it signs with."""

from __future__ import annotations

import base64
import uuid
from datetime import timedelta

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from connectors.oauth import exchanged, held
from connectors.rest import ShortToken
from connectors.sharepoint.config import SharePointConfig
from vouch.core import clock
from vouch.core.errors import BadConfig
from vouch.outbound.door import Outbound
from vouch.outbound.url import parse_url

_LASTS = timedelta(minutes=10)
_KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def app_token(config: SharePointConfig, api: str, login: str, outbound: Outbound) -> ShortToken:
    """Tokens for all that the app was let do. Raises :class:`BadConfig`."""
    if (config.client_secret is None) == (config.certificate is None):
        raise BadConfig(
            "config.client_secret: either a secret or a certificate is needed", field="config.client_secret"
        )
    url = f"{login}/{config.tenant}/oauth2/v2.0/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": config.client_id,
        "scope": f"{parse_url(api).origin}/.default",
    }
    if config.client_secret is not None:
        secret = config.client_secret.get_secret_value()
        return held(lambda: exchanged(outbound, url, {**form, "client_secret": secret}), url, *form.values(), secret)
    assert config.certificate is not None
    pem = config.certificate.get_secret_value()
    signer = Signer(pem)

    def exchange() -> tuple[str, float]:
        said = {"client_assertion_type": _KIND, "client_assertion": signer.assertion(config.client_id, url)}
        return exchanged(outbound, url, {**form, **said})

    return held(exchange, url, *form.values(), pem)


class Signer:
    """A private key with the certificate that the app registration knows."""

    def __init__(self, pem: str) -> None:
        """Raises :class:`BadConfig` for what holds no such pair, without repeating it."""
        key, certificate = None, None
        try:
            key = load_pem_private_key(pem.encode(), password=None)
            certificate = load_pem_x509_certificate(pem[max(pem.find("-----BEGIN CERTIFICATE"), 0) :].encode())
        except (ValueError, TypeError, UnsupportedAlgorithm):
            certificate = None
        if certificate is None or not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
            # Raised here and not above: an error that led to another is told with it, and may quote the key.
            raise BadConfig(
                "config.certificate: not an RSA key and its certificate, without a password", field="config.certificate"
            )
        self._key = key
        self._print = base64.urlsafe_b64encode(certificate.fingerprint(SHA256())).rstrip(b"=").decode()

    def assertion(self, client_id: str, url: str) -> str:
        now = clock.now()
        claims = {
            "aud": url, "iss": client_id, "sub": client_id, "jti": str(uuid.uuid4()), "nbf": now, "iat": now,
            "exp": now + _LASTS,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm="PS256", headers={"x5t#S256": self._print})
