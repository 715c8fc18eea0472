"""The audit log as the platform writes it (chain `use`) and as an administrator reads it.

What is kept of a use: who, by which key, did what, to what, at which epoch, and of documents shown their ids and
versions. Never content, and never the question: that stands in the trace, which is read under today's access and
can be deleted, and a hash of a short text in a log that forgets nothing would give it away to who guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.who import Asker, Caller
from vouch.catalog import audit
from vouch.catalog.audit import Chain
from vouch.catalog.database import Catalog
from vouch.catalog.tables import AuditEntry
from vouch.core.clock import rfc3339
from vouch.core.types import Json

Position = tuple[datetime, str, int]
"""Of an entry among all of its tenant: when, which chain, which number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; None leaves a choice open.

    ``actor``: a user or a key (``key:…``), alone or together with the other. ``document``: entries about this one,
    and those of searches and answers that showed it. ``since`` is inclusive, ``until`` exclusive.
    """

    chain: Chain | None = None
    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    document: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(session: Session, who: Caller | Asker, action: str, subject: str, detail: Json | None = None) -> None:
    """Add to the chain `use`, last in the caller's transaction: others wait for its end to add theirs."""
    audit.append(session, who.tenant, chain="use", actor=who.actor, action=action, subject=subject, detail=detail)


def record_reading(catalog: Catalog, who: Caller | Asker, action: str, subject: str, detail: Json) -> None:
    """As :func:`record`, in a transaction of its own: after the decision and before anything is handed out.

    It does not wait for the disk: should PostgreSQL itself crash (not Vouch), the readings of its last moments, under
    a second, can be lost, from the newest backwards. Raises :class:`Unavailable`: what cannot be logged is not shown.
    """
    with catalog.transaction(who.tenant, durable=False) as session:
        record(session, who, action, subject, detail)


def shown(documents: Iterable[tuple[str, int]], epoch: int, **more: Any) -> Json:
    """The detail of a use: each document shown with its version, and the epoch under which that was decided."""
    return {"documents": dict(sorted(set(documents))), "epoch": epoch, **more}


def read(
    session: Session, tenant: str, wanted: Wanted, *, limit: int, before: Position | None = None
) -> Sequence[AuditEntry]:
    """Up to ``limit`` entries that fit, newest first, of those ``before`` a position."""
    place = sa.tuple_(col(AuditEntry.at), col(AuditEntry.chain), col(AuditEntry.seq))
    query = select(AuditEntry).where(col(AuditEntry.tenant_id) == tenant, *_conditions(wanted))
    if before is not None:
        query = query.where(place < sa.tuple_(*before))
    newest = (col(AuditEntry.at).desc(), col(AuditEntry.chain).desc(), col(AuditEntry.seq).desc())
    return session.exec(query.order_by(*newest).limit(limit)).all()


def _conditions(wanted: Wanted) -> Iterable[sa.ColumnElement[bool]]:
    for column in ("chain", "subject", "action"):
        if (value := getattr(wanted, column)) is not None:
            yield col(getattr(AuditEntry, column)) == value
    if wanted.actor is not None:
        yield sa.literal(wanted.actor) == sa.any_(sa.func.string_to_array(col(AuditEntry.actor), " via "))
    if wanted.document is not None:
        # Under `documents` stands a list of ids (access) or an object with ids as its names (use): ? means both.
        named = col(AuditEntry.detail).op("->")("documents").op("?", is_comparison=True)(wanted.document)
        yield sa.or_(named, col(AuditEntry.subject) == f"document:{wanted.document}")
    if wanted.since is not None:
        yield col(AuditEntry.at) >= wanted.since
    if wanted.until is not None:
        yield col(AuditEntry.at) < wanted.until


def chosen(wanted: Wanted) -> Json:
    """The choices as a detail of the entry about their being made."""
    named = {name: getattr(wanted, name) for name in ("chain", "subject", "actor", "action", "document")}
    moments = {name: rfc3339(getattr(wanted, name)) for name in ("since", "until")}
    return {name: value for name, value in {**named, **moments}.items() if value is not None}
