"""Gate 2 over the candidates, and the text of those it admits, in one snapshot of the catalog."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from acl.recheck import Rejection, recheck, why_rejected
from acl.resolve import Access
from retrieval.freshness import Treatment, freshness, readable_successor, standings
from retrieval.fuse import Kept, fuse
from retrieval.metrics import GATE_TWO_REJECTIONS
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.types import Candidate, ChunkKey, Hit
from vouch.catalog.freshness import FACTS, REVIEWED
from vouch.core.freshness import Aged
from vouch.core.places import STEP, Place, from_json
from vouch.core.types import IndexHits, Span

log = logging.getLogger(__name__)

# A chunk of a version that is no longer current joins nothing: a newer one has been published since.
_LOAD = f"""
    SELECT c.document_id, c.version, c.ordinal, c.span_start, c.span_end, c.text, c.place, c.places, c.heading_path,
        d.external_id, d.source_id, d.title, d.uri, d.owner, s.data_class,
        coalesce(v.meta ->> 'mime', d.mime) AS mime, coalesce(v.meta ->> 'language', d.language) AS language,
        v.text AS text_digest, {FACTS}, {{vector}} AS vector
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[]), CAST(:ordinals AS int[]))
        AS k(document_id, version, ordinal)
    JOIN document d ON d.tenant_id = :tenant AND d.id = k.document_id AND d.current_version = k.version
    JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = k.version
    JOIN chunk c ON c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = k.version
        AND c.chunker = :chunker AND c.ordinal = k.ordinal
    {REVIEWED}
"""  # noqa: S608 - constants, no input
_TEXTS = sa.text(_LOAD.format(vector="NULL"))
# The catalog keeps what was embedded, so nothing is asked of the index and nothing is embedded again.
_TEXTS_AND_VECTORS = sa.text(
    _LOAD.format(
        vector="""(
        SELECT e.vector FROM embedding e
        WHERE e.tenant_id = c.tenant_id AND e.model = :model AND e.text_hash = c.text_hash)"""
    )
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What passed gate 2, by falling fused score, and what did not. ``rest``: readable, and not needed."""

    access: Access
    hits: tuple[Hit, ...]
    rest: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    """All that were to be had, hits and rest among them."""
    refused: tuple[Candidate, ...]
    """Candidates that the index proposed and the catalog does not permit."""
    reasons: Mapping[str, Rejection]
    """Why, by document."""
    outdated: int
    """Candidates of a version that a newer one has replaced: expected while the index catches up."""
    dropped: tuple[tuple[Candidate, Aged], ...]
    """Candidates that are readable and that their source wants left out of search, each with the state for which."""
    left_out: frozenset[str]
    """Documents refused or dropped."""
    wanted: int
    """Hits that were asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``hits`` at least, or ``behind_demoted`` where any of the candidates is demoted; ``depth`` hits of each arm
    count, and of these what ``sieve`` lets through."""

    hits: int
    behind_demoted: int
    depth: int
    sieve: Sieve = field(default_factory=Sieve)
    vectors: bool = False
    """Whether the hits are to have theirs."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What is known of the candidates' documents in one snapshot."""

    readable: frozenset[str]
    replaced_by: Mapping[str, tuple[str, ...]]
    treated: Mapping[str, Treatment]


def recheck_candidates(
    services: Services, access: Access, found: IndexHits, candidates: tuple[Candidate, ...], wanted: Wanted
) -> Admitted:
    """As many hits as are wanted: each candidate refused, dropped or outdated is replaced by the next.

    ``candidates`` are ``found``, fused; they are fused anew without what is left out. Raises what
    :func:`acl.recheck.recheck` raises.
    """
    documents = {candidate.document_id for candidate in candidates}
    model = services.recipe.model if wanted.vectors else None
    with services.catalog.reading(access.tenant) as session:
        replaced_by, treated = standings(session, access.tenant, documents)
        fresh, readable = recheck(session, access, documents.union(*replaced_by.values()))
        decided = Decided(readable, replaced_by, {one: told for one, told in treated.items() if one in readable})
        reasons = why_rejected(session, access, fresh, documents - readable)
        refused = tuple(c for c in candidates if c.document_id not in readable)
        dropped = _dropped(found, decided, documents - readable, wanted.depth)
        left_out = (documents - readable).union(one for one, told in decided.treated.items() if told.done == "drop")
        kept = Kept(left_out, wanted.depth, one_each=wanted.sieve.one_each)
        if left_out or kept.one_each or max(len(found.dense), len(found.lexical)) > wanted.depth:
            candidates = fuse(found, kept=kept)
        if wanted.sieve:
            candidates = _sifted(session, (fresh.tenant, services.recipe.chunker), found, kept, wanted.sieve)
        falls = any(_demoted(candidate.document_id, decided) for candidate in candidates)
        want = max(wanted.hits, wanted.behind_demoted) if falls else wanted.hits
        hits: list[Hit] = []
        outdated = 0
        waiting = candidates
        while waiting and len(hits) < want:
            batch, waiting = waiting[: want - len(hits)], waiting[want - len(hits) :]
            rows = load(session, fresh.tenant, services.recipe.chunker, batch, model=model)
            hits += [hit_of(c, rows[c.key], decided) for c in batch if c.key in rows]
            outdated += len(batch) - len(rows)
    return Admitted(
        fresh, tuple(hits), waiting, candidates, refused, reasons, outdated, dropped, frozenset(left_out), want
    )


def still_readable(services: Services, access: Access, hits: tuple[Hit, ...]) -> tuple[Access, tuple[Hit, ...]]:
    """Gate 2 once more, in a new snapshot: the hits that the asker may still read, and the access that decided."""
    with services.catalog.reading(access.tenant) as session:
        access, readable = recheck(session, access, {hit.document_id for hit in hits})
    return access, tuple(hit for hit in hits if hit.document_id in readable)


def alarm(admitted: Admitted) -> None:
    """Count what gate 2 refused by reason; log, ids only, what gate 1 ought to have excluded: the index lags behind
    the catalog, or is wrong."""
    for candidate in admitted.refused:
        GATE_TWO_REJECTIONS.labels(admitted.reasons[candidate.document_id]).inc()
    alarming = [one for one in admitted.refused if admitted.reasons[one.document_id] == "lag_or_error"]
    if alarming:
        log.warning(
            "gate 2 refused %d candidates at epoch %d: documents %s",
            len(alarming),
            admitted.access.epoch,
            sorted({candidate.document_id for candidate in alarming}),
        )


def _dropped(
    found: IndexHits, decided: Decided, refused: Collection[str], depth: int
) -> tuple[tuple[Candidate, Aged], ...]:
    """What would have been candidates, were it not for their source's wish. Counted without what is refused, so that
    it tells nothing of that."""
    states = {one: told.state for one, told in decided.treated.items() if told.done == "drop"}
    if not states:
        return ()
    ranked = fuse(found, kept=Kept(refused, depth))
    return tuple((c, states[c.document_id]) for c in ranked if c.document_id in states)


def _demoted(document_id: str, decided: Decided) -> Aged | None:
    told = decided.treated.get(document_id)
    return told.state if told is not None and told.done == "demote" else None


def _sifted(session: Session, of: tuple[str, str], found: IndexHits, kept: Kept, sieve: Sieve) -> tuple[Candidate, ...]:
    """What the sieve lets through, ranked as though nothing else had been found. A chunk that is no longer current
    has no text to be sifted by: it is passed over later, as ever. ``of``: tenant and chunker."""
    waiting = fuse(found, kept=replace(kept, one_each=False))
    rows = load(session, *of, waiting) if waiting else {}
    return fuse(found, kept=replace(kept, sifted={key for key, row in rows.items() if not sieve.passes(row)}))


def load(
    session: Session, tenant: str, chunker: str, candidates: Sequence[Candidate], *, model: str | None = None
) -> dict[ChunkKey, Any]:
    """The rows of the chunks that are of a current version, as ``chunker`` cut it, with the vectors of ``model`` that
    are kept. Only for documents that gate 2 has admitted."""
    documents, versions, ordinals = zip(*(c.key for c in candidates), strict=True)
    keys = {"documents": list(documents), "versions": list(versions), "ordinals": list(ordinals)}
    given = {"tenant": tenant, "chunker": chunker, **keys}
    if model is None:
        rows = session.execute(_TEXTS, given)
    else:
        rows = session.execute(_TEXTS_AND_VECTORS, {**given, "model": model})
    return {(row.document_id, row.version, row.ordinal): row for row in rows}


def part_of(hit: Hit, row: Any) -> Hit:
    """Another chunk of the hit's version, as a hit."""
    span, place = Span(row.span_start, row.span_end), row.place or STEP.join(row.heading_path)
    places = from_json(row.places) or (Place(span, place),)
    what = {"ordinal": row.ordinal, "span": span, "text": row.text, "place": place, "places": places}
    return replace(hit, **what, heading_path=tuple(row.heading_path), vector=None)


def hit_of(candidate: Candidate, row: Any, decided: Decided) -> Hit:
    """The hit that an admitted chunk is."""
    superseded_by = readable_successor(row.document_id, decided.replaced_by, decided.readable)
    span, place = Span(row.span_start, row.span_end), row.place or STEP.join(row.heading_path)
    return Hit(
        document_id=row.document_id,
        external_id=row.external_id,
        version=row.version,
        ordinal=row.ordinal,
        source_id=row.source_id,
        title=row.title,
        uri=row.uri,
        mime=row.mime,
        span=span,
        text=row.text,
        text_digest=row.text_digest,
        place=place,
        places=from_json(row.places) or (Place(span, place),),
        heading_path=tuple(row.heading_path),
        scores=candidate.scores,
        score=candidate.scores.fused,
        freshness=freshness(row, superseded_by),
        owner=row.owner,
        data_class=row.data_class,
        demoted=_demoted(row.document_id, decided),
        vector=None if row.vector is None else np.frombuffer(row.vector, dtype="<f4"),
    )
