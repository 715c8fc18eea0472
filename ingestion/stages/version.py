"""The version a stage works on, as long as it is still wanted."""

from __future__ import annotations

from sqlmodel import Session

from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document, DocumentVersion


def building(session: Session, lease: Lease, *, lock: bool = False) -> DocumentVersion | None:
    """The lease's version, not yet published; None once its document is deleted or a newer version is current.

    ``lock`` keeps the document as it is to the end of the transaction.
    """
    document = session.get(Document, (lease.tenant, lease.document_id), with_for_update=lock)
    version = session.get(DocumentVersion, (lease.tenant, lease.document_id, lease.version))
    if document is None or version is None or document.state == "deleted":
        return None
    return version if lease.version > (document.current_version or 0) else None
