"""Intake: what a scan tells becomes catalog rows and the next stage, a batch per transaction.

Access is written here, before any content is fetched, so content never comes out under older rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session, col, select

from acl.assign import assign
from acl.mapping import Mapped, map_acl
from ingestion.delete import delete_documents
from ingestion.jobs import COUNTED
from ingestion.services import Services
from ingestion.stages import resume
from ingestion.stages.describe import describe, new_document, put
from ingestion.stages.turn import YIELDED, Turn
from vouch.catalog import ledger, outbox
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Document, Job, Source
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import LeaseLost, SourceRefuses, SourceUnreachable
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
    Unreached,
    Upsert,
)
from vouch.index.points import batched

BATCH = 500
WRITTEN_TOGETHER = 64
"""Documents of one operation that writes their points anew."""
UNGUARDED = 20
"""Documents up to which a source may lose any number at once: of a few, half is not many."""
MAX_REFUSALS = 200
MAX_ACCESS_PROBLEMS = 200
LASTING = ("new", "changed", "deleted", "access_changed", "members_changed")
"""Counts of what is done once, however often a scan names it."""
NOT_HANDED_OUT = (SourceUnreachable.code, SourceRefuses.code)
"""Reasons that are the source's, and no document's: whatever they kept back is asked for again by the next sync."""

_NOT_HANDED_OUT = sa.text(
    """
    SELECT DISTINCT ON (x.document_id) x.document_id, x.result
    FROM document d JOIN stage x ON x.tenant_id = d.tenant_id AND x.document_id = d.id
    WHERE d.tenant_id = :t AND d.source_id = :s AND d.state <> 'deleted' AND x.name = 'fetch' AND x.state = 'failed'
        AND d.problem ->> 'reason' = ANY(:reasons) AND NOT EXISTS (
            SELECT 1 FROM stage y WHERE y.tenant_id = :t AND y.job_id = :j AND y.document_id = d.id)
    ORDER BY x.document_id, x.created_at DESC
    """
)


class Intake:
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
        self._points = resume.Keeper(lease)
        self._kept: tuple[Json, list[Json]] = ({}, [])
        """Counts and problems of where the scan would go on."""
        self._turned = False

    def go_on(self, point: resume.Point, *, anew: bool) -> None:
        """Count on from ``point``; with ``anew`` the scan from there names everything again."""
        if anew:
            self._points = resume.Keeper(self.lease, len(point.seen))
            return
        self.seen.update(point.seen)
        self._count_from(point.counts, point.problems)

    def take_up(self, *, anew: bool) -> None:
        """Count on from the turn before this one, if there was one; after :meth:`go_on`, where that is called."""
        left = self.lease.result.get(YIELDED)
        if left is None:
            return
        if not anew and not self.seen:
            self._count_from(left["counts"], left["problems"])
        self.counts.update({name: self.job.counts.get(name, 0) - self.counts[name] for name in LASTING})
        self._turned = True

    def _count_from(self, counts: Mapping[str, int], problems: Iterable[Json]) -> None:
        self.counts.update(counts)
        for problem in problems:
            if "documents" in problem:
                self.access_problems[problem["reason"], problem["detail"]] = problem
            else:
                self.refusals.append(problem)
        self._kept = (dict(self.counts), self.problems)

    @property
    def problems(self) -> list[Json]:
        """What the job reports, with the external id it was first met at."""
        return [*self.refusals, *self.access_problems.values()]

    @property
    def rules_broken(self) -> bool:
        return any(reason == RULES_BROKEN for reason, _ in self.access_problems)

    def read(self, changes: Iterable[Change], turn: Turn, *, whole: bool) -> bool:
        """Apply everything that a scan yields, a batch at a time. False when its turn was over before its end."""
        coming = iter(changes)
        for batch in _batches(coming):
            kept = self.apply(batch, whole=whole)
            if kept:
                self._kept = (dict(self.counts), self.problems)
            if turn.over(kept=kept, met=len(self.seen)) and next(coming, None) is not None:
                with self.services.catalog.transaction(self.lease.tenant) as session:
                    lock_job(session, self.lease)
                    turn.end(session, self._kept, len(self.seen))
                return False
        return True

    def apply(self, batch: Sequence[Change], *, whole: bool) -> bool:
        """Commit a batch with its next stages, then ring for them. True when the scan can go on from its end."""
        kept = False
        upserts = [c for c in batch if isinstance(c, Upsert)]
        deleted = [c.external_id for c in batch if isinstance(c, Deleted)]
        with self.services.catalog.transaction(self.lease.tenant) as session:
            lock_job(session, self.lease)
            known = _documents(session, self.source, [c.external_id for c in batch if not isinstance(c, Checkpoint)])
            ready, rewritten = self._upsert(session, upserts, known)
            self._set_access(session, batch, known)
            self.counts["deleted"] += delete_documents(session, self.lease.tenant, self.source.id, deleted, self._actor)
            for some in batched(rewritten, WRITTEN_TOGETHER):
                outbox.append(session, self.lease.tenant, "write", some)
            for change in batch:
                if isinstance(change, Checkpoint) and whole:
                    self.reached = change.cursor
                    kept = self._points.keep(session, change.cursor, (dict(self.counts), self.problems), self.seen)
                elif isinstance(change, Checkpoint):
                    save_cursor(session, self.source, change.cursor)
                    kept = True
            session.execute(
                sa.update(Job)
                .where(col(Job.tenant_id) == self.lease.tenant, col(Job.id) == self.lease.job_id)
                .values(counts=dict(self.counts))
            )
        self.services.ring("fetch", ready)
        return kept

    def try_again(self, session: Session) -> list[str]:
        """The stages of documents that the source did not hand out the last time; it need not name them again."""
        if self.job.kind == "access":
            return []
        key = {"t": self.lease.tenant, "s": self.source.id, "j": self.lease.job_id}
        found = session.execute(_NOT_HANDED_OUT, {"reasons": list(NOT_HANDED_OUT), **key}).all()
        ready: list[str] = []
        for document_id, before in found:
            given = {name: before.get(name, "") for name in ("fingerprint", "given_title")}
            ready.append(ledger.add(session, self.lease.tenant, self.lease.job_id, "fetch", document_id, 0, given))
        return ready

    def delete_unseen(self, session: Session, *, confirmed: bool) -> Json | None:
        """A listing that names every live item leaves out the deleted ones.

        Deletes nothing where that would be more of the source than its guard lets pass, and says so: a share that is
        not mounted, or an account that lost its rights, looks like that too.
        """
        known = session.exec(
            select(Document.external_id).where(
                col(Document.tenant_id) == self.lease.tenant,
                col(Document.source_id) == self.source.id,
                col(Document.state) != "deleted",
            )
        ).all()
        gone = sorted(set(known) - self.seen)
        share = session.exec(
            select(Source.deletion_guard).where(
                col(Source.tenant_id) == self.lease.tenant, col(Source.id) == self.source.id
            )
        ).one()
        if len(known) > UNGUARDED and len(gone) > share * len(known) and not confirmed:
            return {
                "stage": "scan", "attempts": self.lease.attempt, "at": rfc3339(clock.now()),
                "reason": "too_many_deletions", "deletions": len(gone), "documents": len(known),
                "detail": f"{len(gone)} of {len(known)} documents are gone from the source, more than the"
                f" {share:.0%} that a sync deletes by itself. Nothing was deleted.",
            }  # fmt: skip
        self.counts["deleted"] += delete_documents(session, self.lease.tenant, self.source.id, gone, self._actor)
        return None

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
        wanted: list[tuple[Document, Json]] = []
        begun = _already_fetched(session, self.lease, [document.id for document in known.values()])
        for upsert in upserts:
            self.seen.add(upsert.external_id)
            self.counts["seen"] += 1
            document = known.get(upsert.external_id)
            fresh = document is None or document.state == "deleted"
            if document is None:
                document = known[upsert.external_id] = new_document(self.source, upsert)
                session.add(document)
            if describe(document, upsert, self.source) and document.state == "live":
                rewritten.append(document.id)
            if self._turned and document.id in begun:
                continue  # counted by the turn that began it
            if self._has_new_content(document, upsert, fresh=fresh):
                self.counts["new" if fresh else "changed"] += 1
                wanted.append((document, {"fingerprint": upsert.fingerprint, "given_title": upsert.title}))
            else:
                self.counts["unchanged"] += 1
        session.flush()
        for document, given in wanted:
            if document.id not in begun:
                ready.append(ledger.add(session, self.lease.tenant, self.lease.job_id, "fetch", document.id, 0, given))
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
            if isinstance(change, Unreached):
                self.seen.add(change.external_id)
                self._tell(change)
            if not isinstance(change, Upsert | AclChanged | Refused | Unreached):
                continue
            document = known.get(change.external_id)
            if document is None or document.state == "deleted":
                continue
            mapped = self._map(change)
            acls[document.id], before[document.id] = mapped.acl, document.acl_id
            problem = {"reason": mapped.unknown.reason, "detail": mapped.unknown.detail} if mapped.unknown else None
            put(document, {"access_problem": problem})
        session.flush()
        if acls and assign(session, self.lease.tenant, acls, actor=self._actor) is not None:
            self.counts["access_changed"] += _count_changed(session, self.lease.tenant, before)

    def _map(self, change: Upsert | AclChanged | Refused | Unreached) -> Mapped:
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
        self._tell(change)

    def _tell(self, change: Refused | Unreached) -> None:
        if len(self.refusals) < MAX_REFUSALS:
            self.refusals.append({"external_id": change.external_id, "reason": change.reason, "detail": change.detail})


def lock_job(session: Session, lease: Lease) -> Job:
    """Raises :class:`LeaseLost` when the job was cancelled since the scan was claimed: nothing more may come of it."""
    job = session.get(Job, (lease.tenant, lease.job_id), with_for_update={"key_share": True}, populate_existing=True)
    if job is None or job.state not in ("queued", "running"):
        raise LeaseLost()
    return job


def save_cursor(session: Session, source: Source, cursor: Json | None) -> None:
    session.execute(
        sa.update(Source)
        .where(col(Source.tenant_id) == source.tenant_id, col(Source.id) == source.id)
        .values(cursor=cursor)
    )


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    for change in changes:
        batch.append(change)
        if len(batch) >= BATCH or isinstance(change, Checkpoint):
            yield batch
            batch = []
    if batch:
        yield batch


def _already_fetched(session: Session, lease: Lease, document_ids: Sequence[str]) -> set[str]:
    """Those for which an earlier try of this scan, before it was interrupted, began the work."""
    if not document_ids:
        return set()
    rows = session.execute(
        sa.text("SELECT document_id FROM stage WHERE tenant_id = :t AND job_id = :j AND document_id = ANY(:ids)"),
        {"t": lease.tenant, "j": lease.job_id, "ids": list(document_ids)},
    )
    return set(rows.scalars())


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


def _count_changed(session: Session, tenant: str, before: dict[str, str | None]) -> int:
    if not before:
        return 0
    rows = session.execute(
        sa.text("SELECT id, acl_id FROM document WHERE tenant_id = :t AND id = ANY(:ids)"),
        {"t": tenant, "ids": list(before)},
    )
    return sum(before[document_id] != acl_id for document_id, acl_id in rows)
