"""Links in mail that need no login: each signed, of one message, for one purpose, and over after a while.

A token names a message, not a person, and is worth nothing but what its purpose says: one that unsubscribes confirms
nothing, and none of them reads anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from vouch.core.errors import NotFound

Purpose = Literal["confirm", "unsubscribe"]
LASTS: dict[Purpose, timedelta] = {"confirm": timedelta(days=2), "unsubscribe": timedelta(days=90)}
"""From the moment that the message was due."""
_MAC = 20
_LONGEST = 400


def token(keys: Sequence[bytes], purpose: Purpose, tenant: str, delivery_id: str) -> str:
    """For a link in the message ``delivery_id``, signed with the first of ``keys``."""
    named = f"{tenant}\x1f{delivery_id}".encode()
    return base64.urlsafe_b64encode(_mac(keys[0], purpose, named) + named).decode().rstrip("=")


def opened(keys: Sequence[bytes], purpose: Purpose, text: str) -> tuple[str, str]:
    """Tenant and message of a token that one of ``keys`` signed for ``purpose``. Raises :class:`NotFound`."""
    try:
        raw = base64.b64decode(text[:_LONGEST] + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise NotFound() from error
    mac, named = raw[:_MAC], raw[_MAC:]
    if not any(hmac.compare_digest(mac, _mac(key, purpose, named)) for key in keys):
        raise NotFound()
    tenant, _, delivery_id = named.decode().partition("\x1f")
    return tenant, delivery_id


def message_id(keys: Sequence[bytes], tenant: str, about: Sequence[str], domain: str) -> str:
    """The same for every try of one message, so that a mailbox that got two copies can tell; and no name in it."""
    named = "\x1f".join((tenant, *about)).encode()
    return f"<{hmac.new(keys[0], b'message ' + named, hashlib.sha256).hexdigest()[:40]}@{domain}>"


def _mac(key: bytes, purpose: Purpose, named: bytes) -> bytes:
    return hmac.new(key, f"link {purpose}\x1f".encode() + named, hashlib.sha256).digest()[:_MAC]
