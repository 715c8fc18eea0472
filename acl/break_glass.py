"""Break-glass: reading one document without being among its readers, for a stated reason and a short time.

It opens nothing else: gate 1 and gate 2 know nothing of it, so search, answers and the usual routes stay as they
are. Who is granted it reads through routes of its own, every reading is on the audit log before anything is
handed out, and the document's owner is told of the grant and of the first reading.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.audit import record, shown
from acl.caller import Asker, Caller
from acl.notify import notify
from acl.resolve import resolve
from vouch.catalog.database import Catalog
from vouch.catalog.tables import BreakGlass, Document, Source
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import InvalidInput, NotFound
from vouch.core.ids import new_id
from vouch.core.types import Json

SCOPE = "break_glass"
MINUTES = range(1, 61)
REASON = range(10, 1001)
"""Characters, without those around it that are blank."""

State = Literal["active", "expired", "ended"]


def grant(catalog: Catalog, asker: Asker, document_id: str, *, reason: str, minutes: int) -> BreakGlass:
    """Open ``document_id`` to the asker for so long, and tell its owner.

    Raises :class:`InvalidInput` for a reason or a time out of bounds, and :class:`NotFound` where there is no live
    document of that id; that somebody tried is on the audit log too.
    """
    reason = reason.strip()
    if len(reason) not in REASON:
        raise InvalidInput(f"a reason has {REASON.start} to {REASON.stop - 1} characters", field="reason")
    if minutes not in MINUTES:
        raise InvalidInput(f"a grant lasts {MINUTES.start} to {MINUTES.stop - 1} minutes", field="minutes")
    with catalog.transaction(asker.tenant) as session:
        epoch = resolve(session, asker.tenant, asker.user).epoch
        found = _live(session, asker.tenant, document_id)
        asked: Json = {"reason": reason, "minutes": minutes, "epoch": epoch}
        if found is None:
            record(session, asker, "break_glass.refused", f"document:{document_id}", asked)
        else:
            row = BreakGlass(
                tenant_id=asker.tenant,
                id=new_id(),
                user_id=asker.user,
                document_id=document_id,
                reason=reason,
                granted_by=asker.actor,
                created_at=clock.now(),
                expires_at=clock.now() + timedelta(minutes=minutes),
            )
            session.add(row)
            told = _tell(session, row, found, "break_glass.granted")
            session.flush()
            detail = {**asked, "grant": row.id, "expires_at": rfc3339(row.expires_at), "told": told}
            record(session, asker, "break_glass.granted", f"document:{document_id}", detail)
    if found is None:
        raise NotFound()
    return row


def use(
    session: Session, asker: Asker, grant_id: str, action: str, span: tuple[int, int | None] | None = None
) -> tuple[str, int]:
    """The document that the grant opens to the asker now, and its current version. The reading is logged, and at the
    first one the owner is told, in the caller's transaction: it has to be committed before anything is handed out.

    Raises :class:`NotFound` for a grant that is unknown, another's, expired or ended and for a document that is gone,
    :class:`Unauthenticated` for an asker who is not active any more.
    """
    epoch = resolve(session, asker.tenant, asker.user).epoch
    row = session.get(BreakGlass, (asker.tenant, grant_id), with_for_update=True)
    if row is None or row.user_id != asker.user or state(row) != "active":
        raise NotFound()
    found = _live(session, asker.tenant, row.document_id)
    if found is None or found[0].current_version is None:
        raise NotFound()
    version = found[0].current_version
    detail = shown([(row.document_id, version)], epoch, grant=row.id, **({"span": list(span)} if span else {}))
    if row.first_read_at is None:
        row.first_read_at = clock.now()
        detail["told"] = _tell(session, row, found, "break_glass.read")
    session.flush()
    record(session, asker, action, f"document:{row.document_id}", detail)
    return row.document_id, version


def end(session: Session, caller: Caller, grant_id: str) -> None:
    """End a grant now: one's own, or any as an administrator. One that is over stays as it is.

    Raises :class:`NotFound` for an unknown grant, and for another's.
    """
    row = session.get(BreakGlass, (caller.tenant, grant_id), with_for_update=True)
    if row is None or ("admin" not in caller.scopes and row.user_id != caller.user):
        raise NotFound()
    if state(row) == "active":
        row.ended_at = clock.now()
        session.flush()
        record(session, caller, "break_glass.ended", f"document:{row.document_id}", {"grant": row.id})


def grants(session: Session, caller: Caller, *, limit: int, before: str | None = None) -> list[BreakGlass]:
    """Up to ``limit`` grants, newest first, of those before the id ``before``: an administrator's all, else one's
    own."""
    query = select(BreakGlass).where(col(BreakGlass.tenant_id) == caller.tenant)
    if "admin" not in caller.scopes:
        query = query.where(col(BreakGlass.user_id) == caller.user)
    if before is not None:
        query = query.where(col(BreakGlass.id) < before)
    return list(session.exec(query.order_by(col(BreakGlass.id).desc()).limit(limit)))


def state(row: BreakGlass) -> State:
    if row.ended_at is not None:
        return "ended"
    return "active" if row.expires_at > clock.now() else "expired"


def _live(session: Session, tenant: str, document_id: str) -> tuple[Document, Source] | None:
    found = session.exec(
        select(Document, Source)
        .join(Source, sa.and_(col(Source.tenant_id) == Document.tenant_id, col(Source.id) == Document.source_id))
        .where(
            col(Document.tenant_id) == tenant,
            col(Document.id) == document_id,
            col(Document.state) == "live",
            col(Document.current_version).is_not(None),
            col(Source.state) != "deleting",
        )
    ).first()
    return None if found is None else (found[0], found[1])


def _tell(session: Session, row: BreakGlass, found: tuple[Document, Source], kind: str) -> list[str]:
    detail = {"grant": row.id, "user": row.user_id, "reason": row.reason, "expires_at": rfc3339(row.expires_at)}
    owner = found[0].owner or found[1].owner
    return notify(session, row.tenant_id, owner, kind=kind, document_id=row.document_id, detail=detail)
