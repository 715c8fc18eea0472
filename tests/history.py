"""The live tables held against the history of access: a write that forgot to remember itself shows here."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

_UNRECORDED = sa.text(
    """
    WITH users AS (
        SELECT DISTINCT ON (tenant_id, user_id) tenant_id, user_id, active FROM user_change
        ORDER BY tenant_id, user_id, epoch DESC),
    memberships AS (
        SELECT DISTINCT ON (tenant_id, group_id, member) tenant_id, group_id, member, present FROM membership_change
        ORDER BY tenant_id, group_id, member, epoch DESC),
    documents AS (
        SELECT DISTINCT ON (tenant_id, document_id) tenant_id, document_id, deleted,
            CASE WHEN NOT deleted THEN acl_id END AS acl_id
        FROM document_change ORDER BY tenant_id, document_id, epoch DESC)
    SELECT 'user ' || coalesce(u.id, h.user_id) FROM app_user u
    FULL JOIN users h ON h.tenant_id = u.tenant_id AND h.user_id = u.id WHERE h.active IS DISTINCT FROM u.active
    UNION ALL
    SELECT 'membership ' || coalesce(m.member, h.member) || ' in ' || coalesce(m.group_id, h.group_id) FROM membership m
    FULL JOIN memberships h ON h.tenant_id = m.tenant_id AND h.group_id = m.group_id AND h.member = m.member
    WHERE coalesce(h.present, false) <> (m.member IS NOT NULL)
    UNION ALL
    SELECT 'document ' || coalesce(d.id, h.document_id) FROM document d
    FULL JOIN documents h ON h.tenant_id = d.tenant_id AND h.document_id = d.id
    WHERE h.acl_id IS DISTINCT FROM d.acl_id OR d.state = 'deleted' AND NOT coalesce(h.deleted, false)
    ORDER BY 1
    """
)


def unrecorded(session: Session) -> list[str]:
    """What the live tables say of access and history does not, of every tenant that the session sees."""
    return list(session.execute(_UNRECORDED).scalars())
