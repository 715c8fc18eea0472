"""The tenant's authorisation epoch: one number that grows with every write that changes access."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog import audit
from vouch.catalog.tables import AuthzEvent
from vouch.core.errors import BadConfig, InvalidInput, NotFound, StateNotReached
from vouch.core.types import Json


def bump(session: Session, tenant: str, *, kind: str, subject: str, actor: str, detail: Json | None = None) -> int:
    """Begin a new epoch, log what began it and put it on the audit chain, all in the caller's transaction.

    Returns the epoch, under which the caller writes its history (``user_change`` and its like).

    The tenant's row stays locked to the end of the transaction: access writes of one tenant are serial.
    """
    epoch: int | None = session.execute(
        sa.text("UPDATE tenant SET authz_epoch = authz_epoch + 1 WHERE id = :t RETURNING authz_epoch"), {"t": tenant}
    ).scalar()
    if epoch is None:
        raise NotFound()
    session.add(AuthzEvent(tenant_id=tenant, epoch=epoch, kind=kind, subject=subject, actor=actor, detail=detail or {}))
    audit.append(
        session,
        tenant,
        chain="access",
        actor=actor,
        action=f"access.{kind}",
        subject=subject,
        detail={**(detail or {}), "epoch": epoch},
    )
    return epoch


def current(session: Session, tenant: str) -> int:
    """The epoch of this transaction's snapshot. Raises :class:`NotFound` for an unknown tenant."""
    epoch: int | None = session.execute(sa.text("SELECT authz_epoch FROM tenant WHERE id = :t"), {"t": tenant}).scalar()
    if epoch is None:
        raise NotFound()
    return epoch


def token(key: bytes | None, tenant: str, epoch: int) -> str:
    """The opaque ``authz_token`` of an epoch, signed: who may try numbers could count the changes of access.

    ``key`` is the catalog's. Raises :class:`BadConfig` without one.
    """
    return (
        base64.urlsafe_b64encode(f"v1:{tenant}:{epoch}:{_signature(key, tenant, epoch)}".encode()).decode().rstrip("=")
    )


def require(session: Session, tenant: str, at_least: str | None) -> int:
    """The current epoch, which is ``at_least`` the token's.

    Raises :class:`InvalidInput` for a token that is not one, :class:`StateNotReached` when it lies ahead.
    """
    epoch = current(session, tenant)
    if at_least is None:
        return epoch
    refused = InvalidInput("not an authz token", field="X-Vouch-At-Least")
    try:
        said = base64.urlsafe_b64decode(at_least + "=" * (-len(at_least) % 4)).decode()
        wanted = int(said.split(":")[2])
    except (ValueError, IndexError, binascii.Error) as error:
        raise refused from error
    signature = _signature(session.info.get("audit_key"), tenant, wanted)
    if not hmac.compare_digest(said.encode(), f"v1:{tenant}:{wanted}:{signature}".encode()):
        raise refused
    if wanted > epoch:
        raise StateNotReached("The requested state is not reached yet; try again.")
    return epoch


def _signature(key: bytes | None, tenant: str, epoch: int) -> str:
    if not key:
        raise BadConfig("The catalog was opened without its key.", field="secret_key")
    return hmac.new(key, f"authz token:{tenant}:{epoch}".encode(), hashlib.sha256).hexdigest()[:32]
