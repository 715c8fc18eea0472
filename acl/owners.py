"""Who answers for a document: its owner, else its source's. To own is not to read; what an owner is shown or may do is
decided by both."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access
from vouch.core.types import AUTHENTICATED

OWNER = "coalesce(d.owner, s.owner)"
"""Who is named for ``document d`` of ``source s``."""

ANSWERED = f"""(
    EXISTS (SELECT 1 FROM app_user u WHERE u.tenant_id = d.tenant_id AND u.id = {OWNER} AND u.active)
    OR EXISTS (SELECT 1 FROM app_group g WHERE g.tenant_id = d.tenant_id AND g.id = {OWNER})
)"""  # noqa: S608 - a constant, no input
"""Whether who is named is there: an active user, or a group."""

_OWNERS = "CAST(:owners AS text[])"
OWNED_BY = f"({OWNER} = ANY({_OWNERS}) OR s.owner = ANY({_OWNERS}) AND NOT {ANSWERED})"
"""What ``owners`` answer for: also what nobody else does any more, of a source of theirs."""

_NAMED = sa.text(
    """
    SELECT d.owner, s.owner AS of_source FROM document d
    JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :tenant AND d.id = :document
    """
)


def names(access: Access) -> frozenset[str]:
    """As what a user owns things: themselves and their groups. What everyone is makes nobody an owner."""
    return access.principals - {AUTHENTICATED}


def owns(session: Session, access: Access, document_id: str) -> bool:
    """Whether the user owns the document, or its source."""
    row = session.execute(_NAMED, {"tenant": access.tenant, "document": document_id}).first()
    return row is not None and not names(access).isdisjoint(filter(None, row))
