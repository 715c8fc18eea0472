"""``P(u)``: the asker's principals, through nested groups, from one snapshot of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from vouch.core.errors import AccessIncomplete, NotFound, Unauthenticated
from vouch.core.ids import sha256
from vouch.core.types import AUTHENTICATED

CLOSURE_LIMIT = 10_000
"""More principals than this and the request fails: with deny rules a truncated closure is unsafe."""

# UNION (not UNION ALL) ends cycles: a principal already found is not followed again. OFFSET 0 keeps the planner from
# reading all memberships once for each level: it looks each principal up. One statement, because a question resolves
# its asker at each gate, and three would cost three times as much.
_RESOLVED = sa.text(
    """
    WITH RECURSIVE reached(principal) AS (
        SELECT unnest(CAST(:seeds AS text[]))
        UNION
        SELECT m.group_id FROM reached r, LATERAL (
            SELECT group_id FROM membership WHERE tenant_id = :tenant AND member = r.principal OFFSET 0) m
    )
    SELECT t.authz_epoch AS epoch, u.active, u.memberships_read_at, closure.* FROM tenant t
    LEFT JOIN app_user u ON u.tenant_id = t.id AND u.id = :user
    CROSS JOIN LATERAL (
        SELECT array_agg(r.principal) AS principals, min(g.memberships_read_at) AS groups_read_at
        FROM (SELECT principal FROM reached LIMIT :limit) r
        LEFT JOIN LATERAL (
            SELECT memberships_read_at FROM app_group WHERE tenant_id = :tenant AND id = r.principal OFFSET 0) g ON true
    ) closure
    WHERE t.id = :tenant
    """
)


@dataclass(frozen=True, slots=True)
class Access:
    """An active user with the whole closure, as of ``epoch``.

    ``memberships_read_at``: the oldest reading among the memberships that an issuer or a source told of; None where
    Vouch's own directory is the authority on all of them, which does not age.
    """

    tenant: str
    user: str
    principals: frozenset[str]
    epoch: int
    memberships_read_at: datetime | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """All that the user belongs to, through others too."""
        return tuple(sorted(one for one in self.principals if one.startswith("group:")))

    @property
    def principals_hash(self) -> str:
        return sha256("\n".join(sorted(self.principals)).encode())


def resolve(session: Session, tenant: str, user: str) -> Access:
    """Resolve ``user`` (``user:alice``) in the session's snapshot.

    Raises :class:`NotFound` for an unknown tenant, :class:`Unauthenticated` for a user who is unknown or not active
    (the two look the same), :class:`AccessIncomplete` when the closure is larger than :data:`CLOSURE_LIMIT`.
    """
    given = {"tenant": tenant, "user": user, "seeds": [user, AUTHENTICATED], "limit": CLOSURE_LIMIT + 1}
    found = session.execute(_RESOLVED, given).first()
    if found is None:
        raise NotFound()
    if not found.active:
        raise Unauthenticated()
    principals = frozenset(found.principals)
    if len(principals) > CLOSURE_LIMIT:
        raise AccessIncomplete("The user belongs to more groups than can be resolved safely.")
    readings = [at for at in (found.memberships_read_at, found.groups_read_at) if at is not None]
    return Access(tenant, user, principals, found.epoch, min(readings, default=None))
