"""How many documents fit, by source, type, owner, language, year and freshness: of those the asker may see, alone.

What is counted are documents, under gate 2's own condition, in the statement that counts them. Which of them fit:

- where a query has phrases, those that have a passage with all of them;
- else those that have a passage with at least one of the query's words, by stem;
- where only meaning is searched, or likeness, those among the passages that were looked at;
- where there are only filters, all that fit.

Filters hold, and nothing that is left out counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import PERMITTED, parameters, recheck
from acl.resolve import Access
from retrieval.freshness import successors, treatments
from retrieval.query import Query
from retrieval.query_values import short_name
from retrieval.recheck import load
from retrieval.search import look
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.terms import told_by_words
from retrieval.types import Candidate, Facet, Question, Scores
from vouch.catalog.freshness import FACTS, REVIEWED, STATE
from vouch.core import clock
from vouch.core.types import IndexQuery, SparseVector
from vouch.index.lexical import analysis_named

MATCHES = 4_000
"""Passages, the best first, among whose documents is counted."""
_DEEPEST = 16
"""Times as many that are asked for where gate 2 refuses some."""
VALUES = 50
"""Of a facet, the most frequent."""

# One bit for each facet that a row of counts is not of.
_COUNTS = sa.text(
    f"""
    WITH f AS (
        SELECT d.source_id, s.name, coalesce(v.meta ->> 'mime', '') AS type, d.owner,
            coalesce(v.meta ->> 'language', 'und') AS language,
            to_char(d.modified_at AT TIME ZONE 'UTC', 'YYYY') AS year,
            d.id = ANY(CAST(:superseded AS text[])) AS superseded, true AS owned, {FACTS}
        FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[])) AS k(id, version)
        CROSS JOIN LATERAL (SELECT * FROM document d WHERE (d.tenant_id, d.id) = (:tenant, k.id) OFFSET 0) d
        CROSS JOIN LATERAL (SELECT * FROM source s WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id OFFSET 0) s
        JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
        {REVIEWED}
        WHERE d.current_version = k.version AND {PERMITTED}
    )
    SELECT grouping(source_id, type, owner, language, year, freshness) AS of, source_id, name, type, owner, language,
        year, freshness, count(*) AS documents
    FROM (SELECT f.*, {STATE} AS freshness FROM f) g
    GROUP BY GROUPING SETS ((), (source_id, name), (type), (owner), (language), (year), (freshness))
    """  # noqa: S608 - constants, no input
)
_OF: dict[int, tuple[Facet, str]] = {
    0b011111: ("source", "source_id"),
    0b101111: ("type", "type"),
    0b110111: ("owner", "owner"),
    0b111011: ("language", "language"),
    0b111101: ("year", "year"),
    0b111110: ("freshness", "freshness"),
}
_ALL = 0b111111


@dataclass(frozen=True, slots=True)
class Count:
    """``value`` is what a filter takes; ``name``: what people call it, of a source."""

    value: str
    documents: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """``exact`` False: there may be more documents than were counted."""

    documents: int
    exact: bool
    facets: Mapping[Facet, tuple[Count, ...]]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Chunks whose documents are to be counted, and whether there can be no others."""

    chunks: tuple[Candidate, ...]
    whole: bool


def fitting(services: Services, access: Access, question: Question, query: Query, sieve: Sieve) -> Fitting | None:
    """The chunks that fit, where the index can tell them by words; None where it cannot."""
    if question.mode == "dense" or question.like is not None:
        return None
    told = not query.phrases or told_by_words(query.phrases)
    analysis = analysis_named(services.recipe.lexical)
    words = analysis.query(" ".join(query.phrases) if query.phrases and told else query.words)
    if not words:
        return None
    found = _by_words(services, access, words, question, sieve)
    return found if told else Fitting(found.chunks, False)


def _by_words(services: Services, access: Access, words: SparseVector, question: Question, sieve: Sieve) -> Fitting:
    """The best :data:`MATCHES` passages with one of the words that the asker may read and the sieve lets through.

    What gate 2 refuses is taken out before anything is cut off, so that it pushes nothing out."""
    asked = MATCHES + 1
    while True:
        hits = look(services, access, IndexQuery(None, words, asked, question.where)).hits.lexical
        chunks = [Candidate(hit.document_id, hit.version, hit.ordinal, Scores()) for hit in hits]
        with services.catalog.reading(access.tenant) as session:
            searched = _searched(session, access, {hit.document_id for hit in hits})
            seen = [one for one in chunks if one.document_id in searched]
            if len(hits) == asked and len(seen) <= MATCHES and asked < _DEEPEST * MATCHES:
                asked *= 4
                continue
            kept = seen[:MATCHES]
            if sieve and kept:
                rows = load(session, access.tenant, services.recipe.chunker, kept)
                kept = [one for one in kept if one.key in rows and sieve.passes(rows[one.key])]
        return Fitting(tuple(kept), len(seen) <= MATCHES and len(hits) < asked)


def _searched(session: Session, access: Access, documents: Collection[str]) -> frozenset[str]:
    """Those that the asker may read and that their source does not want left out of search."""
    _, readable = recheck(session, access, documents)
    treated = treatments(session, access.tenant, readable)
    return readable - {one for one, told in treated.items() if told.done == "drop"}


def count(services: Services, access: Access, fitting: Fitting, facets: Iterable[Facet]) -> Matched:
    """Their documents, decided in this snapshot."""
    versions = {(one.document_id, one.version) for one in fitting.chunks}
    documents = {document_id for document_id, _ in versions}
    with services.catalog.reading(access.tenant) as session:
        replaced_by = successors(session, access.tenant, documents)
        access, readable = recheck(session, access, documents.union(*replaced_by.values()))
        ordered = sorted(versions)
        given = {
            **parameters(access),
            "ids": [document_id for document_id, _ in ordered],
            "versions": [version for _, version in ordered],
            "superseded": [old for old, new in replaced_by.items() if readable.intersection(new)],
            "now": clock.now(),
        }
        rows = session.execute(_COUNTS, given).all()
    told: dict[Facet, Counter[tuple[str, str | None]]] = {facet: Counter() for facet, _ in _OF.values()}
    for row in rows:
        _tell(told, row)
    whole = next((row.documents for row in rows if row.of == _ALL), 0)
    return Matched(whole, fitting.whole, {facet: _ordered(told[facet]) for facet in dict.fromkeys(facets)})


def _tell(told: Mapping[Facet, Counter[tuple[str, str | None]]], row: Any) -> None:
    """Add one row of counts. Documents without a value (nobody's, undated) are under none."""
    if row.of == _ALL:
        return
    facet, column = _OF[row.of]
    value = getattr(row, column)
    if value:
        name = row.name if facet == "source" else None
        told[facet][short_name(value) if facet == "type" else value, name] += row.documents


def _ordered(counts: Counter[tuple[str, str | None]]) -> tuple[Count, ...]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0][0]))
    return tuple(Count(value, documents, name) for (value, name), documents in ordered[:VALUES])
