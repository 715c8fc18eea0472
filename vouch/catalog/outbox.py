"""The outbox to the index: rows appended in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from vouch.catalog.tables import IndexGeneration, IndexOpRow
from vouch.core.errors import Unavailable

_APPEND_LOCK = 0x6F7574626F78  # "outbox"
_APPEND = sa.text(
    """
    INSERT INTO index_op (tenant_id, kind, document_ids, version)
    VALUES (:tenant, :kind, CAST(:documents AS text[]), :version) RETURNING seq
    """
)
_APPEND_ALL = sa.text(
    """
    INSERT INTO index_op (tenant_id, kind, document_ids, version)
    SELECT :tenant, :kind, ARRAY[document_id], version
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) WITH ORDINALITY AS w(document_id, version, at)
    ORDER BY at RETURNING seq
    """
)
IndexOpKind = Literal["write", "remove", "access"]


def append(
    session: Session, tenant: str, kind: IndexOpKind, document_ids: Sequence[str], version: int | None = None
) -> int:
    """Add one operation and return its sequence number.

    The lock is held to the end of the transaction, so sequence order is commit order and a projector that
    has applied ``n`` can never later meet a smaller number. Append last: others wait for this commit.
    """
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
    row = {"tenant": tenant, "kind": kind, "documents": list(document_ids), "version": version}
    return int(session.execute(_APPEND, row).scalar_one())


def append_all(session: Session, tenant: str, kind: IndexOpKind, versions: Sequence[tuple[str, int]]) -> list[int]:
    """The same for versions of documents, an operation for each; their numbers, in the same order."""
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
    documents, numbers = [document_id for document_id, _ in versions], [version for _, version in versions]
    values = {"tenant": tenant, "kind": kind, "documents": documents, "versions": numbers}
    return sorted(session.execute(_APPEND_ALL, values).scalars())


def pending(session: Session, after: int, limit: int) -> list[IndexOpRow]:
    """Operations after ``after``, in order."""
    query = select(IndexOpRow).where(col(IndexOpRow.seq) > after).order_by(col(IndexOpRow.seq)).limit(limit)
    return list(session.exec(query))


def newest(session: Session) -> int:
    """The last sequence number appended, 0 when there is none."""
    return int(session.execute(sa.select(sa.func.coalesce(sa.func.max(IndexOpRow.seq), 0))).scalar_one())


def active_generation(session: Session) -> IndexGeneration:
    """The generation that questions are answered from. Raises :class:`Unavailable` before the first start."""
    found = session.exec(select(IndexGeneration).where(col(IndexGeneration.state) == "active")).first()
    if found is None:
        raise Unavailable("No index generation is active yet.")
    return found
