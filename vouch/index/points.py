"""From the catalog's rows to the index's points: the one way, for the projector, rebuild and verify alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import IndexGeneration
from vouch.catalog.vectors import vectors
from vouch.core.context import KEPT, context_named
from vouch.core.ids import point_id, sha256
from vouch.core.types import AccessPayload, Acl, Clause, Point
from vouch.index.lexical import analysis_named

CompilePayload = Callable[[Acl | None], AccessPayload]
"""``acl.compile.compile_payload``: handed in, because this room decides no access."""

Version = tuple[str, str, int | None]
"""Tenant, document and version; None for the current one."""

T = TypeVar("T")

# A version counts while its document is live or on its way; one that a newer current version overtook does not.
_ROWS = sa.text(
    """
    SELECT d.tenant_id, d.id, c.version, c.ordinal, d.source_id, d.acl_id, d.owner, d.modified_at,
        v.meta ->> 'mime' AS mime, v.meta ->> 'language' AS language, v.meta ->> 'embedded_title' AS title,
        c.heading_path, c.text, c.text_hash
    FROM unnest(CAST(:tenants AS text[]), CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(tenant, id, n)
    JOIN document d ON d.tenant_id = w.tenant AND d.id = w.id AND d.state <> 'deleted'
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
        AND v.version = coalesce(w.n, d.current_version) AND v.version >= coalesce(d.current_version, 0)
    JOIN chunk c ON c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = v.version
        AND c.chunker = :chunker
    ORDER BY d.id, c.version, c.ordinal
    """
)
_CLAUSES = sa.text(
    """
    SELECT tenant_id, acl_id, allow, deny FROM clause
    WHERE (tenant_id, acl_id) IN (SELECT DISTINCT d.tenant_id, d.acl_id FROM document d WHERE d.id = ANY(:documents))
    ORDER BY tenant_id, acl_id, ordinal
    """
)
# Current versions, and those that were handed over and wait to be flipped.
_VISIBLE = sa.text(
    """
    SELECT tenant_id, id, current_version FROM document WHERE state = 'live' AND current_version IS NOT NULL
        AND (tenant_id, id, current_version) > (:tenant, :document, :version)
    UNION
    SELECT tenant_id, document_id, version FROM stage WHERE name = 'publish' AND wait_seq IS NOT NULL
        AND state IN ('ready', 'leased', 'waiting')
        AND (tenant_id, document_id, version) > (:tenant, :document, :version)
    ORDER BY 1, 2, 3 LIMIT :limit
    """
)
FIRST: Version = ("", "", 0)


def visible_versions(session: Session, after: Version = FIRST, limit: int | None = None) -> list[Version]:
    """Every version that the index ought to hold, in order; with ``limit`` the first so many ``after`` one."""
    tenant, document, version = after
    values = {"tenant": tenant, "document": document, "version": version, "limit": limit}
    return [(tenant, document_id, version) for tenant, document_id, version in session.execute(_VISIBLE, values)]


def points_of(
    session: Session, versions: Sequence[Version], generation: IndexGeneration, compile_payload: CompilePayload
) -> list[Point]:
    """The points of ``versions`` as the catalog has them now, ordered by document, version and ordinal.

    Raises :class:`BadConfig` for a generation made by what this version of Vouch does not have.
    """
    context, analysis = context_named(generation.context), analysis_named(generation.lexical)
    access = _access(session, [document_id for _, document_id, _ in versions], compile_payload)
    rows = session.execute(
        _ROWS,
        {
            "tenants": [v[0] for v in versions],
            "documents": [v[1] for v in versions],
            "versions": [v[2] for v in versions],
            "chunker": generation.chunker,
        },
    ).all()
    keys = [
        (row.tenant_id, row.text_hash)
        if generation.context == KEPT
        else (row.tenant_id, sha256(context(row.title or "", row.heading_path, row.text).encode()))
        for row in rows
    ]
    known = vectors(session, generation.model, keys)
    return [
        Point(
            id=point_id(row.tenant_id, row.id, row.version, row.ordinal, generation.id),
            tenant=row.tenant_id,
            document_id=row.id,
            version=row.version,
            ordinal=row.ordinal,
            source_id=row.source_id,
            dense=np.frombuffer(known[key], dtype="<f4"),
            lexical=analysis.chunk(row.title or "", row.heading_path, row.text),
            access=access.get((row.tenant_id, row.acl_id)) or compile_payload(None),
            mime=row.mime or "",
            language=row.language or "und",
            owner=row.owner or "",
            modified_at=int(row.modified_at.timestamp()) if row.modified_at else 0,
        )
        for row, key in zip(rows, keys, strict=True)
        if key in known
    ]


def access_payloads(
    session: Session, tenant: str, document_ids: Sequence[str], compile_payload: CompilePayload
) -> Iterator[tuple[AccessPayload, list[str]]]:
    """The documents grouped by the access they have now."""
    access = _access(session, document_ids, compile_payload)
    rows = session.execute(
        sa.text("SELECT id, acl_id FROM document WHERE tenant_id = :t AND id = ANY(:ids) ORDER BY acl_id, id"),
        {"t": tenant, "ids": list(document_ids)},
    )
    groups: dict[str | None, list[str]] = {}
    for document_id, acl_id in rows:
        groups.setdefault(acl_id, []).append(document_id)
    for acl_id, ids in groups.items():
        yield access.get((tenant, acl_id)) or compile_payload(None), ids


def _access(
    session: Session, document_ids: Sequence[str], compile_payload: CompilePayload
) -> dict[tuple[str, str | None], AccessPayload]:
    acls: dict[tuple[str, str | None], list[Clause]] = {}
    for tenant, acl_id, allow, deny in session.execute(_CLAUSES, {"documents": sorted(set(document_ids))}):
        acls.setdefault((tenant, acl_id), []).append(Clause(frozenset(allow), frozenset(deny)))
    return {key: compile_payload(tuple(clauses)) for key, clauses in acls.items()}


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items, in order."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
