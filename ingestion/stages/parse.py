"""Parse: raw bytes into normalised text and its elements, both kept as blobs."""

from __future__ import annotations

from ingestion.parse import parse as parse_document
from ingestion.services import Services
from ingestion.stages.version import building
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease, StageName


def parse(services: Services, lease: Lease) -> list[tuple[StageName, str]]:
    """Raises ``DocumentRejected`` with a stable reason for what cannot be read."""
    with services.catalog.reading() as session:
        version = building(session, lease)
    if version is None:
        return _overtaken(services, lease)
    raw = services.blobs.get(lease.tenant, version.raw)
    parsed = parse_document(raw, version.meta["name"], version.meta["mime_given"])
    with services.catalog.transaction() as session:
        version = building(session, lease, lock=True)
        if version is None:
            ledger.cancel(session, lease)
            return []
        services.blobs.lock(session)
        version.parsed = services.blobs.put(lease.tenant, parsed.to_json())
        version.text = services.blobs.put(lease.tenant, parsed.text.encode())
        version.meta = {
            **version.meta,
            "title": parsed.title,
            "mime": parsed.mime,
            "language": parsed.language,
            "characters": len(parsed.text),
            "notes": list(parsed.notes),
        }
        session.add(version)
        stage_id = ledger.finish(session, lease, then="chunk")
    return [("chunk", stage_id)] if stage_id else []


def _overtaken(services: Services, lease: Lease) -> list[tuple[StageName, str]]:
    with services.catalog.transaction() as session:
        ledger.cancel(session, lease)
    return []
