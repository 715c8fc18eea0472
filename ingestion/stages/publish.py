"""Publish: write version n to the index, verify, flip the current version, remove version n-1."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col

from ingestion.services import Services
from ingestion.stages.version import Building, building
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Chunk, Document, DocumentVersion, Stage
from vouch.core import clock
from vouch.core.errors import VouchError

_WITHOUT_VECTOR = sa.text(
    """
    SELECT count(*), count(*) FILTER (WHERE e.text_hash IS NULL)
    FROM chunk c LEFT JOIN embedding e ON e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash
    WHERE c.tenant_id = :tenant AND c.document_id = :document AND c.version = :version
    """
)


def publish(services: Services, lease: Lease) -> None:
    """Run twice for each version: first it hands the version to the projector and waits, then it flips.

    Raises when a chunk or a vector is missing; the version then never becomes visible.
    """
    with services.catalog.transaction() as session:
        version = building(session, lease, lock=True)
        if version is None:
            ledger.cancel(session, lease)
            outbox.append(session, lease.tenant, "remove", [lease.document_id], lease.version)
            return
        _verify(session, lease, version, services.embedder.name)
        handed_over = session.get(Stage, (lease.tenant, lease.id))
        if handed_over is None or handed_over.wait_seq is None:
            ledger.wait(
                session, lease, outbox.append(session, lease.tenant, "write", [lease.document_id], lease.version)
            )
        else:
            _flip(session, lease, version)
            ledger.finish(session, lease)
            outbox.append(session, lease.tenant, "remove", [lease.document_id], lease.version - 1)


def _verify(session: Session, lease: Lease, version: Building, model: str) -> None:
    chunks, without_vector = session.execute(
        _WITHOUT_VECTOR,
        {"model": model, "tenant": lease.tenant, "document": lease.document_id, "version": lease.version},
    ).one()
    if chunks != version.chunks or without_vector:
        raise VouchError(
            f"Version {lease.version} has {chunks} of {version.chunks} chunks, {without_vector} without vector."
        )


def _flip(session: Session, lease: Lease, version: Building) -> None:
    """Make the version the current one. The document's row is locked by the caller."""
    document = session.get(Document, (lease.tenant, lease.document_id))
    assert document is not None
    document.current_version, document.state, document.problem = lease.version, "live", None
    document.fingerprint = str(version.meta.get("fingerprint", ""))
    document.title = str(version.meta["embedded_title"])
    document.mime, document.language = str(version.meta["mime"]), str(version.meta["language"])
    document.updated_at = clock.now()
    session.add(document)
    session.execute(
        sa.update(DocumentVersion)
        .where(
            col(DocumentVersion.tenant_id) == lease.tenant,
            col(DocumentVersion.document_id) == lease.document_id,
            col(DocumentVersion.version) == lease.version,
        )
        .values(published_at=document.updated_at)
    )
    session.execute(
        sa.delete(Chunk).where(
            col(Chunk.tenant_id) == lease.tenant,
            col(Chunk.document_id) == lease.document_id,
            col(Chunk.version) < lease.version,
        )
    )
