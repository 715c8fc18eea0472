"""From the catalog's rows to the index's points: the one way, for the projector, rebuild and verify alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.tables import IndexGeneration
from vouch.core.context import lexical_context
from vouch.core.ids import point_id
from vouch.core.types import AccessPayload, Acl, Clause, Point
from vouch.index.lexical import document_vector

CompilePayload = Callable[[Acl | None], AccessPayload]
"""``acl.compile.compile_payload``: handed in, because this room decides no access."""

Version = tuple[str, str, int | None]
"""Tenant, document and version; None for the current one."""

T = TypeVar("T")

# Vectors are looked up one by one: a join would read the whole table for a handful as long as it has no statistics.
# A version counts while its document is live or on its way; one that a newer current version overtook does not.
_ROWS = sa.text(
    """
    SELECT d.tenant_id, d.id, c.version, c.ordinal, d.source_id, d.acl_id, d.owner, d.modified_at,
        v.meta ->> 'mime', v.meta ->> 'language', v.meta ->> 'embedded_title', c.heading_path, c.text,
        (SELECT e.vector FROM embedding e
         WHERE e.tenant_id = d.tenant_id AND e.model = :model AND e.text_hash = c.text_hash) AS vector
    FROM unnest(CAST(:tenants AS text[]), CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(tenant, id, n)
    JOIN document d ON d.tenant_id = w.tenant AND d.id = w.id AND d.state <> 'deleted'
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id
        AND v.version = coalesce(w.n, d.current_version) AND v.version >= coalesce(d.current_version, 0)
    JOIN chunk c ON c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version = v.version
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
    UNION
    SELECT tenant_id, document_id, version FROM stage WHERE name = 'publish' AND wait_seq IS NOT NULL
        AND state IN ('ready', 'leased', 'waiting')
    ORDER BY 1, 2, 3
    """
)


def visible_versions(session: Session) -> list[Version]:
    """Every version that the index ought to hold."""
    return [(tenant, document_id, version) for tenant, document_id, version in session.execute(_VISIBLE)]


def points_of(
    session: Session, versions: Sequence[Version], generation: IndexGeneration, compile_payload: CompilePayload
) -> list[Point]:
    """The points of ``versions`` as the catalog has them now, ordered by document, version and ordinal."""
    access = _access(session, [document_id for _, document_id, _ in versions], compile_payload)
    rows = session.execute(
        _ROWS,
        {
            "tenants": [v[0] for v in versions],
            "documents": [v[1] for v in versions],
            "versions": [v[2] for v in versions],
            "model": generation.model,
        },
    )
    return [
        Point(
            id=point_id(tenant, document_id, version, ordinal, generation.id),
            tenant=tenant,
            document_id=document_id,
            version=version,
            ordinal=ordinal,
            source_id=source_id,
            dense=np.frombuffer(vector, dtype="<f4"),
            lexical=document_vector(lexical_context(title or "", heading_path, text)),
            access=access.get((tenant, acl_id)) or compile_payload(None),
            mime=mime or "",
            language=language or "und",
            owner=owner or "",
            modified_at=int(modified_at.timestamp()) if modified_at else 0,
        )
        for (
            tenant, document_id, version, ordinal, source_id, acl_id, owner, modified_at,
            mime, language, title, heading_path, text, vector,
        ) in rows
        if vector is not None
    ]  # fmt: skip


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
