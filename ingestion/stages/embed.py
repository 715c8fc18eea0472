"""Embed: vectors for texts never embedded before, of many documents together, sorted by length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ingestion.generations.prepare import FAILS, embed_for, told
from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.generations import live
from vouch.catalog.ledger import Lease

log = logging.getLogger(__name__)


def embed(services: Services, leases: Sequence[Lease], ends: Callable[[], bool]) -> list[Lease] | None:
    """Make sure that every chunk of the leased versions, all of one tenant, has its vector. Returns what is next.

    ``ends`` is asked after each slice of the work. None when it ended before all was done: what was embedded is kept.
    """
    tenant = leases[0].tenant
    if not _embed(services, tenant, [(lease.document_id, lease.version) for lease in leases], ends):
        return None
    with services.catalog.transaction(tenant, durable=False) as session:
        return ledger.finish_all(session, [(lease, {}) for lease in leases], then="publish")


def _embed(services: Services, tenant: str, versions: Sequence[tuple[str, int]], ends: Callable[[], bool]) -> bool:
    """For each generation of the index. The active one's is needed now; what another one lacks is made up for, or that
    generation put back, when the version is published."""
    with services.catalog.reading(tenant) as session:
        active, *others = live(session)
    if not embed_for(services, tenant, versions, active, ends):
        return False
    for generation in others:
        try:
            if not embed_for(services, tenant, versions, generation, ends):
                return False
        except FAILS as error:
            log.warning("%d documents were not embedded for %s: %s", len(versions), generation.id, told(error))
    return True
