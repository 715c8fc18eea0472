"""What :mod:`vouch.core.freshness` judges by, read from the catalog; and its judgement in SQL, for lists that are
counted, ordered and paged where the rows are. ``tests/catalog/test_freshness.py`` holds the two to each other."""

from __future__ import annotations

from typing import Any

from vouch.core.freshness import GONE_AFTER_S, Facts

REVIEWED = """
    LEFT JOIN review r ON r.tenant_id = d.tenant_id AND r.document_id = d.id AND r.version = d.current_version
"""
"""Joins to ``document d`` the review of the version that is shown."""

FACTS = """
    d.modified_at, s.failing_since, r.reviewed_at, r.reviewed_until,
    coalesce(d.review_every_s, s.review_every_s) AS review_every_s,
    coalesce(d.stale_after_s, s.stale_after_s) AS stale_after_s,
    coalesce(d.expire_after_s, s.expire_after_s) AS expire_after_s
"""
"""Columns of ``document d``, its ``source s`` and the review ``r`` that :data:`REVIEWED` joins."""

# `greatest` passes over nulls; a sum with null is null, and no comparison with null is true.
_SINCE = "greatest(f.modified_at, f.reviewed_at)"


def _past(moment: str, seconds: str) -> str:
    return f"{moment} + make_interval(secs => nullif({seconds}, 0)) <= :now"


STATE = f"""
    CASE
        WHEN f.superseded THEN 'superseded'
        WHEN (f.reviewed_until > :now) IS NOT TRUE AND {_past(_SINCE, "f.expire_after_s")} THEN 'expired'
        WHEN {_past("f.failing_since", str(GONE_AFTER_S))} THEN 'source_gone'
        WHEN (f.reviewed_until > :now) IS NOT TRUE AND {_past(_SINCE, "f.stale_after_s")} THEN 'stale'
        WHEN f.reviewed_until <= :now THEN 'due'
        WHEN f.reviewed_until IS NULL AND {_past(_SINCE, "f.review_every_s")} THEN 'due'
        WHEN f.owned THEN 'fresh'
        ELSE 'ownerless' END
"""
"""The state of a row ``f`` that has every field of :class:`Facts`, at ``:now``."""

# Looked up by keys, as in `acl/recheck.py`: left to itself PostgreSQL may read every document of a source.
TREATED = f"""
    SELECT j.id, j.state, j.in_search ->> j.state AS treatment FROM (
        SELECT f.id, f.in_search, {STATE} AS state FROM (
            SELECT d.id, s.in_search, false AS superseded, true AS owned, {FACTS}
            FROM unnest(CAST(:ids AS text[])) AS k(id)
            CROSS JOIN LATERAL (SELECT * FROM document d WHERE (d.tenant_id, d.id) = (:tenant, k.id) OFFSET 0) d
            CROSS JOIN LATERAL (
                SELECT * FROM source s
                WHERE s.tenant_id = d.tenant_id AND s.id = d.source_id AND s.in_search <> '{{}}' OFFSET 0
            ) s
            {REVIEWED}
        ) f
    ) j WHERE j.in_search ->> j.state IN ('demote', 'drop')
"""  # noqa: S608 - constants, no input
"""Those of the documents ``:ids`` that their source wants demoted or dropped in search at ``:now``, and the state for
which. That another one supersedes a document makes it no younger, and is not asked about: who reads it decides that."""


def facts(row: Any, *, superseded: bool = False, owned: bool = True) -> Facts:
    """Of a row that holds :data:`FACTS`."""
    return Facts(
        modified_at=row.modified_at,
        review_every_s=row.review_every_s,
        stale_after_s=row.stale_after_s,
        expire_after_s=row.expire_after_s,
        reviewed_at=row.reviewed_at,
        reviewed_until=row.reviewed_until,
        failing_since=row.failing_since,
        superseded=superseded,
        owned=owned,
    )
