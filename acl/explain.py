"""Why a user may or may not read a document: each clause, and the membership path behind each match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from acl.assign import load
from acl.recheck import recheck
from acl.resolve import Access, resolve
from vouch.catalog import epoch as epochs
from vouch.core.clock import rfc3339
from vouch.core.errors import AccessIncomplete, NotFound, Unauthenticated, VouchError
from vouch.core.types import AUTHENTICATED, Acl, Clause, Json

MOST_NAMED = 5
"""Principals that a reason names; the clause itself lists them all."""

_FACTS = sa.text(
    """
    SELECT d.state, d.current_version, d.acl_id, s.state AS source_state, s.kind, s.acl_max_age_s,
        greatest(d.acl_read_at, s.acl_read_at) AS acl_read_at, d.access_problem ->> 'detail' AS fault, now() AS now
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :tenant AND d.id = :document
    """
)
_EDGES = sa.text(
    "SELECT member, group_id FROM membership WHERE tenant_id = :tenant AND member = ANY(CAST(:principals AS text[]))"
)


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was read, and how long ago it may be. ``max_age_s`` None: it does not age here."""

    read_at: datetime | None
    max_age_s: int | None
    now: datetime

    @property
    def too_old(self) -> bool:
        """As gate 2 says it; what was never read is too old where it ages."""
        if self.max_age_s is None:
            return False
        return self.read_at is None or self.read_at <= self.now - timedelta(seconds=self.max_age_s)

    def as_json(self) -> Json:
        age = None if self.read_at is None else round((self.now - self.read_at).total_seconds(), 3)
        return {
            "read_at": rfc3339(self.read_at), "age_s": age, "max_age_s": self.max_age_s, "too_old": self.too_old,
        }  # fmt: skip

    def complaint(self, what: str) -> str:
        read = "have not been read yet" if self.read_at is None else f"were read {rfc3339(self.read_at)}"
        return f"{what} {read}; the source allows them to be {self.max_age_s} seconds old"


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """Everything about a document that decides, whoever asks."""

    state: str
    version: int | None
    acl_id: str | None
    acl: Acl
    fault: str | None
    source_deleting: bool
    acl_age: Age
    memberships_max_age_s: int | None

    def reasons(self) -> list[str]:
        """Why nobody may read it at present; empty when that depends on who asks."""
        found = []
        if self.state != "live":
            found.append(f"the document is {self.state}")
        elif self.version is None:
            found.append("the document has no published version")
        if self.source_deleting:
            found.append("the source is being deleted")
        if self.fault is not None:
            found.append(f"nobody may read it until its source's rules are put right: {self.fault}")
        elif not self.acl:
            found.append("the document has no access rules, so nobody may read it")
        if self.acl_age.too_old:
            found.append(self.acl_age.complaint("the access rules"))
        return found


def document_facts(session: Session, tenant: str, document_id: str) -> DocumentFacts:
    """Raises :class:`NotFound` for an unknown document."""
    row = session.execute(_FACTS, {"tenant": tenant, "document": document_id}).first()
    if row is None:
        raise NotFound()
    ages = None if row.kind == "push" else row.acl_max_age_s
    return DocumentFacts(
        state=row.state,
        version=row.current_version,
        acl_id=row.acl_id,
        acl=load(session, tenant, [row.acl_id]).get(row.acl_id, ()) if row.acl_id else (),
        fault=row.fault,
        source_deleting=row.source_state == "deleting",
        acl_age=Age(row.acl_read_at, ages, row.now),
        memberships_max_age_s=row.acl_max_age_s,
    )


def explain(session: Session, tenant: str, user: str, document_id: str) -> Json:
    """The decision of gate 2 and everything behind it, from one snapshot. For administrators: it names
    principals and never content. Raises :class:`NotFound` for an unknown document."""
    facts = document_facts(session, tenant, document_id)
    access, asker_reasons = asker(session, tenant, user)
    allowed = access is not None and bool(recheck(session, access, [document_id])[1])
    paths = membership_paths(access.user, edges(session, access)) if access else {}
    read_at = access.memberships_read_at if access else None
    memberships = Age(read_at, facts.memberships_max_age_s if read_at else None, facts.acl_age.now)
    reasons = [*asker_reasons, *facts.reasons()]
    if access is not None:
        if memberships.too_old:
            reasons.append(memberships.complaint("the user's memberships"))
        reasons += clause_reasons(facts.acl, paths)
    if allowed == bool(reasons):
        raise VouchError("The explanation and gate 2 differ; neither is to be trusted.")
    return {
        "user": user,
        "document_id": document_id,
        "version": facts.version,
        "decision": "allowed" if allowed else "denied",
        "epoch": epochs.current(session, tenant),
        "reasons": reasons or ["every clause permits"],
        "acl_id": facts.acl_id,
        "clauses": explain_clauses(facts.acl, paths),
        "acl_read_at": rfc3339(facts.acl_age.read_at),
        "acl_max_age_s": facts.memberships_max_age_s,
        "acl": facts.acl_age.as_json(),
        "memberships": memberships.as_json(),
    }


def asker(session: Session, tenant: str, user: str) -> tuple[Access | None, list[str]]:
    """The user's access now; without one, why there is none."""
    try:
        return resolve(session, tenant, user), []
    except Unauthenticated:
        known = session.execute(
            sa.text("SELECT 1 FROM app_user WHERE tenant_id = :t AND id = :u"), {"t": tenant, "u": user}
        ).scalar()
        return None, ["the user is not active" if known else "the user is not in the directory"]
    except AccessIncomplete as error:
        return None, [error.detail]


def edges(session: Session, access: Access) -> list[tuple[str, str]]:
    """(member, group) for every membership that one of the principals holds."""
    rows = session.execute(_EDGES, {"tenant": access.tenant, "principals": sorted(access.principals)})
    return [(member, group) for member, group in rows]


def membership_paths(user: str, memberships: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """For each principal that the user is, a shortest path of memberships to it, the user first."""
    groups_of: dict[str, list[str]] = {}
    for member, group in memberships:
        groups_of.setdefault(member, []).append(group)
    paths = {user: [user], AUTHENTICATED: [AUTHENTICATED]}
    frontier = [user, AUTHENTICATED]
    for principal in frontier:
        for group in sorted(groups_of.get(principal, [])):
            if group not in paths:
                paths[group] = [*paths[principal], group]
                frontier.append(group)
    return paths


def explain_clauses(acl: Sequence[Clause], paths: Mapping[str, list[str]]) -> list[Json]:
    """Each clause with the principals of the user that it allows and denies, and the path to each."""
    found = []
    for ordinal, clause in enumerate(acl):
        satisfied = {p: paths[p] for p in sorted(clause.allow) if p in paths}
        violated = {p: paths[p] for p in sorted(clause.deny) if p in paths}
        found.append(
            {
                "clause": ordinal,
                "allow": sorted(clause.allow),
                "deny": sorted(clause.deny),
                "permits": bool(satisfied) and not violated,
                "allowed_by": satisfied,
                "denied_by": violated,
            }
        )
    return found


def clause_reasons(acl: Sequence[Clause], paths: Mapping[str, list[str]]) -> list[str]:
    """What each clause that does not permit has against it; empty when all permit."""
    reasons = []
    for ordinal, clause in enumerate(acl):
        denied = sorted(clause.deny & paths.keys())
        reasons += [f"clause {ordinal} denies {spoken(paths[principal])}" for principal in denied]
        if not clause.allow & paths.keys():
            reasons.append(f"clause {ordinal} allows {_named(clause.allow)}, and the user is none of them")
    return reasons


def spoken(path: Sequence[str]) -> str:
    """``group:staff (user:alice in group:hr in group:staff)``"""
    return path[0] if len(path) == 1 else f"{path[-1]} ({' in '.join(path)})"


def _named(principals: Iterable[str]) -> str:
    names = sorted(principals)
    if not names:
        return "nobody"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"only {', '.join(names[:MOST_NAMED])}{more}"
