"""Documents as an asker may see them today. Forbidden and missing are one answer: NotFound."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.audit import record_reading, shown
from acl.caller import Asker
from acl.recheck import recheck
from acl.resolve import Access, resolve
from retrieval.freshness import freshness, readable_successor, successors
from retrieval.services import Services
from retrieval.texts import Texts
from retrieval.types import Card, Reviewed
from vouch.catalog.freshness import FACTS, REVIEWED
from vouch.catalog.tables import DocumentVersion
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.types import Span

MOST_CHARACTERS = 1_000_000
"""Of text in one response; the rest is asked for by ``start``."""

_CARDS = sa.text(
    f"""
    SELECT d.id, d.external_id, d.source_id, d.title, d.uri, d.mime, d.language, d.owner, d.current_version,
        r.user_id AS reviewed_by, r.comment, {FACTS}
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    {REVIEWED}
    WHERE d.tenant_id = :tenant AND d.id = ANY(CAST(:ids AS text[]))
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class TextPart:
    """``span`` is what ``text`` covers of the whole, which has ``length`` characters."""

    document_id: str
    version: int
    span: Span
    text: str
    length: int


def cards(session: Session, access: Access, document_ids: Collection[str]) -> tuple[Access, dict[str, Card]]:
    """The documents among ``document_ids`` that the asker may read in this snapshot, and the access that decided.

    A successor is named only where it may be read too.
    """
    replaced_by = successors(session, access.tenant, document_ids) if document_ids else {}
    access, readable = recheck(session, access, set(document_ids).union(*replaced_by.values()))
    superseded_by = {id_: readable_successor(id_, replaced_by, readable) for id_ in readable & set(document_ids)}
    return access, load_cards(session, access.tenant, superseded_by)


def load_cards(session: Session, tenant: str, superseded_by: Mapping[str, str | None]) -> dict[str, Card]:
    """The cards of documents that the caller has decided about; each given with the successor to name, if any."""
    if not superseded_by:
        return {}
    rows = session.execute(_CARDS, {"tenant": tenant, "ids": sorted(superseded_by)})
    return {
        row.id: Card(
            document_id=row.id,
            external_id=row.external_id,
            source_id=row.source_id,
            title=row.title,
            uri=row.uri,
            mime=row.mime,
            language=row.language,
            owner=row.owner,
            version=row.current_version,
            freshness=freshness(row, superseded_by[row.id]),
            review=_reviewed(row),
        )
        for row in rows
    }


def _reviewed(row: Any) -> Reviewed | None:
    if row.reviewed_at is None:
        return None
    return Reviewed(row.reviewed_by, row.reviewed_at, row.reviewed_until, row.comment)


def read_document(services: Services, asker: Asker, document_id: str) -> Card:
    """Raises :class:`NotFound` for one that is missing, gone, not published or not the asker's to read."""
    with services.catalog.reading(asker.tenant) as session:
        access, card = _card(session, asker, document_id)
    detail = shown([(document_id, card.version)], access.epoch)
    record_reading(services.catalog, asker, "document.read", f"document:{document_id}", detail)
    return card


def read_text(
    services: Services, asker: Asker, document_id: str, span: tuple[int, int | None], version: int | None
) -> TextPart:
    """The normalised text of a version (default: the current one) from ``span[0]`` to ``span[1]``, clipped to
    the text and to :data:`MOST_CHARACTERS`. Older versions are read under the document's access of today.

    Raises :class:`NotFound`, also for a version that was never published; :class:`InvalidInput` for a span
    that ends before it starts.
    """
    check_span(span)
    with services.catalog.reading(asker.tenant) as session:
        access, card = _card(session, asker, document_id)
        row = session.get(DocumentVersion, (asker.tenant, document_id, version or card.version))
    part = text_part(services, row, span)
    detail = shown([(document_id, part.version)], access.epoch, span=[part.span.start, part.span.end])
    record_reading(services.catalog, asker, "text.read", f"document:{document_id}", detail)
    return part


def check_span(span: tuple[int, int | None]) -> None:
    """Raises :class:`InvalidInput` for one that ends before it starts."""
    start, end = span
    if end is not None and end < start:
        raise InvalidInput("A span does not end before it starts.", field="end")


def text_part(services: Services, row: DocumentVersion | None, span: tuple[int, int | None]) -> TextPart:
    """What ``span`` covers of a version. Raises :class:`NotFound` for one that was never published."""
    if row is None or row.text is None or row.published_at is None:
        raise NotFound()
    whole = Texts(services.blobs, row.tenant_id).of(row.text)
    start, end = min(span[0], len(whole)), len(whole) if span[1] is None else span[1]
    covered = Span(start, min(end, len(whole), start + MOST_CHARACTERS))
    return TextPart(row.document_id, row.version, covered, covered.of(whole), len(whole))


def _card(session: Session, asker: Asker, document_id: str) -> tuple[Access, Card]:
    access, found = cards(session, resolve(session, asker.tenant, asker.user), [document_id])
    if document_id not in found:
        raise NotFound()
    return access, found[document_id]
