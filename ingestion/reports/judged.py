"""The documents of a report, each with its uses, its successor and its state: what the lists are then made of."""

from __future__ import annotations

from acl.owners import ANSWERED, OWNER
from vouch.catalog.freshness import FACTS, REVIEWED, STATE

SOURCE = "JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id"


def judged(readable: str, whose: str, sight: str | None = None) -> str:
    """The SQL of ``judged``: each document that is ``readable`` and ``whose`` says, with its newest successor within
    ``sight``, which is what is readable unless told otherwise. Conditions are on ``document d`` and ``source s``;
    parameters are theirs, and ``:tenant``, ``:now``, ``:since``."""
    return f"""
    WITH mine AS MATERIALIZED (
        SELECT d.id, d.source_id, d.external_id, d.title, d.uri, d.supersedes, {OWNER} AS owner,
            {ANSWERED} AS owned, {FACTS}
        FROM document d {SOURCE} {REVIEWED} WHERE {readable} AND {whose}
    ), replaced AS (
        SELECT DISTINCT ON (o.id) o.id AS old, d.id AS successor, d.title AS successor_title
        FROM mine o JOIN document d ON d.tenant_id = :tenant AND d.source_id = o.source_id
            AND cardinality(d.supersedes) > 0 AND o.external_id = ANY(d.supersedes)
            AND d.id <> o.id AND NOT d.external_id = ANY(o.supersedes)
        {SOURCE} WHERE {sight or readable} ORDER BY o.id, d.modified_at DESC NULLS LAST, d.id
    ), used AS (
        SELECT c.document_id, count(DISTINCT a.id) AS questions, count(DISTINCT a.user_id) AS people
        FROM answer a JOIN citation c ON c.tenant_id = a.tenant_id AND c.answer_id = a.id
        WHERE a.tenant_id = :tenant AND a.created_at >= :since AND a.status = 'released' GROUP BY c.document_id
    ), weighed AS (
        SELECT m.*, r.successor, r.successor_title, r.old IS NOT NULL AS superseded,
            coalesce(u.questions, 0) AS questions, coalesce(u.people, 0) AS people
        FROM mine m LEFT JOIN replaced r ON r.old = m.id LEFT JOIN used u ON u.document_id = m.id
    ), judged AS (SELECT f.*, {STATE} AS state FROM weighed f)
    """  # noqa: S608 - constants, no input
