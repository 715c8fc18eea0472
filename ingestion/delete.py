"""Deleting: hidden at once by the catalog, then out of the index, the chunks and the blob store."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.catalog import outbox
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import Catalog
from vouch.catalog.tables import DocumentChange
from vouch.catalog.twins import forget

_DELETE = sa.text(
    """
    WITH locked AS (
        SELECT id FROM document WHERE tenant_id = :t AND source_id = :s AND state <> 'deleted'
        AND (CAST(:ids AS text[]) IS NULL OR external_id = ANY(CAST(:ids AS text[])))
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE document d SET state = 'deleted', current_version = NULL, acl_id = NULL, fingerprint = '',
        problem = NULL, updated_at = now()
    FROM locked WHERE d.tenant_id = :t AND d.id = locked.id
    RETURNING d.id
    """
)
_DIGESTS = "SELECT unnest(ARRAY[raw, parsed, text]) AS digest FROM document_version"


def delete_documents(
    session: Session, tenant: str, source_id: str, external_ids: Sequence[str] | None, actor: str
) -> int:
    """Delete the named documents of a source (all of them when None). Returns how many were there.

    The rows stay as tombstones; content and quotes of it go. A new epoch begins, so the next request is clean.
    """
    if external_ids is not None and not external_ids:
        return 0
    named = None if external_ids is None else list(external_ids)
    gone: Sequence[str] = session.execute(_DELETE, {"t": tenant, "s": source_id, "ids": named}).scalars().all()
    if not gone:
        return 0
    published, texts = _remove_content(session, tenant, gone)
    told = {"documents": list(gone[:100])}
    epoch = epochs.bump(session, tenant, kind="deleted", subject=f"{len(gone)} documents", actor=actor, detail=told)
    forget(session, tenant, texts)
    session.execute(
        insert(DocumentChange),
        [
            {"tenant_id": tenant, "document_id": id_, "epoch": epoch, "deleted": True, "published": published.get(id_)}
            for id_ in gone
        ],
    )
    for document_id in sorted(gone):
        outbox.append(session, tenant, "remove", [document_id])
    return len(gone)


def _remove_content(
    session: Session, tenant: str, document_ids: Sequence[str]
) -> tuple[dict[str, dict[str, str]], set[str]]:
    """Versions, quotes and reviews go. Returns when each version was published, which proofs of answers rest on, and
    the texts that there were."""
    published: dict[str, dict[str, str]] = {}
    texts: set[str] = set()
    values = {"t": tenant, "ids": list(document_ids)}
    session.execute(sa.text("DELETE FROM citation WHERE tenant_id = :t AND document_id = ANY(:ids)"), values)
    session.execute(sa.text("DELETE FROM review WHERE tenant_id = :t AND document_id = ANY(:ids)"), values)
    versions = session.execute(
        sa.text(
            "DELETE FROM document_version WHERE tenant_id = :t AND document_id = ANY(:ids)"
            " RETURNING document_id, version, published_at, text"
        ),
        values,
    )
    for document_id, version, at, text in versions:
        if at is not None:
            published.setdefault(document_id, {})[str(version)] = at.isoformat()
        if text is not None:
            texts.add(text)
    return published, texts


def collect_blobs(catalog: Catalog, blobs: Blobs, tenant: str) -> int:
    """Remove the tenant's blobs that no version names. Returns how many.

    Writers hold the blob lock shared from storing a blob to the commit that names it; this holds it alone.
    """
    with catalog.transaction(tenant) as session:
        blobs.lock(session, alone=True)
        named = set(
            session.execute(
                sa.text(f"SELECT digest FROM ({_DIGESTS} WHERE tenant_id = :t) d WHERE digest IS NOT NULL"),  # noqa: S608
                {"t": tenant},
            ).scalars()
        )
        unnamed = [digest for digest in blobs.list(tenant) if digest not in named]
        for digest in unnamed:
            blobs.delete(tenant, digest)
    return len(unnamed)
