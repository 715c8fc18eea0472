"""The query that is searched for. A follow-up takes over what it leaves unsaid from the question before it."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlmodel import Session

from retrieval.terms import key_terms, stems
from retrieval.types import Question, Rewritten

SHORT = 3
"""A question of so few key terms, or fewer, that stands in a conversation is taken as a follow-up."""
CARRIED = 8

_POINTS_BACK = re.compile(
    r"\b(it|its|they|them|their|theirs|he|she|his|her|this|that|these|those|there|one|ones|former|latter)\b"
    r"|^(and|but|or|so|also|what about|how about|why)\b",
    re.IGNORECASE,
)

_PREVIOUS = sa.text(
    """
    SELECT t.data->'rewrite'->>'query' FROM answer a JOIN trace t ON t.tenant_id = a.tenant_id AND t.id = a.trace_id
    WHERE a.tenant_id = :tenant AND a.user_id = :user AND a.conversation_id = :conversation
    ORDER BY a.created_at DESC, a.id DESC LIMIT 1
    """
)


def rewrite(question: Question, previous: str | None) -> Rewritten:
    """``previous`` is the query of the question before, or None outside a conversation.

    A question that is short or points back (it, those, what about …) is searched with the key terms of the
    previous query that it does not say itself. Its own words always come first and are never changed.
    """
    short = len(key_terms(question.text)) <= SHORT
    if previous is None or not (short or points_back(question.text)):
        return Rewritten(question.text, "none")
    return carrying(question.text, previous)


def points_back(question: str) -> bool:
    """It speaks of something that it does not name."""
    return _POINTS_BACK.search(question) is not None


def carrying(question: str, previous: str) -> Rewritten:
    """``question`` with the key terms of ``previous`` that it does not say itself."""
    said = stems(question)
    carried = tuple(term for term in key_terms(previous) if not stems(term) & said)[:CARRIED]
    return (
        Rewritten(f"{question} {' '.join(carried)}", "follow_up", carried) if carried else Rewritten(question, "none")
    )


def previous_query(session: Session, tenant: str, user: str, conversation_id: str | None) -> str | None:
    """What the user's last question in this conversation was searched as. Conversations belong to one user:
    the same id in another's hands is another conversation."""
    if conversation_id is None:
        return None
    found: str | None = session.execute(
        _PREVIOUS, {"tenant": tenant, "user": user, "conversation": conversation_id}
    ).scalar()
    return found
