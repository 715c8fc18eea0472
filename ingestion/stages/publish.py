"""Publish: write version n to the index, verify, flip the current version, remove what was before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.generations.prepare import FAILS, fall_back, lacking, prepare, told
from ingestion.services import Services
from ingestion.stages.version import Building, all_building
from vouch.catalog import ledger, outbox
from vouch.catalog.generations import handing_over, live
from vouch.catalog.ledger import Lease
from vouch.catalog.outbox import active_generation
from vouch.catalog.tables import IndexGeneration
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


def publish(services: Services, leases: Sequence[Lease], ends: Callable[[], bool]) -> list[Lease]:
    """Run twice for each version: first it hands the version to the projector and waits, then it flips.

    ``leases`` are of one tenant, each for another document, and go together or not at all, too soon for ``ends``.
    Raises when a chunk or a vector is missing; the version then never becomes visible.
    """
    if handed := [lease for lease in leases if lease.wait_seq is not None]:
        _flip_all(services, handed)
    if coming := [lease for lease in leases if lease.wait_seq is None]:
        _hand_over(services, coming)
    return []


def _hand_over(services: Services, leases: Sequence[Lease]) -> None:
    _complete(services, leases)
    tenant = leases[0].tenant
    with services.catalog.transaction(tenant, durable=False) as session:
        wanted, unwanted = _sorted_out(session, leases)
        handing_over(session)
        _verify(session, wanted, [one for one in live(session) if one.state != "building"])
        for lease in unwanted:
            ledger.cancel(session, lease)
        _remove(session, [(lease, lease.version) for lease in unwanted])
        if wanted:
            written = [(lease.document_id, lease.version) for lease, _ in wanted]
            seqs = outbox.append_all(session, tenant, "write", written)
            ledger.wait_all(session, [(lease, seq) for (lease, _), seq in zip(wanted, seqs, strict=True)])


def _flip_all(services: Services, leases: Sequence[Lease]) -> None:
    with services.catalog.transaction(leases[0].tenant, durable=False) as session:
        wanted, unwanted = _sorted_out(session, leases)
        _verify(session, wanted, [active_generation(session)])
        replaced = [(lease, earlier) for lease, version in wanted for earlier in _flip(session, lease, version)]
        ledger.finish_all(session, [(lease, {}) for lease, _ in wanted])
        for lease in unwanted:
            ledger.cancel(session, lease)
        _remove(session, [*replaced, *((lease, lease.version) for lease in unwanted)])


def _sorted_out(session: Session, leases: Sequence[Lease]) -> tuple[list[tuple[Lease, Building]], list[Lease]]:
    """Those whose version is still to be published, locked to the end of the transaction; and the others."""
    found = all_building(session, leases, lock=True)
    wanted = [(lease, found[lease.document_id]) for lease in leases if lease.document_id in found]
    return wanted, [lease for lease in leases if lease.document_id not in found]


def _remove(session: Session, versions: Sequence[tuple[Lease, int]]) -> None:
    if versions:
        removed = [(lease.document_id, version) for lease, version in versions]
        outbox.append_all(session, versions[0][0].tenant, "remove", removed)


def _complete(services: Services, leases: Sequence[Lease]) -> None:
    """Make up for what a generation lacks of the versions: one may have been made since they were embedded.

    Where that cannot be (its model is gone, say), the generation is put back; only the active one holds anything up.
    """
    tenant, places = leases[0].tenant, [(lease.document_id, lease.version) for lease in leases]
    with services.catalog.reading(tenant) as session:
        found = live(session)
        if len(found) == 1:
            return  # the stages before have seen to that one
        unfinished = [one for one in found if lacking(session, tenant, places, one)]
    for generation in unfinished:
        try:
            prepare(services, tenant, places, generation)
        except FAILS as error:
            if generation.state == "active":
                raise
            fall_back(services, generation.id, told(error))


def _verify(
    session: Session, versions: Sequence[tuple[Lease, Building]], generations: Sequence[IndexGeneration]
) -> None:
    """Every generation that is, or may become, the active one has all of the versions; what one that is being filled
    lacks is looked for at its end. None is made before the commit."""
    for generation in generations:
        places = [(lease.document_id, lease.version) for lease, _ in versions]
        counted = chunks_of(session, versions[0][0].tenant, places, generation) if places else {}
        missing = len(unembedded(session, versions[0][0].tenant, places, generation)) if places else 0
        for lease, version in versions:
            chunks = counted[lease.document_id, lease.version]
            same = version.meta.get("chunker", generation.chunker) == generation.chunker
            expected = version.chunks if same else chunks
            if not chunks or chunks != expected or missing:
                raise VouchError(
                    f"Version {lease.version} has {chunks} of {expected} chunks, {missing} without vector, for"
                    f" generation {generation.id}."
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
