"""Signatures of the Standard Webhooks specification: HMAC-SHA-256 over id, moment and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """``whsec_`` and the key in base64."""
    return PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def signed(secrets: Sequence[str], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that prove who sent ``body``: one signature for each secret that is good at present. ``at``: seconds
    since 1970."""
    told = f"{message_id}.{at}.".encode() + body
    signatures = [
        base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix(PREFIX)), told, hashlib.sha256)).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
