"""Chunk: cut a version's text by its structure into what is embedded and found."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from ingestion.generations.cut import rows_of
from ingestion.generations.prepare import FAILS, told
from ingestion.parse import Parsed
from ingestion.services import Services
from ingestion.stages.version import building, note, unwanted
from vouch.catalog import ledger
from vouch.catalog.generations import live
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Chunk
from vouch.core.errors import DocumentRejected

log = logging.getLogger(__name__)

_FORGET = sa.text("DELETE FROM chunk WHERE tenant_id = :t AND document_id = :d AND version = :v")


def chunk(services: Services, lease: Lease) -> Lease | None:
    """Write the version's chunks, in each way that a generation of the index cuts, replacing any that an earlier
    attempt left."""
    with services.catalog.reading(lease.tenant) as session:
        version = building(session, lease)
        generations = live(session)
    if version is None or version.parsed is None:
        unwanted(services, lease)
        return None
    parsed = Parsed.from_json(services.blobs.get(lease.tenant, version.parsed))
    title = str(version.meta["given_title"]) or parsed.title
    place = (lease.tenant, lease.document_id, lease.version)
    active, *others = generations
    rows = rows_of(services, active, place, parsed, title)
    if not rows:
        raise DocumentRejected("The document holds no text.", reason="no_text")
    count = len(rows)
    for other in {one.chunker: one for one in others if one.chunker != active.chunker}.values():
        try:
            rows += rows_of(services, other, place, parsed, title)
        except FAILS as error:  # made up for, or that generation put back, when the version is published
            log.warning("%s was not cut for %s: %s", lease.document_id, other.id, told(error))
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        if building(session, lease, lock=True) is None:
            ledger.cancel(session, lease)
            return None
        session.execute(_FORGET, {"t": lease.tenant, "d": lease.document_id, "v": lease.version})
        session.execute(sa.insert(Chunk), rows)
        note(session, lease, {"embedded_title": title, "chunker": active.chunker}, chunks=count)
        return ledger.finish(session, lease, {"chunks": count}, then="embed")
