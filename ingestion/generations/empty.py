"""What is left of removed generations goes: points, and chunks and vectors that no other generation needs."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from ingestion.services import Services
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import IndexGeneration
from vouch.core import clock

log = logging.getLogger(__name__)

AT_ONCE = 1_000
"""Versions, or vectors, of one transaction."""
# Nothing is made for a chunker or a model that no generation has; one that is made meanwhile makes its own again. What
# it finds of a version is whole: its chunks go together.
_CHUNKS = sa.text(
    """
    WITH unneeded AS (
        SELECT DISTINCT tenant_id, document_id, version FROM chunk WHERE chunker = :unused
        AND NOT EXISTS (SELECT 1 FROM index_generation g WHERE g.chunker = :unused AND g.state <> 'removed')
        LIMIT :most),
    gone AS (
        DELETE FROM chunk c USING unneeded s WHERE c.chunker = :unused
        AND (c.tenant_id, c.document_id, c.version) = (s.tenant_id, s.document_id, s.version))
    SELECT count(*) FROM unneeded
    """
)
_VECTORS = sa.text(
    """
    WITH gone AS (
        DELETE FROM embedding WHERE ctid IN (SELECT ctid FROM embedding e WHERE e.model = :unused
            AND NOT EXISTS (SELECT 1 FROM index_generation g WHERE g.model = :unused AND g.state <> 'removed')
            LIMIT :most)
        RETURNING 1)
    SELECT count(*) FROM gone
    """
)


def empty_removed(services: Services) -> list[str]:
    """Returns the generations of which nothing but their row is left now."""
    with services.catalog.reading(ACROSS_TENANTS) as session:
        found = generations.to_empty(session)
    for row in found:
        with services.projector.alone():  # nobody writes to it, so nobody makes it anew
            services.drop(row.id)
        _delete(services, _CHUNKS, row.chunker)
        _delete(services, _VECTORS, row.model)
        with services.catalog.transaction(ACROSS_TENANTS) as session:
            session.get_one(IndexGeneration, row.id).emptied_at = clock.now()
        log.info("generation %s is gone", row.id)
    return [row.id for row in found]


def _delete(services: Services, statement: sa.TextClause, unused: str) -> None:
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        with services.catalog.transaction(ACROSS_TENANTS, durable=False) as session:
            generations.alone(session)
            deleted = session.execute(statement, {"unused": unused, "most": AT_ONCE}).scalar_one()
