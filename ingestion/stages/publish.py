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
from vouch.catalog.vectors import Named, chunks_of, unembedded
from vouch.core.errors import VouchError

_FLIP = sa.text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[]), CAST(:fingerprints AS text[]),
            CAST(:titles AS text[]), CAST(:mimes AS text[]), CAST(:languages AS text[]))
            AS g(document_id, version, fingerprint, title, mime, language)
    ), flipped AS (
        UPDATE document d SET current_version = g.version, state = 'live', problem = NULL, fingerprint = g.fingerprint,
            title = g.title, mime = g.mime, language = g.language, updated_at = now()
        FROM given g WHERE d.tenant_id = :tenant AND d.id = g.document_id
    ), published AS (
        UPDATE document_version v SET published_at = now()
        FROM given g WHERE v.tenant_id = :tenant AND v.document_id = g.document_id AND v.version = g.version
    ), unlinked AS (
        DELETE FROM document_link l USING given g
        WHERE l.tenant_id = :tenant AND l.document_id = g.document_id AND l.version < g.version
    ), gone AS (
        DELETE FROM chunk c USING given g
        WHERE c.tenant_id = :tenant AND c.document_id = g.document_id AND c.version < g.version
        RETURNING c.document_id, c.version)
    SELECT DISTINCT document_id, version FROM gone ORDER BY document_id, version
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
        _remove(session, tenant, _named(unwanted))
        if wanted:
            seqs = outbox.append_all(session, tenant, "write", _named([lease for lease, _ in wanted]))
            ledger.wait_all(session, [(lease, seq) for (lease, _), seq in zip(wanted, seqs, strict=True)])


def _flip_all(services: Services, leases: Sequence[Lease]) -> None:
    tenant = leases[0].tenant
    with services.catalog.transaction(tenant, durable=False) as session:
        wanted, unwanted = _sorted_out(session, leases)
        _verify(session, wanted, [active_generation(session)])
        replaced = _flip(session, wanted) if wanted else []
        ledger.finish_all(session, [(lease, {}) for lease, _ in wanted])
        for lease in unwanted:
            ledger.cancel(session, lease)
        _remove(session, tenant, [*replaced, *_named(unwanted)])


def _sorted_out(session: Session, leases: Sequence[Lease]) -> tuple[list[tuple[Lease, Building]], list[Lease]]:
    """Those whose version is still to be published, locked to the end of the transaction; and the others."""
    found = all_building(session, leases, lock=True)
    wanted = [(lease, found[lease.document_id]) for lease in leases if lease.document_id in found]
    return wanted, [lease for lease in leases if lease.document_id not in found]


def _named(leases: Sequence[Lease]) -> list[Named]:
    return [(lease.document_id, lease.version) for lease in leases]


def _remove(session: Session, tenant: str, versions: Sequence[Named]) -> None:
    if versions:
        outbox.append_all(session, tenant, "remove", versions)


def _complete(services: Services, leases: Sequence[Lease]) -> None:
    """Make up for what a generation lacks of the versions: one may have been made since they were embedded.

    Where that cannot be (its model is gone, say), the generation is put back; only the active one holds anything up.
    """
    tenant, places = leases[0].tenant, _named(leases)
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
    places = _named([lease for lease, _ in versions])
    for generation in generations:
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


def _flip(session: Session, versions: Sequence[tuple[Lease, Building]]) -> list[Named]:
    """Make the versions the current ones; the documents' rows are locked by the caller.

    Returns every earlier version that had chunks, and so may have points: version n overtakes n-1 now and then.
    """
    metas = [version.meta for _, version in versions]
    facts = {
        "tenant": versions[0][0].tenant,
        "documents": [lease.document_id for lease, _ in versions],
        "versions": [lease.version for lease, _ in versions],
        "fingerprints": [str(meta.get("fingerprint", "")) for meta in metas],
        "titles": [str(meta["embedded_title"]) for meta in metas],
        "mimes": [str(meta["mime"]) for meta in metas],
        "languages": [str(meta["language"]) for meta in metas],
    }
    return [(row.document_id, row.version) for row in session.execute(_FLIP, facts)]
