"""Chunk: cut a version's text by its structure into what is embedded and found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.generations.cut import rows_of
from ingestion.generations.prepare import FAILS, told
from ingestion.parse import Parsed
from ingestion.services import Services
from ingestion.stages.step import Step
from ingestion.stages.version import Building, Noted, all_building, note_all, wanted
from vouch.catalog import ledger
from vouch.catalog.generations import live
from vouch.catalog.ledger import Lease
from vouch.catalog.rows import insert_rows
from vouch.catalog.tables import Chunk, IndexGeneration
from vouch.core.errors import DocumentRejected
from vouch.core.types import Json

log = logging.getLogger(__name__)

_FORGET = sa.text(
    """
    DELETE FROM chunk c USING unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    WHERE c.tenant_id = :t AND c.document_id = w.document_id AND c.version = w.version
    """
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A version's chunks as rows, ``count`` of them as the active generation cuts. ``meta``: what is noted of it."""

    rows: Sequence[Json]
    count: int
    meta: Json
    size: int


def _look(
    services: Services, session: Session, leases: Sequence[Lease]
) -> dict[str, tuple[Building, str, Sequence[IndexGeneration]]]:
    generations = live(session)
    found = all_building(session, leases)
    return {key: (one, one.parsed, generations) for key, one in found.items() if one.parsed is not None}


def _make(services: Services, lease: Lease, found: tuple[Building, str, Sequence[IndexGeneration]]) -> Cut:
    """The version's chunks, in each way that a generation of the index cuts."""
    version, kept, (active, *others) = found
    body = services.blobs.get(lease.tenant, kept)
    parsed = Parsed.from_json(body)
    title = str(version.meta["given_title"]) or parsed.title
    place = (lease.tenant, lease.document_id, lease.version)
    rows = rows_of(services, active, place, parsed, title)
    if not rows:
        raise DocumentRejected("The document holds no text.", reason="no_text")
    count = len(rows)
    for other in {one.chunker: one for one in others if one.chunker != active.chunker}.values():
        try:
            rows += rows_of(services, other, place, parsed, title)
        except FAILS as error:  # made up for, or that generation put back, when the version is published
            log.warning("%s was not cut for %s: %s", lease.document_id, other.id, told(error))
    return Cut(rows, count, {"embedded_title": title, "chunker": active.chunker}, len(body) * len(rows) // count)


def _write(services: Services, session: Session, done: Sequence[tuple[Lease, Cut]]) -> list[Lease]:
    """Replaces what an earlier attempt left."""
    done = wanted(session, done)
    if not done:
        return []
    documents, versions = [lease.document_id for lease, _ in done], [lease.version for lease, _ in done]
    session.execute(_FORGET, {"t": done[0][0].tenant, "documents": documents, "versions": versions})
    insert_rows(session, Chunk, [row for _, cut in done for row in cut.rows])
    note_all(session, [(lease, Noted(cut.meta, chunks=cut.count)) for lease, cut in done])
    return ledger.finish_all(session, [(lease, {"chunks": cut.count}) for lease, cut in done], then="embed")


CHUNK = Step(_look, _make, _write)
