"""The staleness report: what of an owner's documents should be looked at, and how much it is used.

Who acts for a user is told of what that user owns *and* may read today, decided here and now by gate 2's own
condition. Who acts for nobody is told ids, states and counts. Of questions only their number is ever told: a question
is its asker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.owners import OWNED_BY, OWNER, names
from acl.recheck import PERMITTED, THERE, WOULD_PERMIT, parameters
from acl.resolve import resolve
from acl.who import Caller
from ingestion.reports.broken_links import BrokenLinks, broken_links
from ingestion.reports.judged import SOURCE, judged
from ingestion.reports.suspected import SuspectedDocuments, suspected_documents
from ingestion.reports.twins import Scope, Twins, twins
from vouch.catalog.freshness import facts
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.freshness import State, standing
from vouch.core.types import Json

WINDOW = timedelta(days=30)
"""Over which uses are counted."""
TO_LOOK_AT: tuple[State, ...] = ("expired", "source_gone", "stale", "due", "ownerless")
"""The states that put a document on the list, gravest first."""
MOST_BESIDES = 200
"""Superseded and quarantined documents in one report; their numbers are told whole."""

Position = tuple[int, int, int, str]
"""Of a document in the list: questions, people, the state's rank, id."""
FIRST: Position = (2**31 - 1, 2**31 - 1, 0, "")


@dataclass(frozen=True, slots=True)
class Named:
    """What is content: None where the report acts for nobody, or the name may not be read."""

    external_id: str | None = None
    title: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """``questions`` whose answers cited it within :data:`WINDOW`, of so many ``people``. ``superseded_by``: the newest
    successor, and its title, where they may be told."""

    document_id: str
    source_id: str
    named: Named
    owner: str | None
    state: State
    modified_at: datetime | None
    review_due: datetime | None
    verified_until: datetime | None
    questions: int
    people: int
    superseded_by: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What could not be taken in, or nobody may read, and why."""

    document_id: str
    source_id: str
    named: Named
    owner: str | None
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Questions of the last :data:`WINDOW` that were refused an answer though these documents mention their words."""

    questions: int
    people: int


@dataclass(frozen=True, slots=True)
class Report:
    """``counts``: all documents by state, also those that need no look. ``after``: where the next page begins."""

    owner: str | None
    user: str | None
    at: datetime
    since: datetime
    epoch: int | None
    counts: Mapping[State, int]
    documents: tuple[Listed, ...]
    superseded: tuple[Listed, ...]
    superseded_cited: int
    quarantined: tuple[Quarantined, ...]
    quarantined_in_all: int
    unanswered: Unanswered
    after: Position | None
    twins: Twins = field(default_factory=Twins)
    broken_links: BrokenLinks = field(default_factory=BrokenLinks)
    suspected: SuspectedDocuments = field(default_factory=SuspectedDocuments)

    @property
    def silent(self) -> bool:
        """Whether there is nothing that anybody should look at."""
        found = self.documents or self.superseded or self.quarantined_in_all or self.broken_links.in_all
        alike = self.twins.duplicates or self.twins.conflicts
        return not (found or alike or self.suspected.in_all or self.unanswered.questions)

    @property
    def told(self) -> list[str]:
        """The documents that are named, for the audit log."""
        listed = (*self.documents, *self.superseded)
        found = {row.document_id for row in listed} | {row.document_id for row in self.quarantined} | self.twins.told
        found |= {link.document_id for link in self.broken_links.links}
        found |= {one.document_id for one in self.suspected.documents}
        return sorted(found | {row.superseded_by for row in listed if row.superseded_by is not None})


@dataclass(frozen=True, slots=True)
class _Scope:
    """Conditions on ``document d`` and ``source s``, and their parameters. ``known``: whether names are told."""

    readable: str
    whose: str
    listable: str
    known: str
    values: Json = field(default_factory=dict)
    epoch: int | None = None


def staleness(session: Session, caller: Caller, owner: str | None, *, limit: int, after: Position = FIRST) -> Report:
    """The report for ``caller``, of what ``owner`` owns; None: of all that the user does, by themselves or in a group.

    Raises :class:`NotFound` for an owner that the user neither is nor belongs to, whether it is there or not.
    """
    scope = _scope(session, caller, owner)
    now = clock.now()
    values = {**scope.values, "tenant": caller.tenant, "now": now, "since": now - WINDOW, "most": MOST_BESIDES}
    with_judged = judged(scope.readable, scope.whose)
    counts = {row.state: row.n for row in session.execute(sa.text(f"{with_judged} {_COUNTS}"), values)}
    questions, people, rank, id_ = after
    page = {"questions": questions, "people": people, "rank": rank, "id": id_, "limit": limit + 1}
    rows = session.execute(sa.text(f"{with_judged} {_PAGE}"), values | page | {"ranks": list(TO_LOOK_AT)}).all()
    superseded = session.execute(sa.text(f"{with_judged} {_SUPERSEDED}"), values).all()
    quarantined = session.execute(sa.text(_quarantined(scope)), values).all()
    broken = broken_links(session, (scope.readable, scope.whose), values, named=caller.user is not None)
    suspected = suspected_documents(session, (scope.readable, scope.whose), values, named=caller.user is not None)
    unanswered = session.execute(sa.text(f"{with_judged} {_UNANSWERED}"), values).one()
    return Report(
        owner=owner,
        user=caller.user,
        at=now,
        since=now - WINDOW,
        epoch=scope.epoch,
        counts={state: counts.get(state, 0) for state in ("fresh", *reversed(TO_LOOK_AT), "superseded")},
        documents=tuple(_listed(row, now, scope) for row in rows[:limit]),
        superseded=tuple(_listed(row, now, scope) for row in superseded),
        superseded_cited=superseded[0].in_all if superseded else 0,
        quarantined=tuple(map(_told, quarantined)),
        quarantined_in_all=quarantined[0].in_all if quarantined else 0,
        unanswered=Unanswered(unanswered.questions, unanswered.people),
        after=_position(rows[limit - 1]) if len(rows) > limit else None,
        twins=twins(session, Scope(scope.readable, scope.whose, values, scope.epoch is not None)),
        broken_links=broken,
        suspected=suspected,
    )


def _scope(session: Session, caller: Caller, owner: str | None) -> _Scope:
    if caller.user is None:
        whose = "true" if owner is None else f"{OWNER} = :owner"
        return _Scope(THERE, whose, "true", "false", {} if owner is None else {"owner": owner})
    access = resolve(session, caller.tenant, caller.user)
    owners = names(access)
    if owner is not None and owner not in owners:
        raise NotFound()
    # What nobody may read is told to who owns it by its id; what somebody else may read and they may not, not at all.
    listable = f"(d.acl_id IS NULL OR ({WOULD_PERMIT}))"
    values = {**parameters(access), "owners": sorted(owners) if owner is None else [owner]}
    return _Scope(PERMITTED, OWNED_BY, listable, WOULD_PERMIT, values, access.epoch)


_COUNTS = "SELECT state, count(*) AS n FROM judged GROUP BY state"
_PAGE = """
    , listed AS (
        SELECT j.*, array_position(CAST(:ranks AS text[]), j.state) AS rank FROM judged j
        WHERE j.state = ANY(CAST(:ranks AS text[]))
    )
    SELECT * FROM listed WHERE (-questions, -people, rank, id) > (-:questions, -:people, :rank, :id)
    ORDER BY -questions, -people, rank, id LIMIT :limit
"""
_SUPERSEDED = """
    SELECT *, count(*) OVER () AS in_all FROM judged WHERE state = 'superseded' AND questions > 0
    ORDER BY questions DESC, people DESC, id LIMIT :most
"""
_UNANSWERED = """
    SELECT count(*) AS questions, count(DISTINCT a.user_id) AS people
    FROM answer a JOIN trace t ON t.tenant_id = a.tenant_id AND t.id = a.trace_id
    WHERE a.tenant_id = :tenant AND a.created_at >= :since AND a.kind = 'abstention' AND EXISTS (
        SELECT 1 FROM jsonb_array_elements_text(coalesce(t.data->'inputs', '[]')) AS i(id) JOIN mine m ON m.id = i.id)
"""


def _quarantined(scope: _Scope) -> str:
    return f"""
    SELECT d.id, d.source_id, {OWNER} AS owner, coalesce(d.access_problem, d.problem) AS problem,
        CASE WHEN {scope.known} THEN d.external_id END AS external_id,
        CASE WHEN {scope.known} THEN d.title END AS title,
        CASE WHEN {scope.known} THEN d.uri END AS uri, count(*) OVER () AS in_all
    FROM document d {SOURCE}
    WHERE d.tenant_id = :tenant AND d.state <> 'deleted' AND s.state <> 'deleting'
    AND coalesce(d.access_problem, d.problem) IS NOT NULL AND {scope.listable} AND {scope.whose}
    ORDER BY d.source_id, d.external_id LIMIT :most
    """  # noqa: S608 - constants, no input


def _listed(row: Any, now: datetime, scope: _Scope) -> Listed:
    told = scope.epoch is not None
    return Listed(
        document_id=row.id,
        source_id=row.source_id,
        named=Named(row.external_id, row.title, row.uri) if told else Named(),
        owner=row.owner,
        state=row.state,
        modified_at=row.modified_at,
        review_due=standing(facts(row), now).review_due,
        verified_until=row.reviewed_until,
        questions=row.questions,
        people=row.people,
        superseded_by=row.successor,
        successor=row.successor_title if told else None,
    )


def _told(row: Any) -> Quarantined:
    named = Named(row.external_id, row.title or None, row.uri) if row.external_id is not None else Named()
    detail = row.problem.get("detail") if row.external_id is not None else None
    return Quarantined(row.id, row.source_id, named, row.owner, str(row.problem.get("reason", "")), detail)


def _position(row: Any) -> Position:
    return row.questions, row.people, row.rank, row.id
