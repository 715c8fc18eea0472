"""Fetch: read documents' bytes from their source into the blob store, each as the next version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from connectors.protocol import Connector
from ingestion.sealed import connect
from ingestion.services import Services
from ingestion.stages.step import Step
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.core.errors import DocumentRejected, NotFound, SourceUnreachable, Unavailable
from vouch.core.settings import Settings
from vouch.core.types import Body, Json

_WHERE = sa.text(
    """
    SELECT d.id, d.external_id, s.id, s.kind, s.config
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :t AND d.id = ANY(:ids) AND d.state <> 'deleted' AND s.state <> 'deleting'
    """
)
_LOCK = sa.text(
    """
    SELECT d.id, d.external_id, v.raw, v.meta
    FROM document d LEFT JOIN document_version v
        ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    WHERE d.tenant_id = :t AND d.id = ANY(:ids) ORDER BY d.id FOR NO KEY UPDATE OF d
    """
)
_ADD = sa.text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:raws AS text[]), CAST(:sizes AS int[]),
            CAST(:metas AS jsonb[])) AS g(id, raw, size, meta)
    ), counted AS (
        UPDATE document d SET last_version = d.last_version + 1 FROM given g
        WHERE d.tenant_id = :t AND d.id = g.id RETURNING d.tenant_id, d.id, d.last_version, d.modified_at)
    INSERT INTO document_version (tenant_id, document_id, version, raw, raw_bytes, chunks, meta, modified_at)
    SELECT c.tenant_id, id, c.last_version, g.raw, g.size, 0, g.meta, c.modified_at
    FROM counted c JOIN given g USING (id) RETURNING document_id, version
    """
)
_SEEN = sa.text(
    """
    WITH seen AS (
        UPDATE document d SET fingerprint = g.fingerprint, problem = NULL
        FROM unnest(CAST(:ids AS text[]), CAST(:fingerprints AS text[])) AS g(id, fingerprint)
        WHERE d.tenant_id = :t AND d.id = g.id RETURNING d.id, d.current_version, d.modified_at)
    UPDATE document_version v SET modified_at = s.modified_at FROM seen s
    WHERE v.tenant_id = :t AND v.document_id = s.id AND v.version = s.current_version
    """
)


@dataclass(frozen=True)
class _Source:
    """Where documents are read from: one connector for all that are read together."""

    settings: Settings
    key: tuple[str, str]
    kind: str
    config: Mapping[str, Any]

    @cached_property
    def connector(self) -> Connector:
        return connect(self.settings, self.key, self.kind, self.config)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as its source gave it. ``meta``: what the scan said of it."""

    document_id: str
    body: Body
    meta: Json

    @property
    def size(self) -> int:
        return len(self.body.data)


def _look(services: Services, session: Session, leases: Sequence[Lease]) -> dict[str, tuple[_Source, str]]:
    tenant, sources = leases[0].tenant, dict[str, _Source]()
    rows = session.execute(_WHERE, {"t": tenant, "ids": [lease.document_id for lease in leases]})
    return {
        document_id: (sources.setdefault(of, _Source(services.settings, (tenant, of), kind, config)), external_id)
        for document_id, external_id, of, kind, config in rows
    }


def _make(services: Services, lease: Lease, found: tuple[_Source, str]) -> Fetched | None:
    """Raises ``DocumentRejected`` past ``VOUCH_MAX_DOCUMENT_MB``, ``SourceUnreachable`` where the source does not
    answer, and what else the connector raises. None: deleted since the scan, and the next one will say so."""
    source, external_id = found
    try:
        body = source.connector.fetch(external_id)
    except NotFound:
        return None
    except Unavailable as error:
        raise SourceUnreachable(error.detail, **error.extra) from error
    check_size(services, len(body.data))
    said = {name: lease.result.get(name, "") for name in ("fingerprint", "given_title")}
    return Fetched(lease.document_id, body, said)


def _write(services: Services, session: Session, done: Sequence[tuple[Lease, Fetched]]) -> list[Lease]:
    """Where the bytes are those of the current version nothing more is done."""
    numbers = store_versions(services, session, done[0][0].tenant, [fetched for _, fetched in done])
    new = [(lease, {"version": numbers[lease.document_id]}) for lease, _ in done if lease.document_id in numbers]
    same = [(lease, {"unchanged": True}) for lease, _ in done if lease.document_id not in numbers]
    ledger.finish_all(session, same)
    return ledger.finish_all(session, new, then="parse", in_hand_s=services.settings.lease_s)


FETCH = Step(_look, _make, _write)


def check_size(services: Services, size: int) -> None:
    """Raises ``DocumentRejected`` for a document larger than is read."""
    limit = services.settings.max_document_mb
    if size > limit * 1024 * 1024:
        raise DocumentRejected(f"The document has {size} bytes; at most {limit} MiB are read.", reason="too_large")


def store_versions(services: Services, session: Session, tenant: str, fetched: Sequence[Fetched]) -> dict[str, int]:
    """Add to each of these documents a version holding its body, in the caller's transaction: document → its number.

    One whose current version was made from the same bytes is not among them: it is only marked as seen so.
    """
    rows = session.execute(_LOCK, {"t": tenant, "ids": [one.document_id for one in fetched]})
    before = {document_id: (external_id, (raw, _read_as(meta or {}))) for document_id, external_id, raw, meta in rows}
    services.blobs.lock(session)
    new, same = list[tuple[Fetched, str, Json]](), list[Fetched]()
    for one in fetched:
        external_id, current = before[one.document_id]
        digest = services.blobs.put(tenant, one.body.data)
        reading = {"mime_given": one.body.mime, "article": one.body.article}
        if current == (digest, reading):
            same.append(one)
        else:
            new.append((one, digest, {**one.meta, **reading, "name": PurePosixPath(external_id).name}))
    if same:
        fingerprints = [str(one.meta["fingerprint"]) for one in same]
        session.execute(_SEEN, {"t": tenant, "ids": [one.document_id for one in same], "fingerprints": fingerprints})
    return _added(session, tenant, new) if new else {}


def _added(session: Session, tenant: str, new: Sequence[tuple[Fetched, str, Json]]) -> dict[str, int]:
    facts = {
        "ids": [one.document_id for one, _, _ in new],
        "raws": [digest for _, digest, _ in new],
        "sizes": [one.size for one, _, _ in new],
        "metas": [json.dumps(meta) for _, _, meta in new],
    }
    return {row.document_id: row.version for row in session.execute(_ADD, {"t": tenant, **facts})}


def _read_as(meta: Json) -> Json:
    """How a version's bytes were to be read. Versions from before that was kept were read whole."""
    return {"mime_given": meta.get("mime_given"), "article": meta.get("article", False)}
