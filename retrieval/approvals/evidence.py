"""What an edit may quote: what the answer cites, and the rest of the documents that it cites, as it cites them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from retrieval.pack import Packed
from retrieval.texts import Texts
from retrieval.types import SOMEWHERE, Citation, Passage, Quote, Suspected
from vouch.catalog.tables import Chunk, DocumentVersion
from vouch.core.errors import Unavailable
from vouch.core.places import STEP, Place, from_json
from vouch.core.types import Span
from vouch.gateway import injection

log = logging.getLogger(__name__)

NOTHING = 0
"""A passage that there is not: verification refuses what quotes it."""
AROUND = 500
"""Characters before and after a quote in which words meant for a model are looked for."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Passages for verification: each citation under its own number, each cited document whole under one of
    ``whole``."""

    packed: Packed
    citations: dict[int, Quote]
    whole: dict[str, Passage]

    def cited(self, n: int) -> Quote:
        return self.citations.get(n, Quote(NOTHING, SOMEWHERE, ""))

    def quoted(self, document_id: str, text: str) -> Quote | None:
        """None for a document that the answer does not cite."""
        passage = self.whole.get(document_id)
        return None if passage is None else Quote(passage.n, SOMEWHERE, text)

    def suspected(self, quotes: Iterable[Quote]) -> tuple[Suspected, ...]:
        """What at the quotes, or around them, reads as if it were meant for a model."""
        passages = {passage.n: passage for passage in self.packed.passages}
        found: list[Suspected] = []
        for quote in quotes:
            passage = passages.get(quote.passage)
            whole = self.whole.get(passage.document_id) if passage is not None else None
            at = -1 if whole is None else quote.span.start if quote.span != SOMEWHERE else whole.text.find(quote.text)
            if whole is None or at < 0:
                continue
            start = max(0, at - AROUND)
            near = whole.text[start : at + len(quote.text) + AROUND]
            found += (
                Suspected(quote.passage, one.ruse, Span(start + one.span.start, start + one.span.end))
                for one in injection.find(near)
            )
        return tuple(found)


def gathered(session: Session, tenant: str, chunker: str, texts: Texts, citations: Sequence[Citation]) -> Evidence:
    """Of the versions that ``citations`` name; a text that cannot be read leaves its document with nothing but those.
    Where an answer cites two versions of a document, the newer one may be quoted."""
    newest: dict[str, Citation] = {}
    for one in sorted(citations, key=lambda one: one.version):
        newest[one.document.document_id] = one
    digests: dict[int, str] = {}
    passages: list[Passage] = []
    whole: dict[str, Passage] = {}
    for one in citations:
        if digest := _digest(session, tenant, one):
            passages.append(_passage(one.n, one, (one.span, one.quote), (Place(one.span, one.place),)))
            digests[one.n] = digest
    after = max((one.n for one in citations), default=0) + 1
    for n, (document_id, one) in enumerate(newest.items(), after):
        text = _text(texts, _digest(session, tenant, one))
        if text is not None:
            places = _places(session, (tenant, document_id, one.version, chunker))
            whole[document_id] = _passage(n, one, (Span(0, len(text)), text), places)
            digests[n] = _digest(session, tenant, one) or ""
    packed = Packed((*passages, *whole.values()), digests, frozenset())
    return Evidence(packed, {one.n: Quote(one.n, one.span, one.quote) for one in citations}, whole)


def _digest(session: Session, tenant: str, one: Citation) -> str | None:
    version = session.get(DocumentVersion, (tenant, one.document.document_id, one.version))
    return None if version is None else version.text


def _text(texts: Texts, digest: str | None) -> str | None:
    try:
        return None if digest is None else texts.of(digest)
    except Unavailable:
        log.exception("a text that an edit may quote cannot be read")
        return None


def _places(session: Session, of: tuple[str, str, int, str]) -> tuple[Place, ...]:
    """Of all that the version was cut into; none where it is no longer kept."""
    tenant, document_id, version, chunker = of
    rows = session.exec(
        select(Chunk)
        .where(
            col(Chunk.tenant_id) == tenant,
            col(Chunk.document_id) == document_id,
            col(Chunk.version) == version,
            col(Chunk.chunker) == chunker,
        )
        .order_by(col(Chunk.ordinal))
    )
    return tuple(place for row in rows for place in _places_of(row))


def _places_of(row: Chunk) -> tuple[Place, ...]:
    whole = Place(Span(row.span_start, row.span_end), row.place or STEP.join(row.heading_path))
    return from_json(row.places) or (whole,)


def _passage(n: int, one: Citation, stands: tuple[Span, str], places: tuple[Place, ...]) -> Passage:
    (span, text), card = stands, one.document
    return Passage(
        n=n,
        document_id=card.document_id,
        external_id=card.external_id,
        version=one.version,
        title=card.title,
        uri=card.uri,
        span=span,
        text=text,
        heading_path=(),
        places=places,
        score=1.0,
        modified_at=card.freshness.modified_at,
        freshness=card.freshness,
    )
