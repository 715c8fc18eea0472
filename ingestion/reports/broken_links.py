"""Links that lead to a document no more.

For a user: those to what they could once read and cannot now (:mod:`acl.closed`). Whether it was deleted or closed to
them looks the same, and a link to what they never could read looks like one to nothing: neither is told of. For who
acts for nobody: those to what was deleted, by ids and in numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.closed import CLOSED, OPEN
from acl.owners import OWNER
from ingestion.reports.judged import SOURCE

MOST = 200
"""Links in one report; their number is told whole."""


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A link in ``document_id``: its ``target`` as written there, and from which to which character of the document's
    text it stands, where that is known. What is None of names and of the link may not be told, or is not known."""

    document_id: str
    source_id: str
    external_id: str | None
    title: str | None
    uri: str | None
    owner: str | None
    target: str | None
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class BrokenLinks:
    """At most :data:`MOST` of ``in_all``. ``unknown``: documents that were read before links were kept, of whose links
    nothing is known until they change."""

    links: tuple[BrokenLink, ...] = ()
    in_all: int = 0
    unknown: int = 0


def broken_links(
    session: Session, conditions: tuple[str, str], values: Mapping[str, Any], *, named: bool
) -> BrokenLinks:
    """Of documents that the ``conditions`` (readable, whose) on ``document d`` and ``source s`` hold for.

    ``values`` are their parameters. Without ``named`` the report acts for nobody.
    """
    statement = _ASKED_BY_A_USER if named else _ASKED_BY_NOBODY
    readable, whose = conditions
    mine = f"({readable}) AND ({whose})"
    rows = session.execute(sa.text(statement.replace(_HERE, mine)), {**values, "most_links": MOST}).all()
    unknown = session.execute(sa.text(_UNKNOWN.replace(_HERE, mine)), values).scalar_one()
    return BrokenLinks(tuple(_told(row, named=named) for row in rows), rows[0].in_all if rows else 0, unknown)


def _told(row: Any, *, named: bool) -> BrokenLink:
    if not named:
        return BrokenLink(row.id, row.source_id, None, None, None, row.owner, None, None, None)
    return BrokenLink(
        row.id, row.source_id, row.external_id, row.title, row.uri, row.owner, row.target, row.span_start, row.span_end
    )


_HERE = "{mine}"
_UNKNOWN = f"""
    SELECT count(*) FROM document d {SOURCE}
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.current_version
    WHERE {_HERE} AND NOT v.meta ? 'links'
"""  # noqa: S608 - constants, no input
_MINE = f"""
    SELECT d.id, d.source_id, d.external_id, d.title, d.uri, d.current_version, {OWNER} AS owner
    FROM document d {SOURCE} WHERE {_HERE}
"""  # noqa: S608 - constants, no input
_TOLD = """
    , listed AS MATERIALIZED (
        SELECT m.*, b.ordinal, b.way, count(*) OVER () AS in_all FROM broken b JOIN mine m ON m.id = b.document_id
        ORDER BY m.source_id, m.external_id, b.ordinal LIMIT :most_links
    )
    SELECT m.*, l.target, l.span_start, l.span_end FROM listed m CROSS JOIN LATERAL (
        SELECT * FROM document_link l WHERE (l.tenant_id, l.document_id, l.version, l.ordinal, l.way)
            = (:tenant, m.id, m.current_version, m.ordinal, m.way) OFFSET 0
    ) l ORDER BY m.source_id, m.external_id, m.ordinal
"""


# Everything is looked up by keys (OFFSET 0), as in `acl/recheck.py`: left to itself, and without statistics, PostgreSQL
# compares every link of a tenant with every document.
_BY_PATH = """LATERAL (SELECT d.id, d.state FROM document d
    WHERE d.tenant_id = :tenant AND d.source_id = l.source_id AND d.external_id = l.path OFFSET 0)"""
_BY_URL = "LATERAL (SELECT d.id, d.state FROM document d WHERE d.tenant_id = :tenant AND d.uri = l.url OFFSET 0)"
_LINKS = """
    SELECT l.document_id, l.ordinal, l.way, t.id AS target FROM mine m CROSS JOIN LATERAL (
        SELECT * FROM document_link l
        WHERE (l.tenant_id, l.document_id, l.version) = (:tenant, m.id, m.current_version) OFFSET 0
    ) l CROSS JOIN
"""
_ASKED_BY_A_USER = f"""
    WITH mine AS MATERIALIZED ({_MINE}),
    aimed AS MATERIALIZED ({_LINKS} {_BY_PATH} t UNION ALL {_LINKS} {_BY_URL} t),
    met AS MATERIALIZED (
        SELECT d.id, {OPEN} AS open, {CLOSED} AS closed FROM (SELECT DISTINCT target AS id FROM aimed) a
        CROSS JOIN LATERAL (SELECT * FROM document d WHERE (d.tenant_id, d.id) = (:tenant, a.id) OFFSET 0) d
        CROSS JOIN LATERAL (SELECT * FROM source s WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id OFFSET 0) s
    ), broken AS MATERIALIZED (
        SELECT a.document_id, a.ordinal, min(a.way) AS way FROM aimed a JOIN met t ON t.id = a.target
        GROUP BY a.document_id, a.ordinal HAVING bool_or(t.closed) AND bool_or(t.open) IS NOT TRUE
    ) {_TOLD}
"""  # noqa: S608 - constants, no input

# From what was deleted to the links that led there: that is little. Then what else they can mean.
_LEADING = """
    SELECT l.document_id, l.version, l.ordinal, l.way FROM gone g CROSS JOIN LATERAL (
        SELECT * FROM document_link l WHERE l.tenant_id = :tenant AND {at} OFFSET 0
    ) l
"""
_TO_PATH = _LEADING.format(at="l.source_id = g.source_id AND l.path = g.external_id")
_TO_URL = _LEADING.format(at="l.url = g.uri")
_ANOTHER = """
    SELECT 1 FROM document_link l CROSS JOIN {to} t
    WHERE (l.tenant_id, l.document_id, l.version, l.ordinal) = (:tenant, a.document_id, a.version, a.ordinal)
    AND t.state <> 'deleted' OFFSET 0
"""
_ASKED_BY_NOBODY = f"""
    WITH mine AS MATERIALIZED ({_MINE}), gone AS MATERIALIZED (
        SELECT d.source_id, d.external_id, d.uri FROM document d {SOURCE}
        WHERE d.tenant_id = :tenant AND d.state = 'deleted' AND s.state <> 'deleting'
    ), aimed AS MATERIALIZED (
        SELECT a.* FROM ({_TO_PATH} UNION ALL {_TO_URL}) a
        JOIN mine m ON m.id = a.document_id AND m.current_version = a.version
    ), broken AS MATERIALIZED (
        SELECT a.document_id, a.ordinal, min(a.way) AS way FROM aimed a
        WHERE NOT EXISTS ({_ANOTHER.format(to=_BY_PATH)}) AND NOT EXISTS ({_ANOTHER.format(to=_BY_URL)})
        GROUP BY a.document_id, a.ordinal
    ) {_TOLD}
"""  # noqa: S608 - constants, no input
