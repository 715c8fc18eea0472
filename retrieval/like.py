"""More like this: where a document stands among all others, by the vectors of its own passages."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import recheck
from acl.resolve import Access
from retrieval.search import Found, look
from retrieval.services import Services
from retrieval.types import Question
from vouch.core.errors import NotFound
from vouch.core.types import IndexQuery, Vector
from vouch.index.lexical import analysis_named

MOST_PASSAGES = 512
"""Of a long document, the first ones count."""

_VECTORS = sa.text(
    """
    SELECT e.vector FROM document d
    JOIN chunk c ON c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = d.current_version
        AND c.chunker = :chunker
    JOIN embedding e ON e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash
    WHERE d.tenant_id = :tenant AND d.id = :document ORDER BY c.ordinal LIMIT :most
    """
)


def likeness(services: Services, session: Session, access: Access, document_id: str) -> Vector | None:
    """The mean of the document's vectors, of unit length; None where it has none, or they point everywhere.

    Raises :class:`NotFound` for a document that the asker may not read, as for one that is not there.
    """
    _, readable = recheck(session, access, {document_id})
    if document_id not in readable:
        raise NotFound()
    made = services.recipe
    given = {
        "tenant": access.tenant, "document": document_id, "model": made.model, "chunker": made.chunker,
        "most": MOST_PASSAGES,
    }  # fmt: skip
    kept = [np.frombuffer(vector, dtype="<f4") for vector in session.execute(_VECTORS, given).scalars()]
    if not kept:
        return None
    mean = np.mean(kept, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        return None
    return np.asarray(mean / length, np.float32)


def search_like(services: Services, access: Access, near: Vector | None, question: Question, depth: int) -> Found:
    """At most ``depth`` chunks: those nearest to ``near``, and those with the words of the question, if it has any and
    its mode goes by words."""
    words = (
        analysis_named(services.recipe.lexical).query(question.text)
        if question.text and question.mode != "dense"
        else None
    )
    return look(services, access, IndexQuery(near, words or None, depth, question.where))
