"""Embed: vectors for texts never embedded before, many documents in one batch, sorted by length."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingestion.generations.prepare import FAILS, embed_for, told
from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.generations import live
from vouch.catalog.ledger import Lease
from vouch.core.errors import VouchError

log = logging.getLogger(__name__)


def embed_missing(services: Services, leases: Sequence[Lease]) -> None:
    """Embed what the leased versions lack, in one batch per tenant.

    A batch that fails harms nobody: each document is then tried on its own by :func:`embed`.
    """
    for tenant in sorted({lease.tenant for lease in leases}):
        versions = [(x.document_id, x.version) for x in leases if x.tenant == tenant]
        if len(versions) < 2:
            continue
        try:
            _embed(services, tenant, versions)
        except (VouchError, RuntimeError, ValueError) as error:
            log.warning("a batch of %d documents was not embedded together", len(versions), exc_info=error)


def embed(services: Services, lease: Lease) -> Lease | None:
    """Make sure that every chunk of the version has its vector."""
    _embed(services, lease.tenant, [(lease.document_id, lease.version)])
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        return ledger.finish(session, lease, then="publish")


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
