"""The audit log: two chains per tenant, each entry sealed with the one before it.

A seal is HMAC-SHA-256 (RFC 2104) under a key that the database does not know, so who can write the database still
cannot forge an entry, change one, or take one out of the middle; cutting off the end shows against an exported head
(`acl/audit_heads.py`). Whether a chain is whole is found out by `acl/audit_verify.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core import clock
from vouch.core.errors import BadConfig
from vouch.core.types import Json

Chain = Literal["access", "use"]
"""What changes access is added while the tenant's epoch is locked; what is asked is never kept waiting by that."""
CHAINS: tuple[Chain, ...] = get_args(Chain)

_LAST = sa.text("SELECT seq, mac FROM audit_head WHERE tenant_id = :tenant AND chain = :chain FOR NO KEY UPDATE")
_BEGIN = sa.text(
    "INSERT INTO audit_head (tenant_id, chain, seq, mac) VALUES (:tenant, :chain, 0, '') ON CONFLICT DO NOTHING"
)
_ADD = sa.text(
    """
    WITH added AS (
        INSERT INTO audit_entry (tenant_id, chain, seq, at, actor, action, subject, detail, mac)
        VALUES (:tenant, :chain, :seq, :at, :actor, :action, :subject, CAST(:detail AS jsonb), :mac))
    UPDATE audit_head SET seq = :seq, mac = :mac WHERE tenant_id = :tenant AND chain = :chain
    """
)


def append(
    session: Session, tenant: str, *, chain: Chain, actor: str, action: str, subject: str, detail: Json | None = None
) -> int:
    """Add an entry in the caller's transaction and return its number. Others who add to the chain wait for its end.

    ``detail`` holds ids, numbers as integers and short texts, never content. Raises :class:`BadConfig` in a session
    of a catalog that was opened without the audit key: what cannot be sealed is not done.
    """
    key = session.info.get("audit_key")
    if not key:
        raise BadConfig("The catalog was opened without the key of the audit log.", field="secret_key")
    where = {"tenant": tenant, "chain": chain}
    last = session.execute(_LAST, where).first()
    if last is None:
        session.execute(_BEGIN, where)  # two who meet here: the second waits, and finds the first one's
        last = session.execute(_LAST, where).one()
    seq = int(last.seq) + 1
    facts = {
        "tenant": tenant,
        "chain": chain,
        "seq": seq,
        "at": clock.now(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": json.dumps(detail or {}),
    }
    session.execute(_ADD, {**facts, "mac": seal(key, last.mac, {**facts, "detail": detail or {}})})
    return seq


def seal(key: bytes, before: str, facts: Json) -> str:
    """The MAC of an entry: over the one before it and the entry's own facts, in one canonical form."""
    at: datetime = facts["at"]
    named = ("tenant", "chain", "seq", "actor", "action", "subject", "detail")
    form = {**{name: facts[name] for name in named}, "at": at.astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps([before, form], sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
