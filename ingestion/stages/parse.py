"""Parse: raw bytes into normalised text and its elements, both kept as blobs. Another process does the reading."""

from __future__ import annotations

from ingestion.parser import ParserKilled
from ingestion.services import Services
from ingestion.stages import links
from ingestion.stages.version import building, note, unwanted
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.core.errors import DocumentRejected


def parse(services: Services, lease: Lease) -> Lease | None:
    """Raises ``DocumentRejected`` with a stable reason for what cannot be read."""
    with services.catalog.reading(lease.tenant) as session:
        version = building(session, lease)
    if version is None:
        unwanted(services, lease)
        return None
    raw = services.blobs.get(lease.tenant, version.raw)
    try:
        meta = version.meta  # of versions from before there was a choice, the whole page was read
        article = meta.get("article", False)
        parsed, body = services.parser.parse(raw, meta["name"], meta["mime_given"], article=article)
    except ParserKilled as killed:
        if lease.attempt < ledger.MAX_ATTEMPTS:
            raise
        raise DocumentRejected("The parser process died each time it was tried.", reason="parser_died") from killed
    facts = {
        "title": parsed.title,
        "mime": parsed.mime,
        "language": parsed.language,
        "characters": len(parsed.text),
        "notes": parsed.notes,
        "links": len(parsed.links),
    }
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        if building(session, lease, lock=True) is None:
            ledger.cancel(session, lease)
            return None
        services.blobs.lock(session)
        elements = services.blobs.put(lease.tenant, body)
        text = services.blobs.put(lease.tenant, parsed.text.encode())
        note(session, lease, facts, parsed=elements, text=text)
        links.keep(session, lease, parsed.links)
        return ledger.finish(session, lease, then="chunk", in_hand_s=services.settings.lease_s)
