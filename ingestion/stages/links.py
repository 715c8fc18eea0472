"""The links of a version that was parsed, with all that each can mean, as rows that reports join."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.destinations import Base, destinations
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import DocumentLink

_FORGET = sa.text("DELETE FROM document_link WHERE tenant_id = :t AND document_id = :d AND version = :v")
_BASE = sa.text(
    """
    SELECT s.id, s.kind, d.external_id, d.uri
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :t AND d.id = :d
    """
)


def keep(session: Session, lease: Lease, links: Sequence[tuple[str, int | None, int | None]]) -> None:
    """Write down ``links`` (target, and where the text stands or None), replacing what an earlier attempt left."""
    key = {"t": lease.tenant, "d": lease.document_id}
    session.execute(_FORGET, {**key, "v": lease.version})
    if not links:
        return
    source_id, kind, external_id, uri = session.execute(_BASE, key).one()
    base = Base(kind, external_id, uri)
    rows = [
        {
            "tenant_id": lease.tenant,
            "document_id": lease.document_id,
            "version": lease.version,
            "ordinal": ordinal,
            "way": way,
            "source_id": source_id,
            "target": target,
            "path": found.path,
            "url": found.url,
            "span_start": start,
            "span_end": end,
        }
        for ordinal, (target, start, end) in enumerate(links)
        for way, found in enumerate(destinations(base, target))
    ]
    if rows:
        session.execute(sa.insert(DocumentLink), rows)
