"""Chunk: cut a version's text by its structure into what is embedded and found."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from ingestion.chunk import chunk as chunk_document
from ingestion.parse import Parsed
from ingestion.services import Services
from ingestion.stages.version import building
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease, StageName
from vouch.catalog.tables import Chunk
from vouch.core.context import in_context
from vouch.core.errors import DocumentRejected
from vouch.core.ids import sha256


def chunk(services: Services, lease: Lease) -> list[tuple[StageName, str]]:
    """Write the version's chunks, replacing any that an earlier attempt left."""
    with services.catalog.reading() as session:
        version = building(session, lease)
    if version is None or version.parsed is None:
        with services.catalog.transaction() as session:
            ledger.cancel(session, lease)
        return []
    parsed = Parsed.from_json(services.blobs.get(lease.tenant, version.parsed))
    drafts = chunk_document(parsed, services.embedder.count_tokens)
    if not drafts:
        raise DocumentRejected("The document holds no text.", reason="no_text")
    title = str(version.meta["given_title"]) or parsed.title
    rows = [
        Chunk(
            tenant_id=lease.tenant,
            document_id=lease.document_id,
            version=lease.version,
            ordinal=draft.ordinal,
            span_start=draft.span.start,
            span_end=draft.span.end,
            kind=draft.kind,
            place=draft.place,
            heading_path=list(draft.heading_path),
            text=(text := draft.span.of(parsed.text)),
            text_hash=sha256(in_context(title, draft.heading_path, text).encode()),
        )
        for draft in drafts
    ]
    with services.catalog.transaction() as session:
        version = building(session, lease, lock=True)
        if version is None:
            ledger.cancel(session, lease)
            return []
        session.execute(
            sa.delete(Chunk).where(
                col(Chunk.tenant_id) == lease.tenant,
                col(Chunk.document_id) == lease.document_id,
                col(Chunk.version) == lease.version,
            )
        )
        session.add_all(rows)
        version.chunks, version.meta = len(rows), {**version.meta, "embedded_title": title}
        session.add(version)
        stage_id = ledger.finish(session, lease, {"chunks": len(rows)}, then="embed")
    return [("embed", stage_id)] if stage_id else []
