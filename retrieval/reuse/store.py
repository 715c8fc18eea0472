"""Rows that say which answers may be given again. What an answer says is read from its own row, so what is gone from
there is gone from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from retrieval.reuse.asked import Asked
from vouch.catalog.tables import Citation
from vouch.core.types import Json

MOST = 20_000
"""Answers of a tenant that may be given again; of more, the oldest go."""
LOOKED_AT = 200
"""Answers under one key, the newest, to whose questions one is compared."""
_PRUNED = 200

# Everyone is in their own principals alone, so a key is one asker's; that the answer is theirs is asked all the same.
_OF_KEY = """
    FROM answer_reuse r JOIN answer a ON a.tenant_id = r.tenant_id AND a.id = r.answer_id
    WHERE r.tenant_id = :tenant AND r.key = :key AND a.user_id = :user
    AND r.created_at > now() - make_interval(secs => :age)
"""
_SAME = sa.text(
    f"SELECT r.answer_id, r.evidence {_OF_KEY} AND r.question = :question"
    f" ORDER BY r.created_at DESC, r.answer_id DESC LIMIT {LOOKED_AT}"
)
_NEAR = sa.text(
    f"SELECT r.answer_id, r.vector {_OF_KEY} AND r.vector IS NOT NULL"
    f" ORDER BY r.created_at DESC, r.answer_id DESC LIMIT {LOOKED_AT}"
)
_ANSWER = sa.text(
    """
    SELECT a.id, a.claims, a.usage, a.made_by, t.data->'rewrite'->>'query' AS words, t.data->'passages' AS passages,
        CAST(t.data->'writer'->>'confidence' AS float8) AS confidence
    FROM answer a JOIN trace t ON t.tenant_id = a.tenant_id AND t.id = a.trace_id
    WHERE a.tenant_id = :tenant AND a.id = :answer AND a.user_id = :user AND a.kind = 'answer'
        AND a.status = 'released'
    """
)
_KEEP = sa.text(
    """
    INSERT INTO answer_reuse (tenant_id, answer_id, key, question, evidence, vector)
    SELECT a.tenant_id, a.id, :key, :question, :evidence, :vector FROM answer a
    WHERE a.tenant_id = :tenant AND a.id = :answer FOR KEY SHARE
    ON CONFLICT DO NOTHING
    """
)
# What another is pruning at this moment is left to it.
_PRUNE = sa.text(
    f"""
    DELETE FROM answer_reuse WHERE tenant_id = :tenant AND answer_id IN (
        SELECT answer_id FROM answer_reuse WHERE tenant_id = :tenant AND created_at <= greatest(
            now() - make_interval(secs => :age),
            (SELECT created_at FROM answer_reuse WHERE tenant_id = :tenant
             ORDER BY created_at DESC OFFSET :most LIMIT 1))
        ORDER BY created_at LIMIT {_PRUNED} FOR UPDATE SKIP LOCKED)
    """  # noqa: S608 - constants, no input
)
_DISLIKED = sa.text(
    """
    DELETE FROM answer_reuse WHERE tenant_id = :tenant AND answer_id IN (CAST(:answer AS text), (
        SELECT t.data->'reuse'->>'answer_id' FROM answer a
        JOIN trace t ON t.tenant_id = a.tenant_id AND t.id = a.trace_id
        WHERE a.tenant_id = :tenant AND a.id = :answer))
    """
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer that was given. ``words``: what was searched for then; ``passages``: the versions that it was written
    from, as (document, version)."""

    id: str
    words: str
    claims: Sequence[Json]
    quotes: Mapping[int, Citation]
    passages: frozenset[tuple[str, int]]
    writer: str
    confidence: float
    prompt: str | None
    model: str | None


def same_question(session: Session, asked: Asked, question: str) -> list[tuple[str, str]]:
    """Answers to this very question, newest first: (id, hash of the evidence)."""
    return [(row.answer_id, row.evidence) for row in session.execute(_SAME, {**_whose(asked), "question": question})]


def with_vectors(session: Session, asked: Asked) -> list[tuple[str, bytes]]:
    """The newest answers under the key, with their questions' vectors."""
    return [(row.answer_id, bytes(row.vector)) for row in session.execute(_NEAR, _whose(asked))]


def earlier(session: Session, asked: Asked, answer_id: str) -> Earlier | None:
    """None for an answer that is gone, or of which the trace does not say what it was written from."""
    row = session.execute(
        _ANSWER, {"tenant": asked.access.tenant, "user": asked.access.user, "answer": answer_id}
    ).first()
    if row is None or row.words is None or not row.passages:
        return None
    quotes = session.exec(
        select(Citation).where(col(Citation.tenant_id) == asked.access.tenant, col(Citation.answer_id) == answer_id)
    )
    return Earlier(
        row.id,
        row.words,
        row.claims,
        {quote.n: quote for quote in quotes},
        frozenset((one["document_id"], one["version"]) for one in row.passages),
        row.usage["writer"],
        row.confidence or 0.0,
        row.made_by.get("prompt"),
        row.made_by.get("model"),
    )


def keep(session: Session, asked: Asked, entry: Mapping[str, Any]) -> None:
    """``entry``: ``answer``, ``question``, ``evidence`` and ``vector``. Does nothing for an answer that is gone."""
    session.execute(_KEEP, {"tenant": asked.access.tenant, "key": asked.key, **entry})
    session.execute(_PRUNE, {"tenant": asked.access.tenant, "age": _age(asked), "most": MOST})


def disliked(session: Session, tenant: str, answer_id: str) -> None:
    """What its asker found of no help is not given again, nor what it was given again from."""
    session.execute(_DISLIKED, {"tenant": tenant, "answer": answer_id})


def _whose(asked: Asked) -> Json:
    return {"tenant": asked.access.tenant, "user": asked.access.user, "key": asked.key, "age": _age(asked)}


def _age(asked: Asked) -> int:
    return asked.services.settings.reuse_max_age_s
