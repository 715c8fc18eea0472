"""Scan: read a source's changes and turn each into catalog rows and the next stage, a batch per transaction.

Access is written here, before any content is fetched, so content never comes out under older rules.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session, col, select

from acl.assign import assign
from acl.mapping import Mapped, known_issuers, map_acl
from connectors.registry import make_connector
from ingestion.delete import delete_documents
from ingestion.jobs import COUNTED
from ingestion.services import Services
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document, Job, Source
from vouch.core import clock
from vouch.core.clock import duration
from vouch.core.errors import CursorExpired, LeaseLost, NotFound
from vouch.core.ids import new_id
from vouch.core.types import (
    RULES_BROKEN,
    AccessUnknown,
    Acl,
    AclChanged,
    Change,
    Checkpoint,
    Deleted,
    Json,
    Refused,
    SourceAcl,
    Upsert,
)
from vouch.index.points import batched

log = logging.getLogger(__name__)

BATCH = 500
WRITTEN_TOGETHER = 64
"""Documents of one operation that writes their points anew."""
MAX_REFUSALS = 200
MAX_ACCESS_PROBLEMS = 200


def scan(services: Services, lease: Lease) -> None:
    """Run the connector over its source. Raises what the connector raises; the job then fails with it."""
    began = clock.now()
    with services.catalog.transaction(lease.tenant) as session:
        job, source = _begin(session, lease)
        issuers = known_issuers(session, lease.tenant)
    connector = make_connector(source.kind, source.config)
    cursor = source.cursor if job.kind == "incremental" else None
    progress = _Progress(services, lease, (source, job), issuers)
    try:
        progress.read(connector.scan(cursor), whole=cursor is None)
    except CursorExpired as expired:
        log.info("source %s is listed whole: %s", source.id, expired.detail)
        with services.catalog.transaction(lease.tenant) as session:
            _save_cursor(session, source, cursor := None)
        progress = _Progress(services, lease, (source, job), issuers)
        progress.read(connector.scan(None), whole=True)
    with services.catalog.transaction(lease.tenant) as session:
        row = _lock_job(session, lease)
        if cursor is None or connector.lists_everything:
            progress.delete_unseen(session)
            _mark_access_read(session, source, began)
        if progress.reached is not None and job.kind != "access":  # that one left the content where it was
            _save_cursor(session, source, progress.reached)
        row.scanned, row.counts, row.problems = True, dict(progress.counts), progress.problems
        session.add(row)
        if progress.rules_broken:  # what could be done is done, and it is closed; it is no success all the same
            ledger.fail(session, lease, None)
        else:
            ledger.finish(session, lease, {"counts": dict(progress.counts)})
    services.ring_projector()


class _Progress:
    """What one scan has seen and done so far."""

    def __init__(self, services: Services, lease: Lease, of: tuple[Source, Job], issuers: Collection[str]) -> None:
        self.services, self.lease = services, lease
        self.source, self.job = of
        self.issuers = issuers
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.refusals: list[Json] = []
        self.access_problems: dict[tuple[str, str], Json] = {}
        self.seen: set[str] = set()
        self.reached: Json | None = None
        """The cursor of a whole scan. It is kept with the deletions, for a scan from it would not find them."""
        self._mapped: dict[SourceAcl, Mapped] = {}

    @property
    def problems(self) -> list[Json]:
        """What the job reports, with the external id it was first met at."""
        return [*self.refusals, *self.access_problems.values()]

    @property
    def rules_broken(self) -> bool:
        return any(reason == RULES_BROKEN for reason, _ in self.access_problems)

    def read(self, changes: Iterable[Change], *, whole: bool) -> None:
        """Apply everything that a scan yields, a batch at a time."""
        for batch in _batches(changes):
            self.apply(batch, whole=whole)

    def apply(self, batch: Sequence[Change], *, whole: bool) -> None:
        """Commit a batch with its next stages, then ring for them."""
        upserts = [c for c in batch if isinstance(c, Upsert)]
        deleted = [c.external_id for c in batch if isinstance(c, Deleted)]
        with self.services.catalog.transaction(self.lease.tenant) as session:
            _lock_job(session, self.lease)
            known = _documents(session, self.source, [c.external_id for c in batch if not isinstance(c, Checkpoint)])
            ready, rewritten = self._upsert(session, upserts, known)
            self._set_access(session, batch, known)
            self.counts["deleted"] += delete_documents(session, self.lease.tenant, self.source.id, deleted, self._actor)
            for some in batched(rewritten, WRITTEN_TOGETHER):
                outbox.append(session, self.lease.tenant, "write", some)
            for change in batch:
                if isinstance(change, Checkpoint) and whole:
                    self.reached = change.cursor
                elif isinstance(change, Checkpoint):
                    _save_cursor(session, self.source, change.cursor)
            session.execute(
                sa.update(Job)
                .where(col(Job.tenant_id) == self.lease.tenant, col(Job.id) == self.lease.job_id)
                .values(counts=dict(self.counts))
            )
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

    def _upsert(
        self, session: Session, upserts: Sequence[Upsert], known: dict[str, Document]
    ) -> tuple[list[str], list[str]]:
        """Bring what is known of the documents up to date, but for their access; new ones join ``known``.

        Returns the stages to ring for, and the documents whose points tell what is no longer so.
        """
        ready: list[str] = []
        rewritten: list[str] = []
        for upsert in upserts:
            self.seen.add(upsert.external_id)
            self.counts["seen"] += 1
            document = known.get(upsert.external_id)
            fresh = document is None or document.state == "deleted"
            if document is None:
                document = known[upsert.external_id] = _new_document(self.source, upsert)
                session.add(document)
            if _describe(document, upsert, self.source) and document.state == "live":
                rewritten.append(document.id)
            if self._has_new_content(document, upsert, fresh=fresh):
                self.counts["new" if fresh else "changed"] += 1
                given = {"fingerprint": upsert.fingerprint, "given_title": upsert.title}
                ready.append(ledger.add(session, self.lease.tenant, self.lease.job_id, "fetch", document.id, 0, given))
            else:
                self.counts["unchanged"] += 1
        session.flush()
        return ready, rewritten

    def _has_new_content(self, document: Document, upsert: Upsert, *, fresh: bool) -> bool:
        if self.job.kind == "access":
            return False
        settled = document.current_version is not None or document.state == "quarantined"
        retried = self.job.kind == "full" and document.problem is not None
        return fresh or not settled or retried or document.fingerprint != upsert.fingerprint

    def _set_access(self, session: Session, batch: Sequence[Change], known: Mapping[str, Document]) -> None:
        """Give each document the access that its source says it has; nobody, where that cannot be known."""
        acls: dict[str, Acl | None] = {}
        before: dict[str, str | None] = {}
        for change in batch:
            if isinstance(change, Refused):
                self._refuse(change)
            if not isinstance(change, Upsert | AclChanged | Refused):
                continue
            document = known.get(change.external_id)
            if document is None or document.state == "deleted":
                continue
            mapped = self._map(change)
            acls[document.id], before[document.id] = mapped.acl, document.acl_id
            problem = {"reason": mapped.unknown.reason, "detail": mapped.unknown.detail} if mapped.unknown else None
            _put(document, {"access_problem": problem})
        session.flush()
        if acls and assign(session, self.lease.tenant, acls, actor=self._actor) is not None:
            self.counts["access_changed"] += _count_changed(session, self.lease.tenant, before)

    def _map(self, change: Upsert | AclChanged | Refused) -> Mapped:
        """The access said of an item, with its faults counted and reported."""
        if isinstance(change, Refused):
            return Mapped(None, AccessUnknown(change.reason, change.detail))
        mapped = self._mapped.get(change.acl)
        if mapped is None:
            mapped = self._mapped[change.acl] = map_acl(change.acl, self.issuers)
        if mapped.unknown is not None:
            self.counts["quarantined"] += 1
            self._report(change.external_id, mapped.unknown.reason, mapped.unknown.detail, mapped.unknown.place)
        elif not mapped.acl:
            self.counts["unreadable"] += 1
        for detail in mapped.ignored:
            self._report(change.external_id, "allow_unmapped", detail)
        return mapped

    def _report(
        self, external_id: str, reason: str, detail: str, place: tuple[tuple[str, str | int], ...] = ()
    ) -> None:
        """One line for all documents that the same fault concerns."""
        known = self.access_problems.get((reason, detail))
        if known is not None:
            known["documents"] += 1
        elif len(self.access_problems) < MAX_ACCESS_PROBLEMS:
            self.access_problems[reason, detail] = {
                "external_id": external_id, "reason": reason, "detail": detail, "documents": 1, **dict(place)
            }  # fmt: skip

    def _refuse(self, change: Refused) -> None:
        self.counts["refused"] += 1
        if change.reason != "missing":  # a rule names what is not there: that is no sight of it
            self.seen.add(change.external_id)
        if len(self.refusals) < MAX_REFUSALS:
            self.refusals.append({"external_id": change.external_id, "reason": change.reason, "detail": change.detail})


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
            col(Document.external_id) == sa.any_(sa.literal(list(external_ids), ARRAY(sa.Text))),
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
    """Bring the document's own facts up to date. True when one that the index holds differs.

    Where the rules cannot be read, what they say besides access stays as it was.
    """
    wanted: Json = {
        "modified_at": upsert.modified_at,
        "title": upsert.title or document.title,
        "uri": upsert.uri,
        "acl_read_at": None,
    }
    if not isinstance(upsert.acl, AccessUnknown):
        review = int(duration(upsert.review_every).total_seconds()) if upsert.review_every else source.review_every_s
        owner = upsert.owner or source.owner
        wanted |= {"owner": owner, "review_every_s": review, "supersedes": list(upsert.supersedes)}
    if document.state == "deleted":
        wanted["state"] = "pending"
    return bool({"owner", "modified_at"} & _put(document, wanted))


def _put(document: Document, wanted: Json) -> set[str]:
    """Set what differs, and say what that was: most documents of a scan are as they were, and cost nothing."""
    changed = {name for name, value in wanted.items() if getattr(document, name) != value}
    for name in changed:
        setattr(document, name, wanted[name])
    return changed


def _count_changed(session: Session, tenant: str, before: dict[str, str | None]) -> int:
    if not before:
        return 0
    rows = session.execute(
        sa.text("SELECT id, acl_id FROM document WHERE tenant_id = :t AND id = ANY(:ids)"),
        {"t": tenant, "ids": list(before)},
    )
    return sum(before[document_id] != acl_id for document_id, acl_id in rows)


def _save_cursor(session: Session, source: Source, cursor: Json | None) -> None:
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
