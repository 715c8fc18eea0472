"""Scan: read a source's changes and turn each into catalog rows and the next stage, a batch per transaction.

Access is written here, before any content is fetched, so content never comes out under older rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl.assign import assign
from connectors.registry import make_connector
from ingestion.delete import delete_documents
from ingestion.jobs import COUNTED
from ingestion.services import Services
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document, Job, Source
from vouch.core import clock
from vouch.core.clock import duration
from vouch.core.errors import LeaseLost, NotFound
from vouch.core.ids import new_id
from vouch.core.types import Acl, AclChanged, Change, Checkpoint, Deleted, Json, Refused, Upsert

BATCH = 64
MAX_REFUSALS = 200


def scan(services: Services, lease: Lease) -> None:
    """Run the connector over its source. Raises what the connector raises; the job then fails with it."""
    began = clock.now()
    with services.catalog.transaction(lease.tenant) as session:
        job, source = _begin(session, lease)
    connector = make_connector(source.kind, source.config)
    progress = _Progress(services, lease, source, job)
    for batch in _batches(connector.scan(source.cursor if job.kind == "incremental" else None)):
        progress.apply(batch)
    with services.catalog.transaction(lease.tenant) as session:
        row = _lock_job(session, lease)
        if connector.lists_everything:
            progress.delete_unseen(session)
            _mark_access_read(session, source, began)
        row.scanned, row.counts, row.problems = True, dict(progress.counts), progress.refusals
        session.add(row)
        ledger.finish(session, lease, {"counts": dict(progress.counts)})
    services.ring_projector()


class _Progress:
    """What one scan has seen and done so far."""

    def __init__(self, services: Services, lease: Lease, source: Source, job: Job) -> None:
        self.services, self.lease, self.source, self.job = services, lease, source, job
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.refusals: list[Json] = []
        self.seen: set[str] = set()

    def apply(self, batch: Sequence[Change]) -> None:
        """Commit a batch with its next stages, then ring for them."""
        upserts = [c for c in batch if isinstance(c, Upsert)]
        deleted = [c.external_id for c in batch if isinstance(c, Deleted)]
        with self.services.catalog.transaction(self.lease.tenant) as session:
            _lock_job(session, self.lease)
            ready = self._upsert(session, upserts)
            self._set_access(session, [c for c in batch if isinstance(c, AclChanged)])
            self.counts["deleted"] += delete_documents(session, self.lease.tenant, self.source.id, deleted, self._actor)
            for change in batch:
                if isinstance(change, Checkpoint):
                    _save_cursor(session, self.source, change.cursor)
            session.execute(
                sa.update(Job)
                .where(col(Job.tenant_id) == self.lease.tenant, col(Job.id) == self.lease.job_id)
                .values(counts=dict(self.counts))
            )
        for change in batch:
            if isinstance(change, Refused):
                self._refuse(change)
        self.services.ring("fetch", ready)

    def delete_unseen(self, session: Session) -> None:
        """A listing that names every live item leaves out the deleted ones."""
        known = session.exec(
            select(Document.external_id).where(
                col(Document.tenant_id) == self.lease.tenant,
                col(Document.source_id) == self.source.id,
                col(Document.state) != "deleted",
            )
        )
        gone = sorted(set(known) - self.seen)
        self.counts["deleted"] += delete_documents(session, self.lease.tenant, self.source.id, gone, self._actor)

    @property
    def _actor(self) -> str:
        return f"source:{self.source.name}"

    def _refuse(self, change: Refused) -> None:
        self.counts["refused"] += 1
        self.seen.add(change.external_id)
        if len(self.refusals) < MAX_REFUSALS:
            self.refusals.append({"external_id": change.external_id, "reason": change.reason, "detail": change.detail})

    def _upsert(self, session: Session, upserts: Sequence[Upsert]) -> list[str]:
        known = _documents(session, self.source, [u.external_id for u in upserts])
        acls: dict[str, Acl | None] = {}
        ready: list[str] = []
        rewritten: list[str] = []
        for upsert in upserts:
            self.seen.add(upsert.external_id)
            self.counts["seen"] += 1
            self.counts["unreadable"] += not upsert.acl
            document = known.get(upsert.external_id)
            fresh = document is None or document.state == "deleted"
            if document is None:
                document = _new_document(self.source, upsert)
                session.add(document)
            acls[document.id] = upsert.acl
            if _describe(document, upsert, self.source) and document.state == "live":
                rewritten.append(document.id)
            session.add(document)
            if self._has_new_content(document, upsert, fresh=fresh):
                self.counts["new" if fresh else "changed"] += 1
                given = {"fingerprint": upsert.fingerprint, "given_title": upsert.title}
                ready.append(ledger.add(session, self.lease.tenant, self.lease.job_id, "fetch", document.id, 0, given))
            else:
                self.counts["unchanged"] += 1
        session.flush()
        before = {d.id: d.acl_id for d in known.values()}
        if assign(session, self.lease.tenant, acls, actor=self._actor) is not None:
            self.counts["access_changed"] += _count_changed(session, self.lease.tenant, before)
        for document_id in rewritten:
            outbox.append(session, self.lease.tenant, "write", [document_id])
        return ready

    def _has_new_content(self, document: Document, upsert: Upsert, *, fresh: bool) -> bool:
        if self.job.kind == "access":
            return False
        settled = document.current_version is not None or document.state == "quarantined"
        retried = self.job.kind == "full" and document.problem is not None
        return fresh or not settled or retried or document.fingerprint != upsert.fingerprint

    def _set_access(self, session: Session, changes: Sequence[AclChanged]) -> None:
        known = _documents(session, self.source, [c.external_id for c in changes])
        acls = {known[c.external_id].id: c.acl for c in changes if c.external_id in known}
        if acls and assign(session, self.lease.tenant, acls, actor=self._actor) is not None:
            self.counts["access_changed"] += len(acls)


def _begin(session: Session, lease: Lease) -> tuple[Job, Source]:
    job = _lock_job(session, lease)
    source = session.get(Source, (lease.tenant, job.source_id))
    if source is None or source.state == "deleting":
        raise NotFound("The source is gone.")
    job.state, job.started_at = "running", job.started_at or clock.now()
    session.add(job)
    return job, source


def _lock_job(session: Session, lease: Lease) -> Job:
    """Raises :class:`LeaseLost` when the job was cancelled since the scan was claimed: nothing more may come of it."""
    job = session.get(Job, (lease.tenant, lease.job_id), with_for_update={"key_share": True}, populate_existing=True)
    if job is None or job.state not in ("queued", "running"):
        raise LeaseLost()
    return job


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    for change in changes:
        batch.append(change)
        if len(batch) >= BATCH or isinstance(change, Checkpoint):
            yield batch
            batch = []
    if batch:
        yield batch


def _documents(session: Session, source: Source, external_ids: Sequence[str]) -> dict[str, Document]:
    rows = session.exec(
        select(Document)
        .where(
            col(Document.tenant_id) == source.tenant_id,
            col(Document.source_id) == source.id,
            col(Document.external_id).in_(external_ids),
        )
        .order_by(col(Document.id))
        .with_for_update()
    )
    return {row.external_id: row for row in rows}


def _new_document(source: Source, upsert: Upsert) -> Document:
    return Document(
        tenant_id=source.tenant_id,
        id=new_id(),
        source_id=source.id,
        external_id=upsert.external_id,
        title=upsert.title,
        uri=upsert.uri,
    )


def _describe(document: Document, upsert: Upsert, source: Source) -> bool:
    """Bring the document's own facts up to date. True when one that the index holds differs."""
    review = int(duration(upsert.review_every).total_seconds()) if upsert.review_every else source.review_every_s
    owner = upsert.owner or source.owner
    indexed = (document.owner, document.modified_at)
    document.owner, document.modified_at = owner, upsert.modified_at
    document.title, document.uri = upsert.title or document.title, upsert.uri
    document.review_every_s, document.supersedes = review, list(upsert.supersedes)
    document.acl_read_at = None
    if document.state == "deleted":
        document.state = "pending"
    return indexed != (document.owner, document.modified_at)


def _count_changed(session: Session, tenant: str, before: dict[str, str | None]) -> int:
    if not before:
        return 0
    rows = session.execute(
        sa.text("SELECT id, acl_id FROM document WHERE tenant_id = :t AND id = ANY(:ids)"),
        {"t": tenant, "ids": list(before)},
    )
    return sum(before[document_id] != acl_id for document_id, acl_id in rows)


def _save_cursor(session: Session, source: Source, cursor: Json) -> None:
    session.execute(
        sa.update(Source)
        .where(col(Source.tenant_id) == source.tenant_id, col(Source.id) == source.id)
        .values(cursor=cursor)
    )


def _mark_access_read(session: Session, source: Source, began: object) -> None:
    session.execute(
        sa.update(Source)
        .where(col(Source.tenant_id) == source.tenant_id, col(Source.id) == source.id)
        .values(acl_read_at=began)
    )
