"""Chunk: cut a version's text by its structure into what is embedded and found."""

from __future__ import annotations

import sqlalchemy as sa

from ingestion.chunk import chunk as chunk_document
from ingestion.parse import Parsed
from ingestion.services import Services
from ingestion.stages.version import building, note, unwanted
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Chunk
from vouch.core.context import in_context
from vouch.core.errors import DocumentRejected
from vouch.core.ids import sha256
from vouch.core.places import as_json

_FORGET = sa.text("DELETE FROM chunk WHERE tenant_id = :t AND document_id = :d AND version = :v")


def chunk(services: Services, lease: Lease) -> Lease | None:
    """Write the version's chunks, replacing any that an earlier attempt left."""
    with services.catalog.reading(lease.tenant) as session:
        version = building(session, lease)
    if version is None or version.parsed is None:
        unwanted(services, lease)
        return None
    parsed = Parsed.from_json(services.blobs.get(lease.tenant, version.parsed))
    drafts = chunk_document(parsed, services.embedder.count_tokens)
    if not drafts:
        raise DocumentRejected("The document holds no text.", reason="no_text")
    title = str(version.meta["given_title"]) or parsed.title
    rows = [
        {
            "tenant_id": lease.tenant,
            "document_id": lease.document_id,
            "version": lease.version,
            "ordinal": draft.ordinal,
            "span_start": draft.span.start,
            "span_end": draft.span.end,
            "kind": draft.kind,
            "place": draft.place,
            "places": as_json(draft.places),
            "heading_path": list(draft.heading_path),
            "text": (text := draft.span.of(parsed.text)),
            "text_hash": sha256(in_context(title, draft.heading_path, text).encode()),
        }
        for draft in drafts
    ]
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        if building(session, lease, lock=True) is None:
            ledger.cancel(session, lease)
            return None
        session.execute(_FORGET, {"t": lease.tenant, "d": lease.document_id, "v": lease.version})
        session.execute(sa.insert(Chunk), rows)
        note(session, lease, {"embedded_title": title}, chunks=len(rows))
        return ledger.finish(session, lease, {"chunks": len(rows)}, then="embed")
