"""Tokens that a vendor's API gives for a while to whoever proves to be somebody."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.connectors.api import Request


@cache
def key() -> RSAPrivateKey:
    """By which somebody proves to be who they are; making one takes a while."""
    return generate_private_key(65537, 2048)


@cache
def service_account() -> str:
    """The JSON of a service account's key, as Google gives it."""
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "reader@project.example.org",
            "private_key": pem,
            "private_key_id": "k1",
            "token_uri": "http://169.254.169.254/token",  # not followed: the configuration says where
        }
    )


class Tokens(dict[str, tuple[str, str]]):
    """What was given, by token: for which scope, and in whose name. What is taken out of it has expired."""

    _given = 0

    def give(self, scope: str = "", subject: str = "") -> dict[str, Any]:
        """The answer that has a new one."""
        token = f"token-{self._given}"
        self._given += 1
        self[token] = scope, subject
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def of(self, request: Request) -> tuple[str, str] | None:
        """What the request's token was given for; None for one that was not, or not any more."""
        return self.get(request.headers.get("authorization", "").removeprefix("Bearer "))
