"""Questions that the user themselves asked: those that were answered well with what they were answered from, and those
that were not, for a person to say what answers them.

Nobody else's: a question tells of who asked it, and is read by them alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import recheck
from acl.resolve import Access
from retrieval.proposals.candidates import QUOTED, Candidate, Evidence, Kind, Named

MOST = 2_000
"""Questions looked at, the newest."""

# A question that follows another takes terms from it that it leaves unsaid: alone it asks something else.
_ASKED = sa.text(
    """
    SELECT a.id, a.question, CASE WHEN a.kind = 'abstention' THEN 'abstention'
        WHEN f.helpful THEN 'helpful' ELSE 'unhelpful' END AS kind
    FROM answer a LEFT JOIN feedback f ON f.tenant_id = a.tenant_id AND f.answer_id = a.id AND f.user_id = a.user_id
    WHERE a.tenant_id = :tenant AND a.user_id = :user AND a.status = 'released'
    AND (a.kind = 'abstention' AND f.helpful IS NOT TRUE OR a.kind = 'answer' AND f.helpful IS NOT NULL)
    AND NOT EXISTS (
        SELECT 1 FROM answer b WHERE b.tenant_id = a.tenant_id AND b.user_id = a.user_id
        AND b.conversation_id = a.conversation_id AND b.id < a.id
    )
    ORDER BY a.created_at DESC, a.id DESC LIMIT :most
    """
)
_CITED = sa.text(
    """
    SELECT c.answer_id, c.document_id, c.version, left(c.quote, :quoted) AS quote,
        d.source_id, d.external_id, d.title
    FROM unnest(CAST(:answers AS text[])) AS wanted(id)
    JOIN citation c ON (c.tenant_id, c.answer_id) = (:tenant, wanted.id)
    LEFT JOIN document d ON (d.tenant_id, d.id) = (:tenant, c.document_id) ORDER BY c.answer_id, c.n
    """
)


def asked_candidates(session: Session, access: Access) -> list[Candidate]:
    """Each question once, with an answer that helped if there is one; of that only while the user may read all that it
    cites."""
    rows = session.execute(_ASKED, {"tenant": access.tenant, "user": access.user, "most": MOST}).all()
    evidence = _evidence(session, access, [row.id for row in rows if row.kind == "helpful"])
    found: dict[str, Candidate] = {}
    for row in sorted(rows, key=lambda row: row.kind != "helpful"):
        kind: Kind = row.kind
        if kind != "helpful" or evidence.get(row.id):
            one = Candidate(kind, " ".join(row.question.split()), evidence.get(row.id, ()))
            found.setdefault(one.question.casefold(), one)
    return list(found.values())


def _evidence(session: Session, access: Access, answers: list[str]) -> dict[str, tuple[Evidence, ...]]:
    values = {"tenant": access.tenant, "answers": answers, "quoted": QUOTED}
    cited = session.execute(_CITED, values).all()
    _, permitted = recheck(session, access, {row.document_id for row in cited})
    found: dict[str, dict[str, Evidence]] = {}
    closed = {row.answer_id for row in cited if row.document_id not in permitted}
    for row in cited:
        if row.answer_id not in closed:
            name = Named(row.source_id, row.external_id)
            one = Evidence(row.document_id, name, row.title, row.version, (), row.quote)
            found.setdefault(row.answer_id, {}).setdefault(row.document_id, one)
    return {answer: tuple(by_document.values()) for answer, by_document in found.items()}
