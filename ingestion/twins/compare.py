"""Compare a document with all others of its tenant: sign its text, find what is like it, keep the pairs.

    text ─▶ signature kept ─▶ candidates (by bands, and by name) ─▶ exact similarity ─▶ conflicts ─▶ pairs kept

The signature is committed before candidates are looked for: of two documents that come at the same moment at least one
finds the other. The last step also notes which version was compared; whoever is killed before it leaves the document
uncompared, and all of it is done again, which changes nothing.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from ingestion.twins import pairs
from ingestion.twins.conflicts import Rules, between, rules
from ingestion.twins.minhash import Signature, estimate, signature
from ingestion.twins.pairs import Candidate, Pair
from ingestion.twins.shingles import Shingles, containment, jaccard, shingles
from vouch.catalog.twins import UNCOMPARED, forget
from vouch.core.errors import Unavailable
from vouch.core.series import HELD, series

log = logging.getLogger(__name__)

NEAR = 0.7
"""Jaccard similarity from which on two texts are near-duplicates."""
NEAR_OF_SERIES = 0.3
"""The same for what is called the same, or holds the other: versions are rewritten more than copies are."""
BELOW = 0.12
"""By how much an estimate may fall short of a similarity that is looked at: three standard deviations."""
MOST_EXACT = 24
"""Texts whose exact similarity is taken: the most alike, by estimate."""
MOST_PAIRS = 16
"""Kept for one text, besides those in which it is the one that others are like."""
KEPT = 4_000_000
"""Characters of texts kept in memory, for what is alike often comes together."""

_WANTED = sa.text(
    f"""
    SELECT d.current_version AS version, d.title, d.external_id, v.text
    FROM document d JOIN document_version v
    ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    WHERE d.tenant_id = :tenant AND d.id = :document AND {UNCOMPARED}
    """  # noqa: S608 - a constant, no input
)
_LOCK = sa.text(
    "SELECT 1 FROM document WHERE tenant_id = :tenant AND id = :document AND state = 'live'"
    " AND current_version = :version FOR NO KEY UPDATE"
)
_CALL = sa.text(
    "UPDATE document SET series = :series WHERE tenant_id = :tenant AND id = :document AND series <> :series"
)
_COMPARED = sa.text("UPDATE document SET compared_version = :version WHERE tenant_id = :tenant AND id = :document")
_BEFORE = sa.text(
    "SELECT DISTINCT text FROM document_version"
    " WHERE tenant_id = :tenant AND document_id = :document AND version < :version AND text IS NOT NULL"
)


@dataclass(frozen=True)
class Text:
    """A text that is long enough to be compared."""

    text: str
    shingles: Shingles

    @cached_property
    def rules(self) -> Rules:
        """Read once, however many texts it is like."""
        return rules(self.text)


@dataclass(frozen=True, slots=True)
class _Subject:
    """The version of a document that is compared."""

    tenant: str
    document: str
    version: int
    digest: str
    series: str

    @property
    def key(self) -> dict[str, object]:
        return {"tenant": self.tenant, "document": self.document, "version": self.version}


Read = Callable[[str], Text | None]
"""A text by its digest; None for one that is too short. Raises :class:`Unavailable` where it cannot be read."""


def reader(services: Services, tenant: str) -> Read:
    """Reads from the blob store, and remembers the last few."""
    kept: OrderedDict[str, Text | None] = OrderedDict()
    characters = 0

    def read(digest: str) -> Text | None:
        nonlocal characters
        if digest not in kept:
            text = services.blobs.get(tenant, digest).decode()
            found = shingles(text)
            kept[digest] = None if found is None else Text(text, found)
            characters += 0 if found is None else len(text)
            while characters > KEPT and len(kept) > 1:
                _, oldest = kept.popitem(last=False)
                characters -= len(oldest.text) if oldest else 0
        kept.move_to_end(digest)
        return kept[digest]

    return read


def compare(services: Services, tenant: str, document_id: str, read: Read) -> bool:
    """Compare the version that the document shows now. False where there is nothing to do, or no longer.

    One whose text is missing or damaged has none that is like it until its next version.
    """
    with services.catalog.reading(tenant) as session:
        row = session.execute(_WANTED, {"tenant": tenant, "document": document_id}).first()
    if row is None:
        return False
    subject = _Subject(tenant, document_id, row.version, row.text or "", series(row.title, row.external_id))
    if subject.version > 1:
        with services.catalog.transaction(tenant, durable=False) as session:
            forget(session, tenant, list(session.execute(_BEFORE, subject.key).scalars()))
    text = _own(subject, read)
    signed = signature(text.shingles) if text is not None else None
    with services.catalog.transaction(tenant, durable=False) as session:
        if not _still(session, subject):
            return False
        paired = True
        if text is not None and signed is not None:
            session.execute(_CALL, {**subject.key, "series": subject.series})
            paired = pairs.store(session, tenant, subject.digest, len(text.shingles), signed)
        done = paired and (text is None or not subject.series)
        if done:  # a text that is known, under a name that tells nothing
            session.execute(_COMPARED, subject.key)
    if not done and signed is not None:
        found = _pairs(services, subject, signed, read, paired=paired)
        with services.catalog.transaction(tenant, durable=False) as session:
            if not _still(session, subject):
                return False
            pairs.keep(session, tenant, subject.digest, found)
            session.execute(_COMPARED, subject.key)
    return True


def give_up(services: Services, tenant: str, document_id: str) -> None:
    """Leave the version that the document shows now out of comparing."""
    with services.catalog.transaction(tenant) as session:
        row = session.execute(_WANTED, {"tenant": tenant, "document": document_id}).first()
        if row is not None:
            session.execute(_COMPARED, {"tenant": tenant, "document": document_id, "version": row.version})


def _own(subject: _Subject, read: Read) -> Text | None:
    try:
        return read(subject.digest) if subject.digest else None
    except Unavailable as error:
        log.error("document %s version %d is not compared: %s", subject.document, subject.version, error.detail)
        return None


def _still(session: Session, subject: _Subject) -> bool:
    """Whether the document still shows what is compared; it stays so to the end of the transaction."""
    return session.execute(_LOCK, subject.key).first() is not None


def _pairs(services: Services, subject: _Subject, signed: Signature, read: Read, *, paired: bool) -> tuple[Pair, ...]:
    """What is like the subject's text and not yet kept. ``paired``: by bands it was looked for already."""
    tenant, digest = subject.tenant, subject.digest
    with services.catalog.reading(tenant) as session:
        alike = [] if paired else pairs.sharing(session, tenant, digest, signed)
        called = pairs.of_series(session, tenant, subject.document, digest, subject.series)
        there = pairs.known(session, tenant, digest, [one.digest for one in (*alike, *called)])
    of_series = {one.digest for one in called}
    nearest = [one for one in _nearest(alike, signed) if one.digest not in of_series]
    found = [
        pair
        for one in (*called, *nearest)
        if one.digest not in there
        and (pair := _pair(digest, one, estimate(signed, one.signature), read, of_series=one.digest in of_series))
    ]
    found.sort(key=lambda pair: (-pair.similarity, pair.a, pair.b))
    return tuple(_with_conflicts(pair, read) for pair in found[:MOST_PAIRS])


def _nearest(candidates: Sequence[Candidate], signed: Signature) -> list[Candidate]:
    found = [(estimate(signed, one.signature), one) for one in candidates]
    found = [one for one in found if one[0] >= NEAR_OF_SERIES - BELOW]
    return [one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].digest))[:MOST_EXACT]]


def _pair(digest: str, other: Candidate, estimated: float, read: Read, *, of_series: bool) -> Pair | None:
    """None where they turn out not to be alike, or the other text cannot be read."""
    mine = read(digest)
    try:
        theirs = read(other.digest)
    except Unavailable:  # told when its own document is compared
        return None
    if mine is None or theirs is None:
        return None
    similarity, held = jaccard(mine.shingles, theirs.shingles), containment(mine.shingles, theirs.shingles)
    if similarity < (NEAR_OF_SERIES if of_series or held >= HELD else NEAR):
        return None
    a, b = sorted((digest, other.digest))
    return Pair(a, b, round(similarity, 4), round(estimated, 4), round(held, 4), ())


def _with_conflicts(pair: Pair, read: Read) -> Pair:
    a, b = read(pair.a), read(pair.b)
    if a is None or b is None:
        return pair
    return replace(pair, conflicts=between(a.rules, b.rules))
