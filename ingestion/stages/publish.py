"""Publish: write version n to the index, verify, flip the current version, remove what was before it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.generations.prepare import FAILS, fall_back, lacking, prepare, told
from ingestion.services import Services
from ingestion.stages.version import Building, building
from vouch.catalog import ledger, outbox
from vouch.catalog.generations import handing_over, live
from vouch.catalog.ledger import Lease
from vouch.catalog.vectors import chunks_of, unembedded
from vouch.core.errors import VouchError

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
    if lease.wait_seq is None:
        _complete(services, lease)
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        version = building(session, lease, lock=True)
        if version is None:
            ledger.cancel(session, lease)
            outbox.append(session, lease.tenant, "remove", [lease.document_id], lease.version)
            return
        _verify(session, lease, version)
        if lease.wait_seq is None:
            seq = outbox.append(session, lease.tenant, "write", [lease.document_id], lease.version)
            ledger.wait(session, lease, seq)
        else:
            replaced = _flip(session, lease, version)
            ledger.finish(session, lease)
            for earlier in replaced:
                outbox.append(session, lease.tenant, "remove", [lease.document_id], earlier)


def _complete(services: Services, lease: Lease) -> None:
    """Make up for what a generation lacks of the version: one may have been made since it was embedded.

    Where that cannot be (its model is gone, say), the generation is put back; only the active one holds anything up.
    """
    place = (lease.document_id, lease.version)
    with services.catalog.reading(lease.tenant) as session:
        found = live(session)
        if len(found) == 1:
            return  # the stages before have seen to that one
        unfinished = [one for one in found if lacking(session, lease.tenant, place, one)]
    for generation in unfinished:
        try:
            prepare(services, lease.tenant, [place], generation)
        except FAILS as error:
            if generation.state == "active":
                raise
            fall_back(services, generation.id, told(error))


def _verify(session: Session, lease: Lease, version: Building) -> None:
    """Every generation that is, or may become, the active one has all of the version; what one that is being filled
    lacks is looked for at its end. None is made before the commit."""
    place = (lease.document_id, lease.version)
    if lease.wait_seq is None:
        handing_over(session)
    for generation in live(session):
        if generation.state != "active" and (generation.state == "building" or lease.wait_seq is not None):
            continue
        chunks = chunks_of(session, lease.tenant, [place], generation)[place]
        expected = version.chunks if version.meta.get("chunker", generation.chunker) == generation.chunker else chunks
        missing = len(unembedded(session, lease.tenant, [place], generation))
        if not chunks or chunks != expected or missing:
            raise VouchError(
                f"Version {lease.version} has {chunks} of {expected} chunks, {missing} without vector, for generation"
                f" {generation.id}."
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
