"""Embed: vectors for texts never embedded before, many documents in one batch, sorted by length."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Embedding
from vouch.core.context import in_context
from vouch.core.errors import VouchError
from vouch.index.points import batched

log = logging.getLogger(__name__)

AT_ONCE = 512
"""Texts embedded and stored together: a worker stopped by its time limit loses no more than these."""

_UNKNOWN = sa.text(
    """
    SELECT DISTINCT ON (c.text_hash) c.text_hash, v.meta ->> 'embedded_title', c.heading_path, c.text
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    JOIN chunk c ON c.tenant_id = :tenant AND c.document_id = w.document_id AND c.version = w.version
    JOIN document_version v ON v.tenant_id = c.tenant_id AND v.document_id = c.document_id AND v.version = c.version
    WHERE (
        SELECT 1 FROM embedding e
        WHERE e.tenant_id = :tenant AND e.model = :model AND e.text_hash = c.text_hash) IS NULL
    ORDER BY c.text_hash
    """
)


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
    model = services.embedder.name
    with services.catalog.reading(tenant) as session:
        unknown = session.execute(
            _UNKNOWN,
            {
                "tenant": tenant,
                "model": model,
                "documents": [document_id for document_id, _ in versions],
                "versions": [version for _, version in versions],
            },
        ).all()
    for rows in batched(unknown, AT_ONCE):
        vectors = services.embedder.embed([in_context(title or "", path, text) for _, title, path, text in rows])
        with services.catalog.transaction(tenant, durable=False) as session:
            session.execute(
                insert(Embedding).on_conflict_do_nothing(),
                [
                    {"tenant_id": tenant, "model": model, "text_hash": row[0], "vector": vector.astype("<f4").tobytes()}
                    for row, vector in zip(rows, vectors, strict=True)
                ],
            )
