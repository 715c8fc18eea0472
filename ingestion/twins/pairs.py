"""Texts and their signatures, pairs and conflicts, as rows: looked for by bands, kept once, however often they are
written. Every look-up is bounded, so that no number of documents that are alike makes one of them slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from ingestion.twins.conflicts import Conflict
from ingestion.twins.minhash import Signature, bands, pack, unpack
from vouch.catalog.tables import Signature as SignatureRow
from vouch.catalog.tables import Twin, TwinConflict

FROM_ONE_BAND = 64
CANDIDATES = 64
"""Texts that share most bands, whose signatures are compared."""
OF_A_SERIES = 8
"""Newest documents of the same name, whatever they share."""
MOST_CONFLICTS = 50
"""Kept of one pair, and told to be there in all."""

_BANDS = sa.text(
    "INSERT INTO signature_band (tenant_id, hash, digest)"
    " SELECT :tenant, h, :digest FROM unnest(CAST(:hashes AS bigint[])) AS h"
)
_A: sa.ColumnElement[str] = sa.literal_column("a")
_B: sa.ColumnElement[str] = sa.literal_column("b")
_SHARING = sa.text(
    """
    SELECT g.digest, g.minhash FROM (
        SELECT x.digest FROM unnest(CAST(:hashes AS bigint[])) AS h CROSS JOIN LATERAL (
            SELECT digest FROM signature_band
            WHERE tenant_id = :tenant AND hash = h AND digest <> :own ORDER BY digest LIMIT :from_one) x
        GROUP BY x.digest ORDER BY count(*) DESC, x.digest LIMIT :most) c
    CROSS JOIN LATERAL (
        SELECT digest, minhash FROM signature WHERE tenant_id = :tenant AND digest = c.digest OFFSET 0) g
    """
)
_OF_SERIES = sa.text(
    """
    SELECT DISTINCT g.digest, g.minhash FROM (
        SELECT tenant_id, id, current_version FROM document
        WHERE tenant_id = :tenant AND series = :series AND series <> '' AND state = 'live' AND id <> :document
        ORDER BY id DESC LIMIT :most) d
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    JOIN signature g ON g.tenant_id = :tenant AND g.digest = v.text
    WHERE g.digest <> :own
    """
)
_KNOWN = sa.text(
    "SELECT a, b FROM twin WHERE tenant_id = :tenant AND (a = :own AND b = ANY(CAST(:others AS text[]))"
    " OR b = :own AND a = ANY(CAST(:others AS text[])))"
)
_STILL = sa.text(
    "SELECT digest FROM signature WHERE tenant_id = :tenant AND digest = ANY(CAST(:digests AS text[]))"
    " ORDER BY digest FOR KEY SHARE"
)
_PAIRED = sa.text("UPDATE signature SET paired = true WHERE tenant_id = :tenant AND digest = :own AND NOT paired")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may be like another."""

    digest: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that are alike; the conflicts' side ``a`` is that of the text ``a``, which has the lesser digest."""

    a: str
    b: str
    similarity: float
    estimated: float
    containment: float
    conflicts: tuple[Conflict, ...]


def store(session: Session, tenant: str, digest: str, shingles: int, signature: Signature) -> bool:
    """Keep a text's signature, where it is not kept yet. Returns whether those like it have been looked for."""
    row = {"tenant_id": tenant, "digest": digest, "shingles": shingles, "minhash": pack(signature)}
    added = session.execute(insert(SignatureRow).values(row).on_conflict_do_nothing().returning(sa.literal(1))).first()
    if added is not None:
        session.execute(_BANDS, {"tenant": tenant, "digest": digest, "hashes": sorted(set(bands(signature)))})
        return False
    return bool(session.get_one(SignatureRow, (tenant, digest)).paired)


def sharing(session: Session, tenant: str, digest: str, signature: Signature) -> list[Candidate]:
    """The texts that share most bands with this one."""
    values = {"tenant": tenant, "own": digest, "hashes": bands(signature), "from_one": FROM_ONE_BAND}
    return [Candidate(own, unpack(packed)) for own, packed in session.execute(_SHARING, {**values, "most": CANDIDATES})]


def of_series(session: Session, tenant: str, document_id: str, digest: str, series: str) -> list[Candidate]:
    """The texts of the newest documents of the same name, but for dates and versions."""
    values = {"tenant": tenant, "document": document_id, "own": digest, "series": series, "most": OF_A_SERIES}
    return [Candidate(own, unpack(packed)) for own, packed in session.execute(_OF_SERIES, values)]


def known(session: Session, tenant: str, digest: str, others: Sequence[str]) -> frozenset[str]:
    """Those of ``others`` that are kept as alike already."""
    rows = session.execute(_KNOWN, {"tenant": tenant, "own": digest, "others": list(others)})
    return frozenset(b if a == digest else a for a, b in rows)


def keep(session: Session, tenant: str, digest: str, found: Sequence[Pair]) -> None:
    """Write the pairs of a text. One whose other text has gone meanwhile is left out."""
    digests = {digest, *(one.a for one in found), *(one.b for one in found)}
    still = frozenset(session.execute(_STILL, {"tenant": tenant, "digests": sorted(digests)}).scalars())
    pairs = {(one.a, one.b): one for one in found if {one.a, one.b} <= still}
    if pairs:
        rows = [_row(tenant, pairs[key]) for key in sorted(pairs)]
        added = session.execute(insert(Twin).values(rows).on_conflict_do_nothing().returning(_A, _B)).all()
        conflicts = [row for a, b in added for row in _conflict_rows(tenant, pairs[a, b])]
        if conflicts:
            session.execute(sa.insert(TwinConflict), conflicts)
    session.execute(_PAIRED, {"tenant": tenant, "own": digest})


def _row(tenant: str, pair: Pair) -> dict[str, object]:
    return {
        "tenant_id": tenant, "a": pair.a, "b": pair.b, "similarity": pair.similarity, "estimated": pair.estimated,
        "containment": pair.containment, "conflicts": len(pair.conflicts),
    }  # fmt: skip


def _conflict_rows(tenant: str, pair: Pair) -> list[dict[str, object]]:
    return [
        {
            "tenant_id": tenant, "a": pair.a, "b": pair.b, "n": n, "kind": one.kind,
            **{f"{name}_{part}": value for name, side in (("a", one.a), ("b", one.b)) for part, value in (
                ("start", side.span.start), ("end", side.span.end), ("from", side.figure.start),
                ("to", side.figure.end), ("quote", side.quote))},
        }
        for n, one in enumerate(pair.conflicts[:MOST_CONFLICTS])
    ]  # fmt: skip
