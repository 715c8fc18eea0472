"""What a break-glass grant opens, and what the owners of documents are told of it."""

from __future__ import annotations

from dataclasses import dataclass

from acl import break_glass
from acl.caller import Asker
from acl.notify import waiting
from acl.resolve import resolve
from retrieval.documents import TextPart, cards, check_span, load_cards, text_part
from retrieval.services import Services
from retrieval.types import Card
from vouch.catalog.database import Catalog
from vouch.catalog.tables import DocumentVersion, Notification


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as its reader may see it today: ``title`` None for a document that they may not read."""

    row: Notification
    title: str | None


def read_document(services: Services, asker: Asker, grant_id: str) -> Card:
    """What the document of a grant is. Raises what :func:`acl.break_glass.use` raises."""
    with services.catalog.transaction(asker.tenant) as session:
        document_id, _ = break_glass.use(session, asker, grant_id, "break_glass.document")
        return load_cards(session, asker.tenant, {document_id: None})[document_id]


def read_text(services: Services, asker: Asker, grant_id: str, span: tuple[int, int | None]) -> TextPart:
    """The text of its current version, clipped as by :func:`retrieval.documents.read_text`. Raises alike."""
    check_span(span)
    with services.catalog.transaction(asker.tenant) as session:
        key = break_glass.use(session, asker, grant_id, "break_glass.text", span)
        row = session.get(DocumentVersion, (asker.tenant, *key))
    return text_part(services, row, span)


def inbox(catalog: Catalog, asker: Asker, *, unseen: bool, limit: int, before: str | None = None) -> list[Notice]:
    """The asker's notifications, newest first. Raises :class:`Unauthenticated` for one who is not active."""
    with catalog.reading(asker.tenant) as session:
        access = resolve(session, asker.tenant, asker.user)
        rows = waiting(session, asker, unseen=unseen, limit=limit, before=before)
        _, found = cards(session, access, {row.document_id for row in rows if row.document_id is not None})
        session.expunge_all()
    return [Notice(row, found[row.document_id].title if row.document_id in found else None) for row in rows]
