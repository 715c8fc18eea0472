"""Embed: vectors for texts never embedded before, many documents in one batch, sorted by length."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingestion.generations.prepare import FAILS, embed_for, told
from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.generations import live
from vouch.catalog.ledger import Lease

log = logging.getLogger(__name__)


def embed(services: Services, leases: Sequence[Lease]) -> list[Lease]:
    """Make sure that every chunk of the leased versions, all of one tenant, has its vector. Returns what is next."""
    tenant = leases[0].tenant
    _embed(services, tenant, [(lease.document_id, lease.version) for lease in leases])
    with services.catalog.transaction(tenant, durable=False) as session:
        return [following for lease in leases if (following := ledger.finish(session, lease, then="publish"))]


def _embed(services: Services, tenant: str, versions: Sequence[tuple[str, int]]) -> None:
    """For each generation of the index. The active one's is needed now; what another one lacks is made up for, or that
    generation put back, when the version is published."""
    with services.catalog.reading(tenant) as session:
        active, *others = live(session)
    embed_for(services, tenant, versions, active)
    for generation in others:
        try:
            embed_for(services, tenant, versions, generation)
        except FAILS as error:
            log.warning("%d documents were not embedded for %s: %s", len(versions), generation.id, told(error))
