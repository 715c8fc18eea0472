"""Questions of headings: what a section is called where nothing else is called so, the section being what answers."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access
from retrieval.folding import fold
from retrieval.proposals.candidates import QUOTED, Candidate, Evidence, Readable
from retrieval.proposals.choose import common
from retrieval.proposals.readable import keys

MOST = 40_000
"""Sections looked at."""
_ENOUGH_WORDS = 3

_SECTIONS = sa.text(
    """
    SELECT m.id, c.heading_path, c.quote
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[])) WITH ORDINALITY AS m(id, version, place)
    CROSS JOIN LATERAL (
        SELECT c.heading_path, min(c.ordinal) AS ordinal,
            (array_agg(left(c.text, :quoted) ORDER BY c.ordinal))[1] AS quote
        FROM chunk c
        WHERE (c.tenant_id, c.document_id, c.version, c.chunker) = (:tenant, m.id, m.version, :chunker)
        AND cardinality(c.heading_path) > 0 GROUP BY c.heading_path
    ) c
    ORDER BY m.place, c.ordinal LIMIT :most
    """
)


def heading_candidates(
    session: Session, access: Access, documents: list[Readable], chunker: str
) -> tuple[list[Candidate], int]:
    """One candidate for each section that alone is called as it is; and how many share their name with another."""
    values = {**keys(documents), "tenant": access.tenant, "chunker": chunker, "quoted": QUOTED, "most": MOST}
    by_id = {one.id: one for one in documents}
    found = []
    for row in session.execute(_SECTIONS, values):
        of = by_id[row.id]
        path = tuple(row.heading_path)
        evidence = Evidence(of.id, of.name, of.title, of.version, path, row.quote)
        found.append(Candidate("heading", worded(path, of.title), (evidence,)))
    called = Counter(one.question.casefold() for one in found)
    candidates = [one for one in found if called[one.question.casefold()] == 1]
    return candidates, len(found) - len(candidates)


def worded(path: tuple[str, ...], title: str) -> str:
    """The heading; a short one says too little alone, and takes what it stands under before it. One that every page has
    says nothing even then, and is left to be passed over."""
    last = " ".join(path[-1].split())
    above = path[-2] if len(path) > 1 else title
    if len(last.split()) >= _ENOUGH_WORDS or common(last) or fold(last) == fold(above):
        return last
    return f"{' '.join(above.split())}: {last}"
