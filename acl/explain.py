"""Why a user may or may not read a document: each clause, and the membership path behind each match."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl.assign import load
from acl.recheck import recheck
from acl.resolve import Access, resolve
from vouch.catalog.tables import Document, Source
from vouch.core.clock import rfc3339
from vouch.core.errors import NotFound, Unauthenticated
from vouch.core.types import AUTHENTICATED, Clause, Json


def explain(session: Session, tenant: str, user: str, document_id: str) -> Json:
    """The decision of gate 2 and everything behind it, from one snapshot. For administrators: it names
    principals and never content. Raises :class:`NotFound` for an unknown document."""
    document = session.get(Document, (tenant, document_id))
    source = session.get(Source, (tenant, document.source_id)) if document else None
    if document is None or source is None:
        raise NotFound()
    try:
        access: Access | None = resolve(session, tenant, user)
    except Unauthenticated:
        access = None
    allowed = access is not None and bool(recheck(session, access, [document_id])[1])
    clauses = load(session, tenant, [document.acl_id]).get(document.acl_id, ()) if document.acl_id else ()
    paths = _paths(session, access) if access else {}
    return {
        "user": user,
        "document_id": document_id,
        "decision": "allowed" if allowed else "denied",
        "epoch": access.epoch if access else None,
        "reasons": _reasons(access, document, source, allowed, len(clauses)),
        "clauses": [_clause(n, clause, paths) for n, clause in enumerate(clauses)],
        "acl_read_at": rfc3339(max(filter(None, (document.acl_read_at, source.acl_read_at)), default=None)),
        "acl_max_age_s": source.acl_max_age_s,
    }


def _reasons(access: Access | None, document: Document, source: Source, allowed: bool, clauses: int) -> list[str]:
    if allowed:
        return ["every clause permits"]
    reasons = []
    if access is None:
        reasons.append("the user is not active in the directory")
    if document.state != "live":
        reasons.append(f"the document is {document.state}")
    if source.state == "deleting":
        reasons.append("the source is being deleted")
    if not clauses:
        reasons.append("the document has no access rules, so nobody may read it")
    return reasons or ["a clause does not permit, or the access rules are older than the source allows"]


def _clause(ordinal: int, clause: Clause, paths: dict[str, list[str]]) -> dict[str, Any]:
    satisfied = {p: paths[p] for p in sorted(clause.allow) if p in paths}
    violated = {p: paths[p] for p in sorted(clause.deny) if p in paths}
    return {
        "clause": ordinal,
        "allow": sorted(clause.allow),
        "deny": sorted(clause.deny),
        "permits": bool(satisfied) and not violated,
        "allowed_by": satisfied,
        "denied_by": violated,
    }


def _paths(session: Session, access: Access) -> dict[str, list[str]]:
    """For each of the asker's principals a shortest membership path to it, the user first."""
    rows = session.execute(
        sa.text("SELECT member, group_id FROM membership WHERE tenant_id = :t AND group_id = ANY(:p)"),
        {"t": access.tenant, "p": sorted(access.principals)},
    ).all()
    groups_of: dict[str, list[str]] = {}
    for member, group in rows:
        groups_of.setdefault(member, []).append(group)
    paths = {access.user: [access.user], AUTHENTICATED: [AUTHENTICATED]}
    frontier = [access.user, AUTHENTICATED]
    for principal in frontier:
        for group in sorted(groups_of.get(principal, [])):
            if group not in paths:
                paths[group] = [*paths[principal], group]
                frontier.append(group)
    return paths
