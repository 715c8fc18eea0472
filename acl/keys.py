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
from typing import Protocol

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import ApiKey
from vouch.core import clock
from vouch.core.errors import InvalidInput, NotFound, Unauthenticated
from vouch.core.ids import new_id
from vouch.core.types import principal_name

SCOPES = ("ask", "sources", "directory", "reports", "evals", "admin", "act_as", "break_glass", "review")
APART = frozenset({"break_glass", "review"})
"""What reads what others asked or own, and is given to people by name."""
ADMINISTRATOR = tuple(scope for scope in SCOPES if scope not in APART)
"""What the key of the first start carries: to administer is neither to read in an emergency nor to review answers."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: nothing to misread
_SHAPE = re.compile(rf"vouch_([{_ALPHABET}]{{40}})_([0-9a-f]{{8}})")
TOUCH_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. ``secret`` exists here and nowhere else."""

    id: str
    secret: str


def grantable(scopes: frozenset[str]) -> frozenset[str]:
    """What a key with ``scopes`` may hand on: its own, and an administrator's those it leaves out on purpose.

    The key that results is on the audit chain with its scopes, so handing ``break_glass`` on is seen.
    """
    return scopes | APART if "admin" in scopes else scopes


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
    actor: str,
) -> NewKey:
    """Make and store a key, on the audit chain. Raises :class:`InvalidInput` for a scope that does not exist."""
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
        created_by=actor,
        expires_at=expires_at,
    )
    facts = {"made": True, "scopes": row.scopes, "user": row.user_id, "expires_at": clock.rfc3339(expires_at)}
    epochs.bump(session, tenant, kind="key", subject=f"key:{row.id}", actor=actor, detail=facts)
    session.add(row)
    return NewKey(row.id, secret)


def revoke_key(session: Session, tenant: str, key_id: str, *, actor: str) -> None:
    """End a key now; one that has ended stays as it is. Raises :class:`NotFound`.

    A new epoch begins, so that what is open on the key looks again whether it still stands.
    """
    row = session.get(ApiKey, (tenant, key_id))
    if row is None:
        raise NotFound()
    if row.revoked_at is None:
        epochs.bump(session, tenant, kind="key", subject=f"key:{key_id}", actor=actor, detail={"revoked": True})
        row.revoked_at = clock.now()


@dataclass(frozen=True, slots=True)
class Found:
    """The key behind what was presented. ``active``: which of its user and the one it is to act for may sign in."""

    tenant: str
    id: str
    scopes: frozenset[str]
    user: str | None
    revoked_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    active: frozenset[str]


_FIND = sa.text(
    """
    SELECT k.tenant_id AS tenant, k.id, k.scopes, k.user_id AS user, k.revoked_at, k.expires_at, k.last_used_at, ARRAY(
        SELECT u.id FROM app_user u WHERE u.tenant_id = k.tenant_id AND u.id IN (k.user_id, :acts_for) AND u.active
    ) AS active
    FROM api_key k WHERE k.digest = :digest
    """
)


def find_key(catalog: Catalog, secret_key: str, presented: str, acts_for: str | None) -> Found:
    """The live key behind what was presented.

    Raises :class:`Unauthenticated` alike for a malformed, unknown, expired or revoked one.
    """
    match = _SHAPE.fullmatch(presented)
    if not match or f"{zlib.crc32(match[1].encode()):08x}" != match[2]:
        raise Unauthenticated()
    row = catalog.look_up(ACROSS_TENANTS, _FIND, {"digest": digest(secret_key, presented), "acts_for": acts_for})
    if row is None or not is_live(row):
        raise Unauthenticated()
    return Found(**{**row._mapping, "scopes": frozenset(row.scopes), "active": frozenset(row.active)})


class Ending(Protocol):
    """What of a key says whether it has ended."""

    @property
    def revoked_at(self) -> datetime | None: ...

    @property
    def expires_at(self) -> datetime | None: ...


def is_live(key: Ending) -> bool:
    """Neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > clock.now())


def touch_key(session: Session, key: Found) -> None:
    """Note that the key was used, at most once a minute."""
    session.execute(
        sa.text(
            "UPDATE api_key SET last_used_at = now() WHERE tenant_id = :t AND id = :id"
            " AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => :s))"
        ),
        {"t": key.tenant, "id": key.id, "s": TOUCH_EVERY_S},
    )
