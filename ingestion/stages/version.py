"""The version a stage works on, as long as it is still wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlmodel import Session

from ingestion.services import Services
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.core.types import Json

_BUILDING = """
    SELECT d.id, v.raw, v.parsed, v.chunks, v.meta
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[])) AS w(document_id, version)
    JOIN document d ON d.tenant_id = :tenant AND d.id = w.document_id
    JOIN document_version v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = w.version
    WHERE d.state <> 'deleted' AND v.version > coalesce(d.current_version, 0)
"""
_PEEK = sa.text(_BUILDING)
_LOCK = sa.text(f"{_BUILDING} ORDER BY d.id FOR NO KEY UPDATE OF d")
_NOTE = sa.text(
    """
    UPDATE document_version v SET parsed = coalesce(n.parsed, v.parsed), text = coalesce(n.text, v.text),
        chunks = coalesce(n.chunks, v.chunks), meta = v.meta || n.meta
    FROM unnest(CAST(:documents AS text[]), CAST(:versions AS int[]), CAST(:parsed AS text[]), CAST(:texts AS text[]),
        CAST(:chunks AS int[]), CAST(:metas AS jsonb[])) AS n(document_id, version, parsed, text, chunks, meta)
    WHERE v.tenant_id = :tenant AND v.document_id = n.document_id AND v.version = n.version
    """
)

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Building:
    """A version on its way: blob digests of its bytes and of what parsing made of them, and facts about it."""

    raw: str
    parsed: str | None
    chunks: int
    meta: Json


@dataclass(frozen=True, slots=True)
class Noted:
    """What a stage made of a version. ``meta`` is merged over what is there; None leaves what is there."""

    meta: Json
    parsed: str | None = None
    text: str | None = None
    chunks: int | None = None


def all_building(session: Session, leases: Sequence[Lease], *, lock: bool = False) -> dict[str, Building]:
    """The versions of leases of one tenant, each for another document, that are not yet published: document → its
    version. One whose document is deleted, or which a newer version has overtaken, is not among them.

    ``lock`` keeps the documents as they are to the end of the transaction.
    """
    documents, versions = [lease.document_id for lease in leases], [lease.version for lease in leases]
    values = {"tenant": leases[0].tenant, "documents": documents, "versions": versions}
    return {row[0]: Building(*row[1:]) for row in session.execute(_LOCK if lock else _PEEK, values)}


def look(services: Services, session: Session, leases: Sequence[Lease]) -> dict[str, Building]:
    """As the steps of :mod:`ingestion.stages.step` look at their versions."""
    return all_building(session, leases)


def wanted(session: Session, done: Sequence[tuple[Lease, Made]]) -> list[tuple[Lease, Made]]:
    """Those of ``done`` whose version is still wanted, locked to the end of the transaction; the stages of the others
    are put away."""
    found = all_building(session, [lease for lease, _ in done], lock=True)
    for lease, _ in done:
        if lease.document_id not in found:
            ledger.cancel(session, lease)
    return [one for one in done if one[0].document_id in found]


def note_all(session: Session, noted: Sequence[tuple[Lease, Noted]]) -> None:
    """Write down what a stage made of the versions, all of one tenant."""
    values = {
        "tenant": noted[0][0].tenant,
        "documents": [lease.document_id for lease, _ in noted],
        "versions": [lease.version for lease, _ in noted],
        "parsed": [one.parsed for _, one in noted],
        "texts": [one.text for _, one in noted],
        "chunks": [one.chunks for _, one in noted],
        "metas": [json.dumps(one.meta) for _, one in noted],
    }
    session.execute(_NOTE, values)


def unwanted(services: Services, lease: Lease) -> None:
    """Put the stage away: nobody needs its version any more."""
    with services.catalog.transaction(lease.tenant, durable=False) as session:
        ledger.cancel(session, lease)
