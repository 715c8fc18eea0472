"""Fetch: read a document's bytes from its source into the blob store, as the next version."""

from __future__ import annotations

from pathlib import PurePosixPath

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.sealed import connect
from ingestion.services import Services
from ingestion.stages.version import unwanted
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document, DocumentVersion
from vouch.core.errors import DocumentRejected, NotFound, SourceUnreachable, Unavailable
from vouch.core.types import Body, Json

_WHERE = sa.text(
    """
    SELECT s.id, s.kind, s.config, d.external_id
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :t AND d.id = :d AND d.state <> 'deleted' AND s.state <> 'deleting'
    """
)


def fetch(services: Services, lease: Lease) -> Lease | None:
    """Store the bytes; when they are those of the current version nothing more is done.

    Raises ``DocumentRejected`` past ``VOUCH_MAX_DOCUMENT_MB``, ``SourceUnreachable`` where the source does not answer,
    and what else the connector raises.
    """
    with services.catalog.reading(lease.tenant) as session:
        found = session.execute(_WHERE, {"t": lease.tenant, "d": lease.document_id}).first()
    if found is None:
        unwanted(services, lease)
        return None
    source_id, kind, config, external_id = found
    try:
        body = connect(services.settings, (lease.tenant, source_id), kind, config).fetch(external_id)
    except NotFound:
        unwanted(services, lease)  # deleted since the scan: the next one will say so
        return None
    except Unavailable as error:
        raise SourceUnreachable(error.detail, **error.extra) from error
    check_size(services, len(body.data))
    given = {name: lease.result.get(name, "") for name in ("fingerprint", "given_title")}
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        version = store_version(services, session, (lease.tenant, lease.document_id), body, given)
        if version is None:
            return ledger.finish(session, lease, {"unchanged": True})
        return ledger.finish(session, lease, {"version": version}, then="parse", in_hand_s=services.settings.lease_s)


def check_size(services: Services, size: int) -> None:
    """Raises ``DocumentRejected`` for a document larger than is read."""
    limit = services.settings.max_document_mb
    if size > limit * 1024 * 1024:
        raise DocumentRejected(f"The document has {size} bytes; at most {limit} MiB are read.", reason="too_large")


def store_version(services: Services, session: Session, key: tuple[str, str], body: Body, meta: Json) -> int | None:
    """Add a version holding ``body``, in the caller's transaction, and return its number.

    None when the current version was made from the same bytes: the document is then only marked as seen so.
    """
    tenant, document_id = key
    document = session.get(Document, key, with_for_update=True)
    assert document is not None
    services.blobs.lock(session)
    digest = services.blobs.put(tenant, body.data)
    current = session.get(DocumentVersion, (tenant, document_id, document.current_version or 0))
    reading = {"mime_given": body.mime, "article": body.article}
    if current is not None and current.raw == digest and _read_as(current) == reading:
        document.fingerprint, document.problem = str(meta["fingerprint"]), None
        current.modified_at = document.modified_at
        session.add_all((document, current))
        return None
    document.last_version += 1
    session.add(
        DocumentVersion(
            tenant_id=tenant,
            document_id=document_id,
            version=document.last_version,
            raw=digest,
            raw_bytes=len(body.data),
            meta={**meta, **reading, "name": PurePosixPath(document.external_id).name},
            modified_at=document.modified_at,
        )
    )
    session.add(document)
    session.flush()
    return document.last_version


def _read_as(version: DocumentVersion) -> Json:
    """How its bytes were to be read. Versions from before that was kept were read whole."""
    return {"mime_given": version.meta.get("mime_given"), "article": version.meta.get("article", False)}
