"""The version a stage works on, as long as it is still wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.core.types import Json

_BUILDING = """
    SELECT d.id, v.raw, v.parsed, v.chunks, v.meta
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    JOIN document d ON d.tenant_id = :tenant AND d.id = w.document_id
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = w.version
    WHERE d.state <> 'deleted' AND v.version > coalesce(d.current_version, 0)
"""
_PEEK = sa.text(_BUILDING)
_LOCK = sa.text(f"{_BUILDING} ORDER BY d.id FOR NO KEY UPDATE OF d")
_NOTE = sa.text(
    """
    UPDATE document_version SET parsed = coalesce(:parsed, parsed), text = coalesce(:text, text),
        chunks = coalesce(:chunks, chunks), meta = meta || CAST(:meta AS jsonb)
    WHERE tenant_id = :tenant AND document_id = :document AND version = :version
    """
)


@dataclass(frozen=True, slots=True)
class Building:
    """A version on its way: blob digests of its bytes and of what parsing made of them, and facts about it."""

    raw: str
    parsed: str | None
    chunks: int
    meta: Json


def building(session: Session, lease: Lease, *, lock: bool = False) -> Building | None:
    """The lease's version, not yet published; None once its document is deleted or a newer version is current.

    ``lock`` keeps the document as it is to the end of the transaction.
    """
    return all_building(session, [lease], lock=lock).get(lease.document_id)


def all_building(session: Session, leases: Sequence[Lease], *, lock: bool = False) -> dict[str, Building]:
    """The same for leases of one tenant, each for another document: document → its version, if that is wanted."""
    documents, versions = [lease.document_id for lease in leases], [lease.version for lease in leases]
    values = {"tenant": leases[0].tenant, "documents": documents, "versions": versions}
    return {row[0]: Building(*row[1:]) for row in session.execute(_LOCK if lock else _PEEK, values)}


def note(
    session: Session,
    lease: Lease,
    meta: Json,
    *,
    parsed: str | None = None,
    text: str | None = None,
    chunks: int | None = None,
) -> None:
    """Write down what a stage made of the version; ``meta`` is merged over what is there."""
    facts = {"parsed": parsed, "text": text, "chunks": chunks, "meta": json.dumps(meta)}
    key = {"tenant": lease.tenant, "document": lease.document_id, "version": lease.version}
    session.execute(_NOTE, {**key, **facts})


def unwanted(services: Services, lease: Lease) -> None:
    """Put the stage away: nobody needs its version any more."""
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        ledger.cancel(session, lease)
