"""Parse: raw bytes into normalised text and its elements, both kept as blobs."""

from __future__ import annotations

from ingestion.parse import parse as parse_document
from ingestion.services import Services
from ingestion.stages.version import building, note, unwanted
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease


def parse(services: Services, lease: Lease) -> Lease | None:
    """Raises ``DocumentRejected`` with a stable reason for what cannot be read."""
    with services.catalog.reading(lease.tenant) as session:
        version = building(session, lease)
    if version is None:
        unwanted(services, lease)
        return None
    raw = services.blobs.get(lease.tenant, version.raw)
    parsed = parse_document(raw, version.meta["name"], version.meta["mime_given"])
    facts = {
        "title": parsed.title,
        "mime": parsed.mime,
        "language": parsed.language,
        "characters": len(parsed.text),
        "notes": list(parsed.notes),
    }
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        services.blobs.lock(session)
        elements = services.blobs.put(lease.tenant, parsed.to_json())
        text = services.blobs.put(lease.tenant, parsed.text.encode())
        note(session, lease, facts, parsed=elements, text=text)
        return ledger.finish(session, lease, then="chunk", in_hand_s=services.settings.lease_s)
