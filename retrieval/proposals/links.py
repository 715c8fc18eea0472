"""Questions of links: what a page calls another one, that page being what answers it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access
from retrieval.proposals.candidates import Candidate, Named, Readable
from retrieval.proposals.readable import keys, openings

MOST = 20_000
"""Meanings of links looked at."""
TAKEN_FROM = 20
"""Pages with the same link that are named."""
_LONGEST = 400

# The words of a link stand in the chunk around it. All it can mean is looked up; gate 2 decides afterwards.
_AIMED = sa.text(
    """
    SELECT m.id, l.ordinal, l.way, t.id AS target,
        substr(c.text, l.span_start - c.span_start + 1, l.span_end - l.span_start) AS said
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[])) WITH ORDINALITY AS m(id, version, place)
    CROSS JOIN LATERAL (
        SELECT * FROM document_link l WHERE (l.tenant_id, l.document_id, l.version) = (:tenant, m.id, m.version)
        AND l.span_end > l.span_start AND l.span_end - l.span_start < :longest OFFSET 0
    ) l
    CROSS JOIN LATERAL (
        SELECT d.id FROM document d
        WHERE d.tenant_id = :tenant AND d.source_id = l.source_id AND d.external_id = l.path
        UNION ALL SELECT d.id FROM document d WHERE d.tenant_id = :tenant AND d.uri = l.url
    ) t
    CROSS JOIN LATERAL (
        SELECT c.text, c.span_start FROM chunk c
        WHERE (c.tenant_id, c.document_id, c.version, c.chunker) = (:tenant, m.id, m.version, :chunker)
        AND c.span_start <= l.span_start AND c.span_end >= l.span_end ORDER BY c.ordinal LIMIT 1
    ) c
    WHERE t.id <> m.id ORDER BY m.place, l.ordinal, l.way, t.id LIMIT :most
    """
)


def link_candidates(
    session: Session, access: Access, documents: list[Readable], chunker: str
) -> tuple[list[Candidate], int]:
    """One candidate for each text of links that leads to one document; and how many texts lead to several, which
    therefore name none of them. Of what a link can mean, the likeliest that the asker may read counts."""
    values = {**keys(documents), "tenant": access.tenant, "chunker": chunker, "longest": _LONGEST, "most": MOST}
    rows = session.execute(_AIMED, values).all()
    found = openings(session, access, {row.target for row in rows}, chunker)
    names = {one.id: one.name for one in documents}
    led: dict[tuple[str, int], tuple[str, str]] = {}
    for row in rows:
        if row.target in found:
            led.setdefault((row.id, row.ordinal), (" ".join(row.said.split()), row.target))
    targets: dict[str, dict[str, dict[Named, None]]] = {}
    for (page, _), (said, target) in led.items():
        targets.setdefault(said, {}).setdefault(target, {})[names[page]] = None
    candidates = []
    for said, by_target in targets.items():
        if len(by_target) == 1:
            ((target, pages),) = by_target.items()
            candidates.append(Candidate("link", said, (found[target],), tuple(pages)[:TAKEN_FROM]))
    return candidates, len(targets) - len(candidates)
