"""Letting go of what was asked long ago: traces, and with each of them the answer that was made, its citations, the
feedback on it, and the conversation when nothing else is in it.

An answer without its trace is read by nobody, for what it was made from stands there; so both go together, in one
transaction. They came in one, so they are of the same moment. The audit log stays as it is: it holds no question and
no content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

# Up to which moment a batch reaches: the whole of what is old, or its oldest rows of each table.
_UNTIL = sa.text(
    """
    SELECT least(
        (SELECT created_at FROM trace WHERE tenant_id = :tenant AND created_at < :before
         ORDER BY created_at OFFSET :most - 1 LIMIT 1),
        (SELECT created_at FROM answer WHERE tenant_id = :tenant AND created_at < :before
         ORDER BY created_at OFFSET :most - 1 LIMIT 1))
    """
)
_OLD = "tenant_id = :tenant AND created_at < :before AND created_at <= :until"
_ANSWERS = sa.text(
    f"""
    WITH gone AS (DELETE FROM answer WHERE {_OLD} RETURNING user_id, conversation_id)
    SELECT count(*) AS answers, array_agg(DISTINCT user_id || ' ' || conversation_id)
        FILTER (WHERE conversation_id IS NOT NULL) AS conversations
    FROM gone
    """  # noqa: S608 - constants, no input
)
_TRACES = sa.text(f"DELETE FROM trace WHERE {_OLD}")  # noqa: S608 - constants, no input
# Whoever asks in one of them at this moment holds its row: waited for here, their answer is seen below.
_LOCKED = sa.text("SELECT 1 FROM conversation WHERE tenant_id = :tenant AND id = ANY(:ids) ORDER BY id FOR UPDATE")
_CONVERSATIONS = sa.text(
    """
    DELETE FROM conversation c WHERE c.tenant_id = :tenant AND c.id = ANY(:ids) AND NOT EXISTS (
        SELECT 1 FROM answer a WHERE a.tenant_id = c.tenant_id AND a.user_id = c.user_id
        AND a.user_id || ' ' || a.conversation_id = c.id)
    """
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """``more``: the batch was full, so there may be more that is old."""

    traces: int
    answers: int
    more: bool


def forget(session: Session, tenant: str, before: datetime, most: int) -> Forgotten:
    """Remove what was asked before ``before``, the oldest first, about ``most`` traces and as many answers."""
    until = session.execute(_UNTIL, {"tenant": tenant, "before": before, "most": most}).scalar()
    old = {"tenant": tenant, "before": before, "until": until or before}
    gone = session.execute(_ANSWERS, old).one()
    traces = session.execute(_TRACES, old).rowcount  # type: ignore[attr-defined]
    if gone.conversations:
        left = {"tenant": tenant, "ids": gone.conversations}
        session.execute(_LOCKED, left)
        session.execute(_CONVERSATIONS, left)
    return Forgotten(traces, gone.answers, until is not None)
