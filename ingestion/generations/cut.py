"""Cutting versions for a generation whose chunker is not the one that they were cut by."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ingestion.chunk import chunk, chunker_named
from ingestion.parse import Parsed
from ingestion.services import Services
from vouch.catalog.rows import insert_rows
from vouch.catalog.tables import Chunk, IndexGeneration
from vouch.catalog.vectors import Named
from vouch.core.context import KEPT, context_named
from vouch.core.ids import sha256
from vouch.core.places import as_json
from vouch.core.types import Json

_VERSION = """
    SELECT v.parsed, v.meta ->> 'embedded_title' AS title FROM document_version v
    WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version AND v.parsed IS NOT NULL
"""
_READ = sa.text(_VERSION)
_LOCK = sa.text(f"{_VERSION} FOR KEY SHARE")


def rows_of(
    services: Services, generation: IndexGeneration, version: tuple[str, str, int], parsed: Parsed, title: str
) -> list[Json]:
    """The chunks of a version (tenant, document, number), as ``generation`` cuts, as rows of the catalog."""
    target, limit = chunker_named(generation.chunker)
    tenant, document_id, number = version
    in_context = context_named(KEPT)
    drafts = chunk(parsed, services.embedder_of(generation).count_tokens, target=target, limit=limit)
    return [
        {
            "tenant_id": tenant,
            "document_id": document_id,
            "version": number,
            "chunker": generation.chunker,
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


def cut(services: Services, tenant: str, versions: Sequence[Named], generation: IndexGeneration) -> None:
    """Cut ``versions`` as ``generation`` does, from what parsing made of them. One that is gone meanwhile is left."""
    for document_id, version in versions:
        named = {"tenant": tenant, "document": document_id, "version": version}
        with services.catalog.reading(tenant) as session:
            found = session.execute(_READ, named).first()
        if found is None:
            continue
        parsed = Parsed.from_json(services.blobs.get(tenant, found.parsed))
        rows = rows_of(services, generation, (tenant, document_id, version), parsed, found.title or "")
        with services.catalog.transaction(tenant, durable=False) as session:
            if rows and session.execute(_LOCK, named).first() is not None:
                insert_rows(session, Chunk, rows, unless_there=True)
