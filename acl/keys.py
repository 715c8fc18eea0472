"""API keys: made once, shown once, kept as an HMAC."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from vouch.catalog.tables import ApiKey
from vouch.core import clock
from vouch.core.errors import InvalidInput, NotFound, Unauthenticated
from vouch.core.ids import new_id
from vouch.core.types import principal_name

SCOPES = ("ask", "sources", "directory", "reports", "evals", "admin", "act_as")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: nothing to misread
_SHAPE = re.compile(rf"^vouch_([{_ALPHABET}]{{40}})_([0-9a-f]{{8}})$")
_TOUCH_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. ``secret`` exists here and nowhere else."""

    id: str
    secret: str


def make_key() -> str:
    """``vouch_`` + 200 random bits + CRC-32, so a typo or a leak scanner can tell one without asking us."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(40))
    return f"vouch_{body}_{zlib.crc32(body.encode()):08x}"


def digest(secret_key: str, key: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of a key under the platform's secret."""
    return hmac.new(secret_key.encode(), key.encode(), hashlib.sha256).hexdigest()


def create_key(
    session: Session,
    secret_key: str,
    tenant: str,
    *,
    name: str,
    scopes: Sequence[str],
    user: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make and store a key. Raises :class:`InvalidInput` for a scope that does not exist."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InvalidInput(f"scopes are {', '.join(SCOPES)}; got {', '.join(unknown) or 'none'}", field="scopes")
    if not name.strip() or len(name) > 200:
        raise InvalidInput("a name has 1 to 200 characters", field="name")
    if expires_at is not None and expires_at <= clock.now():
        raise InvalidInput("the key would already have expired", field="expires_at")
    secret = make_key()
    row = ApiKey(
        tenant_id=tenant,
        id=new_id(),
        name=name.strip(),
        hint=secret[-4:],
        digest=digest(secret_key, secret),
        scopes=sorted(set(scopes)),
        user_id=principal_name(user, kind="user", field="user") if user else None,
        expires_at=expires_at,
    )
    session.add(row)
    return NewKey(row.id, secret)


def revoke_key(session: Session, tenant: str, key_id: str) -> None:
    """End a key now. Raises :class:`NotFound`."""
    row = session.get(ApiKey, (tenant, key_id))
    if row is None:
        raise NotFound()
    row.revoked_at = row.revoked_at or clock.now()


def find_key(session: Session, secret_key: str, presented: str) -> ApiKey:
    """The live key behind what was presented.

    Raises :class:`Unauthenticated` alike for a malformed, unknown, expired or revoked one.
    """
    refused = Unauthenticated("The credential is not valid.")
    match = _SHAPE.match(presented)
    if not match or f"{zlib.crc32(match[1].encode()):08x}" != match[2]:
        raise refused
    row = session.exec(select(ApiKey).where(col(ApiKey.digest) == digest(secret_key, presented))).first()
    now = clock.now()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise refused
    return row


def touch_key(session: Session, key: ApiKey) -> None:
    """Note that the key was used, at most once a minute."""
    session.execute(
        sa.text(
            "UPDATE api_key SET last_used_at = now() WHERE tenant_id = :t AND id = :id"
            " AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => :s))"
        ),
        {"t": key.tenant_id, "id": key.id, "s": _TOUCH_EVERY_S},
    )
