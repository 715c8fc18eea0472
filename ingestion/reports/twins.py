"""Duplicates and conflicts among what an owner answers for, as part of the staleness report: each pair of texts once,
by one document of each side, and never by one that the report may not speak of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.twins import CURRENT, LINKS, UNCOMPARED
from vouch.core.series import Relation, related
from vouch.core.types import Json, Span

MOST = 100
"""Pairs, and conflicts, in one report; their numbers are told whole."""


@dataclass(frozen=True, slots=True)
class Party:
    """A document of a pair. What is None of its name may not be told: the report acts for nobody."""

    document_id: str
    source_id: str
    version: int
    modified_at: datetime | None
    external_id: str | None = None
    title: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """``mine`` is the owner's. ``documents``: how many show the other text, of an identical one all of them."""

    mine: Party
    other: Party
    relation: Relation
    similarity: float
    documents: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class Quoted:
    """A sentence of a document, and the figure in it that the other says otherwise."""

    span: Span
    quote: str
    said: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    kind: str
    mine: Party
    other: Party
    ours: Quoted
    theirs: Quoted


@dataclass(frozen=True, slots=True)
class Twins:
    """``uncompared``: documents whose current version is to be compared yet. Acting for nobody no conflict is listed,
    for each of them is a quote."""

    duplicates: tuple[Duplicate, ...] = ()
    duplicates_in_all: int = 0
    conflicts: tuple[Contradiction, ...] = ()
    conflicts_in_all: int = 0
    uncompared: int = 0

    @property
    def told(self) -> set[str]:
        """The documents that are named."""
        parties = [party for row in self.duplicates for party in (row.mine, row.other)]
        parties += [party for row in self.conflicts for party in (row.mine, row.other)]
        return {party.document_id for party in parties}


@dataclass(frozen=True, slots=True)
class Scope:
    """Conditions on ``document d`` and ``source s``, with their parameters, and whether names are told."""

    readable: str
    whose: str
    values: Json
    told: bool


_SOURCE = "JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id"
_NAMES = ("document_id", "source_id", "version", "modified_at", "external_id", "title", "uri")
_PARTIES = ", ".join(
    f"{alias}.{column} AS {side}_{name}"
    for side, alias in (("mine", "d"), ("other", "o"))
    for name, column in zip(
        _NAMES, ("id", "source_id", "current_version", "modified_at", "external_id", "title", "uri"), strict=True
    )
)
_BOTH = """
    JOIN document d ON d.tenant_id = :tenant AND d.id = p.id
    JOIN document o ON o.tenant_id = :tenant AND o.id = p.other_id
"""
_LISTED = f"""
    SELECT p.similarity, p.containment, p.conflicts, p.shown, p.text = p.other AS same, {_PARTIES},
        count(*) OVER () AS in_all
    FROM pairs p {_BOTH} ORDER BY p.conflicts DESC, p.similarity DESC, p.id, p.other_id LIMIT :most
"""  # noqa: S608 - constants, no input
_QUOTED = f"""
    SELECT f.*, f.a = p.text AS mine_is_a, {_PARTIES}, count(*) OVER () AS in_all
    FROM pairs p JOIN twin_conflict f ON f.tenant_id = :tenant
        AND f.a = least(p.text, p.other) AND f.b = greatest(p.text, p.other)
    {_BOTH} WHERE p.conflicts > 0 ORDER BY p.similarity DESC, p.id, p.other_id, f.n LIMIT :most
"""  # noqa: S608 - constants, no input


def twins(session: Session, scope: Scope) -> Twins:
    """What the report of this scope tells."""
    values = {**scope.values, "most": MOST}
    pairs = _pairs(scope)
    listed = session.execute(sa.text(f"{pairs} {_LISTED}"), values).all()
    quoted = session.execute(sa.text(f"{pairs} {_QUOTED}"), values).all() if listed else []
    uncompared = f"SELECT count(*) FROM document d {_SOURCE} WHERE {UNCOMPARED} AND {scope.readable} AND {scope.whose}"  # noqa: S608
    return Twins(
        duplicates=tuple(_duplicate(row, scope) for row in listed),
        duplicates_in_all=listed[0].in_all if listed else 0,
        conflicts=tuple(_contradiction(row, scope) for row in quoted) if scope.told else (),
        conflicts_in_all=quoted[0].in_all if quoted else 0,
        uncompared=int(session.execute(sa.text(uncompared), scope.values).scalar_one()),
    )


def _pairs(scope: Scope) -> str:
    """``pairs``: of every two texts that are alike, and that documents in sight show, one document of each side. What
    is the owner's on both sides is told once, from the lesser text."""
    return f"""
    WITH mine AS MATERIALIZED (
        SELECT d.id, v.text FROM document d {_SOURCE} JOIN document_version v ON {CURRENT}
        WHERE {scope.readable} AND {scope.whose}
    ), texts AS MATERIALIZED (SELECT m.text, min(m.id) AS first FROM mine m GROUP BY m.text
    ), links AS MATERIALIZED ({LINKS}
    ), seen AS MATERIALIZED (
        SELECT v.text, min(d.id) AS first, max(d.id) AS last, count(*) AS shown
        FROM (SELECT DISTINCT other FROM links) o
        JOIN document_version v ON v.tenant_id = :tenant AND v.text = o.other
        JOIN document d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.current_version = v.version
        {_SOURCE} WHERE {scope.readable} GROUP BY v.text
    ), pairs AS (
        SELECT l.mine AS text, l.other, l.similarity, l.containment, l.conflicts, t.first AS id, n.shown,
            CASE WHEN l.mine = l.other AND n.first = t.first THEN n.last ELSE n.first END AS other_id
        FROM links l JOIN texts t ON t.text = l.mine JOIN seen n ON n.text = l.other
        WHERE (l.mine <> l.other OR n.shown > 1)
        AND (l.mine <= l.other OR NOT EXISTS (SELECT 1 FROM texts x WHERE x.text = l.other))
    )
    """  # noqa: S608 - constants, no input


def _duplicate(row: Any, scope: Scope) -> Duplicate:
    mine, other = _party(row, "mine", scope), _party(row, "other", scope)
    names = ((one.title or "", one.external_id or "") for one in (mine, other))
    relation: Relation = "identical"
    if not row.same:
        relation = related(*names, similarity=row.similarity, containment=row.containment)
    return Duplicate(mine, other, relation, row.similarity, row.shown, row.conflicts)


def _contradiction(row: Any, scope: Scope) -> Contradiction:
    ours, theirs = ("a", "b") if row.mine_is_a else ("b", "a")
    mine, other = _party(row, "mine", scope), _party(row, "other", scope)
    return Contradiction(row.kind, mine, other, _quoted(row, ours), _quoted(row, theirs))


def _quoted(row: Any, of: str) -> Quoted:
    start, end, at, to, quote = (getattr(row, f"{of}_{part}") for part in ("start", "end", "from", "to", "quote"))
    return Quoted(Span(start, end), quote, quote[at - start : to - start])


def _party(row: Any, of: str, scope: Scope) -> Party:
    names = _NAMES if scope.told else _NAMES[:4]
    return Party(**{name: getattr(row, f"{of}_{name}") for name in names})
