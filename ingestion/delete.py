"""Deleting: hidden at once by the catalog, then out of the index, the chunks and the blob store."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog import epoch as epochs
from vouch.catalog import outbox
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import Catalog

_DIGESTS = "SELECT unnest(ARRAY[raw, parsed, text]) AS digest FROM document_version"


def delete_documents(
    session: Session, tenant: str, source_id: str, external_ids: Sequence[str] | None, actor: str
) -> int:
    """Delete the named documents of a source (all of them when None). Returns how many were there.

    The rows stay as tombstones; content and quotes of it go. A new epoch begins, so the next request is clean.
    """
    if external_ids is not None and not external_ids:
        return 0
    gone: Sequence[str] = (
        session.execute(
            sa.text(
                """
                UPDATE document SET state = 'deleted', current_version = NULL, fingerprint = '', problem = NULL,
                    updated_at = now()
                WHERE tenant_id = :t AND source_id = :s AND state <> 'deleted'
                AND (CAST(:ids AS text[]) IS NULL OR external_id = ANY(CAST(:ids AS text[])))
                RETURNING id
                """
            ),
            {"t": tenant, "s": source_id, "ids": list(external_ids) if external_ids is not None else None},
        )
        .scalars()
        .all()
    )
    if not gone:
        return 0
    for table in ("document_version", "citation"):
        session.execute(
            sa.text(f"DELETE FROM {table} WHERE tenant_id = :t AND document_id = ANY(:ids)"),  # noqa: S608 - our names
            {"t": tenant, "ids": gone},
        )
    epoch = epochs.bump(
        session,
        tenant,
        kind="deleted",
        subject=f"{len(gone)} documents",
        actor=actor,
        detail={"documents": list(gone[:100])},
    )
    session.execute(
        sa.text(
            "INSERT INTO document_change (tenant_id, document_id, epoch, acl_id, deleted)"
            " SELECT :t, unnest(CAST(:ids AS text[])), :epoch, NULL, true"
        ),
        {"t": tenant, "ids": list(gone), "epoch": epoch},
    )
    for document_id in sorted(gone):
        outbox.append(session, tenant, "remove", [document_id])
    return len(gone)


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
