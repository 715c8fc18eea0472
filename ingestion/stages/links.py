"""The links of versions that were parsed, with all that each can mean, as rows that reports join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.destinations import Base, destinations
from vouch.catalog.ledger import Lease
from vouch.catalog.rows import insert_rows
from vouch.catalog.tables import DocumentLink
from vouch.core.types import Json

_FORGET = sa.text(
    """
    DELETE FROM document_link l
    USING unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    WHERE l.tenant_id = :t AND l.document_id = w.document_id AND l.version = w.version
    """
)
_BASE = sa.text(
    """
    SELECT d.id, s.id, s.kind, d.external_id, d.uri
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :t AND d.id = ANY(:documents)
    """
)
Links = Sequence[tuple[str, int | None, int | None]]
"""Target, and where the text stands or None."""


def keep(session: Session, read: Sequence[tuple[Lease, Links]]) -> None:
    """Write down the links of versions of one tenant, replacing what an earlier attempt left."""
    documents, versions = [lease.document_id for lease, _ in read], [lease.version for lease, _ in read]
    key = {"t": read[0][0].tenant, "documents": documents}
    session.execute(_FORGET, {**key, "versions": versions})
    if not any(links for _, links in read):
        return
    bases = {document_id: (of, Base(*base)) for document_id, of, *base in session.execute(_BASE, key)}
    rows = [row for lease, links in read for row in _rows(lease, links, *bases[lease.document_id])]
    if rows:
        insert_rows(session, DocumentLink, rows)


def _rows(lease: Lease, links: Links, source_id: str, base: Base) -> Iterator[Json]:
    for ordinal, (target, start, end) in enumerate(links):
        for way, found in enumerate(destinations(base, target)):
            yield {
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
