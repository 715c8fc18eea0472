"""``P(u)``: the asker's principals, through nested groups, from one snapshot of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.core.errors import AccessIncomplete, Unauthenticated
from vouch.core.ids import sha256
from vouch.core.types import AUTHENTICATED

CLOSURE_LIMIT = 10_000
"""More principals than this and the request fails: with deny rules a truncated closure is unsafe."""

# UNION (not UNION ALL) ends cycles: a principal already found is not followed again.
_CLOSURE = sa.text(
    """
    WITH RECURSIVE reached(principal) AS (
        SELECT unnest(CAST(:seeds AS text[]))
        UNION
        SELECT m.group_id FROM reached r
        JOIN membership m ON m.tenant_id = :tenant AND m.member = r.principal
    )
    SELECT principal FROM reached LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Access:
    """An active user with the whole closure, as of ``epoch``."""

    tenant: str
    user: str
    principals: frozenset[str]
    epoch: int

    @property
    def principals_hash(self) -> str:
        return sha256("\n".join(sorted(self.principals)).encode())


def resolve(session: Session, tenant: str, user: str) -> Access:
    """Resolve ``user`` (``user:alice``) in the session's snapshot.

    Raises :class:`Unauthenticated` for a user who is unknown or not active (the two look the same),
    :class:`AccessIncomplete` when the closure is larger than :data:`CLOSURE_LIMIT`.
    """
    epoch = epochs.current(session, tenant)
    active = session.execute(
        sa.text("SELECT active FROM app_user WHERE tenant_id = :t AND id = :u"), {"t": tenant, "u": user}
    ).scalar()
    if not active:
        raise Unauthenticated("The request acts for a user who is not active here.")
    found = session.execute(
        _CLOSURE, {"tenant": tenant, "seeds": [user, AUTHENTICATED], "limit": CLOSURE_LIMIT + 1}
    ).scalars()
    principals = frozenset(found)
    if len(principals) > CLOSURE_LIMIT:
        raise AccessIncomplete("The user belongs to more groups than can be resolved safely.")
    return Access(tenant, user, principals, epoch)
