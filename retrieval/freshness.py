"""How far a document may be relied on today, which documents replace it, and what its source wants done in search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from retrieval.types import Freshness
from vouch.catalog.freshness import TREATED, facts
from vouch.core import clock
from vouch.core.freshness import Aged, standing

# Two documents that each claim to replace the other replace nothing.
_NEWER = """
    WITH old AS (
        SELECT id, source_id, external_id, supersedes FROM document
        WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS text[]))
    )
    SELECT old.id, array_agg(new.id ORDER BY new.modified_at DESC NULLS LAST, new.id) AS newer FROM old
    JOIN document new ON new.source_id = old.source_id AND old.external_id = ANY(new.supersedes)
    WHERE new.tenant_id = :tenant AND cardinality(new.supersedes) > 0
    AND new.state = 'live' AND new.current_version IS NOT NULL
    AND new.id <> old.id AND NOT new.external_id = ANY(old.supersedes)
    GROUP BY old.id
"""
_SUCCESSORS = sa.text(_NEWER)
_TREATED = sa.text(TREATED)
_STANDINGS = sa.text(
    f"SELECT n.id, n.newer, NULL AS state, NULL AS treatment FROM ({_NEWER}) n"  # noqa: S608 - constants, no input
    f" UNION ALL SELECT t.id, NULL, t.state, t.treatment FROM ({TREATED}) t"
)


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a document's source wants done with it in search, and for which of its states."""

    done: Literal["demote", "drop"]
    state: Aged


def treatments(session: Session, tenant: str, document_ids: Collection[str]) -> dict[str, Treatment]:
    """Those of the documents that are not to be kept where they rank. As of now: a review, another policy or a source
    that can be read again counts with the next question. Not yet decided for any asker."""
    given = {"tenant": tenant, "ids": list(document_ids), "now": clock.now()}
    return {row.id: Treatment(row.treatment, row.state) for row in session.execute(_TREATED, given)}


def successors(session: Session, tenant: str, document_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each document the live documents of its source that list it in ``supersedes``, newest first.

    Not yet decided for any asker: what they may not read must be dropped before anything is said of it.
    """
    rows = session.execute(_SUCCESSORS, {"tenant": tenant, "ids": list(document_ids)})
    return {row.id: tuple(row.newer) for row in rows}


def standings(
    session: Session, tenant: str, document_ids: Collection[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, Treatment]]:
    """:func:`successors` and :func:`treatments` in one statement, for a search asks for both."""
    newer, treated = dict[str, tuple[str, ...]](), dict[str, Treatment]()
    for row in session.execute(_STANDINGS, {"tenant": tenant, "ids": list(document_ids), "now": clock.now()}):
        if row.newer is not None:
            newer[row.id] = tuple(row.newer)
        else:
            treated[row.id] = Treatment(row.treatment, row.state)
    return newer, treated


def readable_successor(document_id: str, found: Mapping[str, tuple[str, ...]], readable: Collection[str]) -> str | None:
    """The newest successor that the asker may read."""
    return next((new for new in found.get(document_id, ()) if new in readable), None)


def freshness(row: Any, superseded_by: str | None) -> Freshness:
    """Of a row that holds :data:`vouch.catalog.freshness.FACTS`, as a reader is told of it."""
    found = standing(facts(row, superseded=superseded_by is not None), clock.now())
    return Freshness(found.state, row.modified_at, found.review_due, superseded_by)
