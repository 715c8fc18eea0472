"""The view of a group for who looks after it: how much of what its people own should be looked at, owner by owner.

The numbers are of all that they own; whoever named the manager let them be told that. Names are content: a document
is told by name only to a manager who may read it today, and to who acts for nobody not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.managers import inside, managers
from acl.owners import OWNER
from acl.recheck import PERMITTED, THERE, parameters
from acl.resolve import resolve
from acl.who import Caller
from ingestion.reports.judged import SOURCE, judged
from ingestion.reports.staleness import TO_LOOK_AT, WINDOW, Named
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.freshness import State
from vouch.core.types import Json

MOST_OWNERS = 500
MOST_USED = 5
"""Documents told of each owner."""
STATES: tuple[State, ...] = ("fresh", *reversed(TO_LOOK_AT), "superseded")


@dataclass(frozen=True, slots=True)
class Used:
    """A document that should be looked at, and how much it is used. What is None may not be told."""

    document_id: str | None
    named: Named
    state: State
    questions: int
    people: int


@dataclass(frozen=True, slots=True)
class OwnerCounts:
    """``to_look_at``: the documents whose state asks for it. ``most_used``: those of them that people rely on."""

    owner: str
    counts: Mapping[State, int]
    quarantined: int
    most_used: tuple[Used, ...]

    @property
    def to_look_at(self) -> int:
        return sum(self.counts[state] for state in TO_LOOK_AT)


@dataclass(frozen=True, slots=True)
class GroupReport:
    """``owners``: those that own something, the most to look at first; ``epoch``: under which names were told."""

    group: str
    user: str | None
    at: datetime
    since: datetime
    epoch: int | None
    owners: tuple[OwnerCounts, ...]
    owners_in_all: int

    @property
    def told(self) -> list[str]:
        """The documents that are named, for the audit log."""
        return sorted(used.document_id for one in self.owners for used in one.most_used if used.document_id is not None)


_WHOSE = f"{OWNER} = ANY(CAST(:owners AS text[]))"
_COUNTS = "SELECT owner, state, count(*) AS n FROM judged GROUP BY owner, state"
_QUARANTINED = sa.text(
    f"""
    SELECT {OWNER} AS owner, count(*) AS n FROM document d {SOURCE}
    WHERE d.tenant_id = :tenant AND d.state <> 'deleted' AND s.state <> 'deleting'
    AND coalesce(d.access_problem, d.problem) IS NOT NULL AND {_WHOSE} GROUP BY 1
    """  # noqa: S608 - constants, no input
)


def _most_used(known: str) -> str:
    return f"""
    , ranked AS (
        SELECT j.*, row_number() OVER (PARTITION BY j.owner ORDER BY
            j.questions DESC, j.people DESC, array_position(CAST(:ranks AS text[]), j.state), j.id) AS place
        FROM judged j WHERE j.state = ANY(CAST(:ranks AS text[])) AND j.questions > 0
    )
    SELECT r.owner, r.state, r.questions, r.people, r.id, d.external_id, d.title, d.uri, {known} AS known
    FROM ranked r JOIN document d ON d.tenant_id = :tenant AND d.id = r.id {SOURCE}
    WHERE r.place <= :most ORDER BY r.owner, r.place
    """  # noqa: S608 - constants, no input


def group_report(session: Session, caller: Caller, group: str) -> GroupReport:
    """For a manager of ``group`` who acts for themselves, or for who acts for nobody.

    Raises :class:`NotFound` for a group that is not there, and for one that the user does not manage.
    """
    now = clock.now()
    known, sight, epoch = "false", THERE, None
    values: Json = {}
    if caller.user is not None:
        if caller.user not in managers(session, caller.tenant, group):
            raise NotFound()
        access = resolve(session, caller.tenant, caller.user)
        # A successor that the manager may not read supersedes nothing for them: no state tells that it is there.
        known, sight, epoch, values = f"({PERMITTED})", PERMITTED, access.epoch, parameters(access)
    values |= {
        "tenant": caller.tenant, "owners": inside(session, caller.tenant, group), "now": now, "since": now - WINDOW,
    }  # fmt: skip
    with_judged = judged(THERE, _WHOSE, sight)
    counted = session.execute(sa.text(f"{with_judged} {_COUNTS}"), values).all()
    quarantined = {row.owner: row.n for row in session.execute(_QUARANTINED, values)}
    ranked = values | {"ranks": list(TO_LOOK_AT), "most": MOST_USED}
    used = session.execute(sa.text(f"{with_judged} {_most_used(known)}"), ranked).all()
    owners = _owners(counted, quarantined, used, told_ids=caller.user is None)
    return GroupReport(group, caller.user, now, now - WINDOW, epoch, tuple(owners[:MOST_OWNERS]), len(owners))


def _owners(counted: Any, quarantined: Mapping[str, int], used: Any, *, told_ids: bool) -> list[OwnerCounts]:
    counts: dict[str, dict[State, int]] = defaultdict(lambda: dict.fromkeys(STATES, 0))
    for row in counted:
        counts[row.owner][row.state] = row.n
    most_used: dict[str, list[Used]] = defaultdict(list)
    for row in used:
        named = Named(row.external_id, row.title, row.uri) if row.known else Named()
        told = row.id if row.known or told_ids else None
        most_used[row.owner].append(Used(told, named, row.state, row.questions, row.people))
    found = [
        OwnerCounts(owner, dict(counts[owner]), quarantined.get(owner, 0), tuple(most_used[owner]))
        for owner in sorted(counts.keys() | quarantined.keys())
    ]
    return sorted(found, key=lambda one: (-one.to_look_at - one.quarantined, one.owner))
