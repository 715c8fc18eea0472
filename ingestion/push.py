"""Documents sent to us: stored and versioned in one transaction with their access, then on the usual walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.assign import assign
from ingestion.delete import delete_documents
from ingestion.services import Services
from ingestion.stages.fetch import Fetched, check_size, store_versions
from vouch.catalog import audit, ledger, outbox
from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Document, Job, Source
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound
from vouch.core.ids import new_id, sha256
from vouch.core.types import Acl, Body

MAX_EXTERNAL_ID = 1_000
_UNDER = sa.text(
    """
    SELECT id FROM document
    WHERE tenant_id = :tenant AND source_id = :source AND starts_with(external_id, :prefix) AND state <> 'deleted'
    ORDER BY id FOR NO KEY UPDATE
    """
)


@dataclass(frozen=True, slots=True)
class Pushed:
    """One document as sent. ``acl`` None: nobody may read it until access is set."""

    external_id: str
    body: Body
    title: str = ""
    uri: str = ""
    owner: str | None = None
    modified_at: datetime | None = None
    acl: Acl | None = None
    supersedes: tuple[str, ...] = field(default=())


def push(services: Services, source: Source, pushed: Pushed, *, actor: str) -> tuple[str, int | None]:
    """Take one document in. Returns the job's id and, when access changed, the new epoch.

    Raises :class:`DocumentRejected` when it is too large, :class:`InvalidInput` for a bad id.
    """
    tenant = source.tenant_id
    _check_id(pushed.external_id, "external_id")
    check_size(services, len(pushed.body.data))
    job_id, ready = new_id(), None
    with services.catalog.transaction(source.tenant_id) as session:
        _lock_active(session, source)
        document = find(session, source, pushed.external_id) or Document(
            tenant_id=tenant, id=new_id(), source_id=source.id, external_id=pushed.external_id, title="", uri=""
        )
        new, before = document.current_version is None, (document.owner, document.modified_at)
        _describe(document, source, pushed)
        session.add(document)
        session.flush()
        epoch = assign(session, tenant, {document.id: pushed.acl}, actor=actor)
        job = _job(source, job_id, new=new, readable=bool(pushed.acl))
        session.add(job)
        session.flush()
        meta = {"fingerprint": sha256(pushed.body.data), "given_title": pushed.title}
        fetched = Fetched(document.id, pushed.body, meta)
        version = store_versions(services, session, tenant, [fetched]).get(document.id)
        if version is None:
            job.state, job.finished_at = "succeeded", clock.now()
            job.counts = {**job.counts, "changed": 0, "unchanged": 1}
            if (document.owner, document.modified_at) != before:  # the index holds these of each point
                outbox.append(session, tenant, "write", [document.id])
        else:
            ready = ledger.add(session, tenant, job_id, "parse", document.id, version, {"version": version, **meta})
        session.flush()
        told, subject = {"job": job_id, "version": version, "epoch": epoch}, f"document:{document.id}"
        audit.append(session, tenant, chain="use", actor=actor, action="document.push", subject=subject, detail=told)
    services.ring("parse", [ready] if ready else [])
    if epoch is not None or version is None:
        services.ring_projector()
    return job_id, epoch


def _describe(document: Document, source: Source, pushed: Pushed) -> None:
    document.title = pushed.title or document.title
    document.uri = pushed.uri or f"vouch:{source.name}/{pushed.external_id}"
    document.owner = pushed.owner or source.owner
    document.modified_at = pushed.modified_at or clock.now()
    document.supersedes = list(pushed.supersedes)
    if document.state == "deleted":
        document.state = "pending"


def _job(source: Source, job_id: str, *, new: bool, readable: bool) -> Job:
    """Of one document, which has begun."""
    counts = {"seen": 1, "new": int(new), "changed": int(not new), "unchanged": 0, "unreadable": int(not readable)}
    job = Job(tenant_id=source.tenant_id, id=job_id, source_id=source.id, kind="push", scanned=True, counts=counts)
    job.state, job.started_at = "running", clock.now()
    return job


def set_access(services: Services, source: Source, external_id: str, acl: Acl | None, *, actor: str) -> int:
    """Replace one document's access; it holds for the next request. Returns the epoch.

    Raises :class:`NotFound`, and :class:`Conflict` for a source whose access comes from elsewhere.
    """
    _require_push(source)
    with services.catalog.transaction(source.tenant_id) as session:
        document = find(session, source, external_id)
        if document is None or document.state == "deleted":
            raise NotFound()
        epoch = assign(session, source.tenant_id, {document.id: acl}, actor=actor)
        if epoch is None:
            epoch = epochs.current(session, source.tenant_id)
    services.ring_projector()
    return epoch


def set_access_under(
    services: Services, source: Source, prefix: str, acl: Acl | None, *, actor: str
) -> tuple[int, int]:
    """Replace the access of every document whose external id begins with ``prefix``, in one transaction; it holds for
    the next request. Returns the epoch and how many documents there are. An empty prefix is all of them.

    Raises :class:`Conflict` as above, and :class:`InvalidInput` for a prefix that no id can have.
    """
    _require_push(source)
    if prefix:
        _check_id(prefix, "prefix")
    tenant = source.tenant_id
    with services.catalog.transaction(tenant) as session:
        ids = session.execute(_UNDER, {"tenant": tenant, "source": source.id, "prefix": prefix}).scalars().all()
        epoch = assign(session, tenant, dict.fromkeys(ids, acl), actor=actor)
        if epoch is None:
            epoch = epochs.current(session, tenant)
    services.ring_projector()
    return epoch, len(ids)


def remove(services: Services, source: Source, external_id: str, *, actor: str) -> int:
    """Delete one document; it is gone for the next request. Returns the epoch. Raises :class:`NotFound`."""
    _require_push(source)
    with services.catalog.transaction(source.tenant_id) as session:
        if not delete_documents(session, source.tenant_id, source.id, [external_id], actor):
            raise NotFound()
        epoch = epochs.current(session, source.tenant_id)
    services.ring_projector()
    return epoch


def find(session: Session, source: Source, external_id: str) -> Document | None:
    """The document, locked."""
    return session.exec(
        select(Document)
        .where(
            col(Document.tenant_id) == source.tenant_id,
            col(Document.source_id) == source.id,
            col(Document.external_id) == external_id,
        )
        .with_for_update()
    ).first()


def _require_push(source: Source) -> None:
    if source.kind != "push":
        raise Conflict(f"The source's kind is {source.kind}: its documents and their access come from there.")


def _lock_active(session: Session, source: Source) -> None:
    _require_push(source)
    # The lock also keeps two first pushes of one external id apart.
    locked = session.get(Source, (source.tenant_id, source.id), with_for_update=True, populate_existing=True)
    if locked is None or locked.state != "active":
        raise Conflict("The source is not active.")


def _check_id(external_id: str, field: str) -> None:
    if not external_id or len(external_id) > MAX_EXTERNAL_ID or any(ord(c) < 32 or ord(c) == 127 for c in external_id):
        raise InvalidInput(f"an id has 1 to {MAX_EXTERNAL_ID} printable characters", field=field)
