"""Documents that hold words which read as if they were meant for a model (`ingestion/stages/suspect.py`).

Places and kinds, never the words. For who acts for nobody: ids and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.owners import OWNER
from ingestion.reports.judged import SOURCE

MOST = 200
"""Documents in one report; their number is told whole."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """``ruse`` is what the words read like, from ``start`` to ``end`` of the document's text."""

    ruse: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SuspectedDocument:
    """``places`` in its current version, the first of ``places_in_all``. ``looked_at``: characters from its beginning,
    where the text is longer than what was looked at. What is None of names may not be told."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    places: tuple[Suspicion, ...]
    places_in_all: int
    looked_at: int | None


@dataclass(frozen=True, slots=True)
class SuspectedDocuments:
    """At most :data:`MOST` of ``in_all``."""

    documents: tuple[SuspectedDocument, ...] = ()
    in_all: int = 0


def suspected_documents(
    session: Session, conditions: tuple[str, str], values: Mapping[str, Any], *, named: bool
) -> SuspectedDocuments:
    """Of documents that the ``conditions`` (readable, whose) on ``document d`` and ``source s`` hold for.

    ``values`` are their parameters. Without ``named`` the report acts for nobody.
    """
    readable, whose = conditions
    listed = sa.text(
        f"""
        SELECT d.id, d.source_id, d.external_id, d.title, d.uri, {OWNER} AS owner, v.meta, count(*) OVER () AS in_all
        FROM document d {SOURCE} JOIN document_version v
            ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
        WHERE ({readable}) AND ({whose}) AND jsonb_array_length(coalesce(v.meta->'suspected', '[]')) > 0
        ORDER BY d.source_id, d.external_id LIMIT :most_suspected
        """  # noqa: S608 - constants, no input
    )
    rows = session.execute(listed, {**values, "most_suspected": MOST}).all()
    return SuspectedDocuments(tuple(_told(row, named=named) for row in rows), rows[0].in_all if rows else 0)


def _told(row: Any, *, named: bool) -> SuspectedDocument:
    return SuspectedDocument(
        document_id=row.id,
        source_id=row.source_id,
        external_id=row.external_id if named else None,
        title=row.title if named else None,
        uri=row.uri if named else None,
        owner=row.owner,
        places=tuple(Suspicion(*place) for place in row.meta["suspected"]) if named else (),
        places_in_all=row.meta["suspected_in_all"],
        looked_at=row.meta.get("suspected_to"),
    )
