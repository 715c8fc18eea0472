"""Publish: write version n to the index, verify, flip the current version, remove what was before it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from ingestion.stages.version import Building, building
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.core.errors import VouchError

_WITHOUT_VECTOR = sa.text(
    """
    SELECT count(*), count(*) FILTER (WHERE (
        SELECT 1 FROM embedding e
        WHERE e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash) IS NULL)
    FROM chunk c
    WHERE c.tenant_id = :tenant AND c.document_id = :document AND c.version = :version
    """
)
_FLIP = sa.text(
    """
    WITH flipped AS (
        UPDATE document SET current_version = :version, state = 'live', problem = NULL, fingerprint = :fingerprint,
            title = :title, mime = :mime, language = :language, updated_at = now()
        WHERE tenant_id = :tenant AND id = :document),
    published AS (
        UPDATE document_version SET published_at = now()
        WHERE tenant_id = :tenant AND document_id = :document AND version = :version),
    unlinked AS (
        DELETE FROM document_link WHERE tenant_id = :tenant AND document_id = :document AND version < :version),
    gone AS (
        DELETE FROM chunk WHERE tenant_id = :tenant AND document_id = :document AND version < :version
        RETURNING version)
    SELECT DISTINCT version FROM gone ORDER BY version
    """
)


def publish(services: Services, lease: Lease) -> None:
    """Run twice for each version: first it hands the version to the projector and waits, then it flips.

    Raises when a chunk or a vector is missing; the version then never becomes visible.
    """
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        version = building(session, lease, lock=True)
        if version is None:
            ledger.cancel(session, lease)
            outbox.append(session, lease.tenant, "remove", [lease.document_id], lease.version)
            return
        _verify(session, lease, version, services.embedder.name)
        if lease.wait_seq is None:
            seq = outbox.append(session, lease.tenant, "write", [lease.document_id], lease.version)
            ledger.wait(session, lease, seq)
        else:
            replaced = _flip(session, lease, version)
            ledger.finish(session, lease)
            for earlier in replaced:
                outbox.append(session, lease.tenant, "remove", [lease.document_id], earlier)


def _verify(session: Session, lease: Lease, version: Building, model: str) -> None:
    chunks, without_vector = session.execute(
        _WITHOUT_VECTOR,
        {"model": model, "tenant": lease.tenant, "document": lease.document_id, "version": lease.version},
    ).one()
    if chunks != version.chunks or without_vector:
        raise VouchError(
            f"Version {lease.version} has {chunks} of {version.chunks} chunks, {without_vector} without vector."
        )


def _flip(session: Session, lease: Lease, version: Building) -> list[int]:
    """Make the version the current one; the document's row is locked by the caller.

    Returns every earlier version that had chunks, and so may have points: version n overtakes n-1 now and then.
    """
    facts = {
        "tenant": lease.tenant,
        "document": lease.document_id,
        "version": lease.version,
        "fingerprint": str(version.meta.get("fingerprint", "")),
        "title": str(version.meta["embedded_title"]),
        "mime": str(version.meta["mime"]),
        "language": str(version.meta["language"]),
    }
    return list(session.execute(_FLIP, facts).scalars())
