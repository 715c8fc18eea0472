"""Why each passage of an answer was allowed when it was given, recomputed from history, and whether it is now.

Nothing that the proof says is believed: the asker's principals and each document's rules are computed anew as of the
proof's epoch, rules are held against their own hash and the proof against the audit log, and what differs is said.
Only what history does not keep, how old the readings of access were, is taken from the proof itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel import Session, col, select

from acl import assign, proof
from acl.explain import Age, asker, clause_reasons, explain, explain_clauses, membership_paths
from acl.history import DocumentThen, access_at, documents_at, edges_at, require_history
from acl.proof import Proof, ProvedDocument
from acl.resolve import Access
from vouch.catalog.tables import Answer, AuditEntry, Citation
from vouch.core.clock import rfc3339
from vouch.core.errors import AccessIncomplete, InvalidInput, NotFound, Unauthenticated
from vouch.core.types import Acl, Json

Verdict = Literal["allowed", "denied", "unprovable"]
PROVED = ("ask", "approval.edit", "approval.release")
"""Entries that have the hash of an answer's proof: of when it was made, and when a reviewer changed or released it."""

# A version that is gone with its document stands in the row of the deletion that took it along.
_PUBLISHED = sa.text(
    """
    SELECT v.published_at AS at, CAST(NULL AS bigint) AS until FROM document_version v
    WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version AND v.published_at IS NOT NULL
    UNION ALL
    SELECT CAST(c.published->>CAST(:version AS text) AS timestamptz), c.epoch FROM document_change c
    WHERE c.tenant_id = :tenant AND c.document_id = :document AND c.published ? CAST(:version AS text)
    """
)


@dataclass(frozen=True, slots=True)
class _Then:
    """The state at the proof's epoch as history has it. ``broken``: why nothing can be concluded from it."""

    access: Access | None
    paths: Mapping[str, list[str]]
    documents: Mapping[str, DocumentThen]
    acls: Mapping[str, Acl]
    broken: tuple[str, ...]


def replay(session: Session, tenant: str, answer_id: str) -> Json:
    """Both verdicts on an answer with all that is behind them: ids, rules, paths and offsets, no content.

    ``then`` is ``unprovable`` where the record does not hold together. Raises :class:`NotFound`.
    """
    row = session.get(Answer, (tenant, answer_id))
    if row is None:
        raise NotFound()
    kept = _kept(row)
    then = _then(session, row, kept) if kept else _nothing("no readable proof was kept with this answer")
    _, denied_now = asker(session, tenant, row.user_id)
    shown = [_shown(session, row, one, kept, then) for one in kept.documents] if kept else []
    allowed_now = not denied_now and all(one["now"]["decision"] == "allowed" for one in shown)
    return {
        "answer_id": row.id,
        "user": row.user_id,
        "kind": row.kind,
        "epoch": row.epoch,
        "decided_at": rfc3339(kept.decided_at) if kept else None,
        "generation": row.generation,
        "principals_hash": row.principals_hash,
        "recomputed_hash": then.access.principals_hash if then.access else None,
        "then": "unprovable" if then.broken else _worst([one["then"]["verdict"] for one in shown]),
        "now": "allowed" if allowed_now else "denied",
        "reasons": list(then.broken),
        "reasons_now": denied_now,
        "documents": shown,
    }


def _shown(session: Session, row: Answer, one: ProvedDocument, kept: Proof, then: _Then) -> Json:
    return {
        "document_id": one.document_id,
        "version": one.version,
        "cited": [cited.model_dump() for cited in one.cited],
        "then": _judge(session, row.tenant_id, one, kept, then),
        "now": _now(session, row.tenant_id, row.user_id, one.document_id),
    }


def _kept(row: Answer) -> Proof | None:
    try:
        return Proof.model_validate(row.proof)
    except ValidationError:
        return None


def _nothing(*broken: str) -> _Then:
    return _Then(None, {}, {}, {}, broken)


def _then(session: Session, row: Answer, kept: Proof) -> _Then:
    tenant, broken = row.tenant_id, _against_the_log(session, row, kept)
    try:
        require_history(session, tenant, kept.epoch, "epoch")
        access = access_at(session, tenant, row.user_id, kept.epoch)
    except InvalidInput as error:
        return _nothing(*broken, error.detail)
    except (Unauthenticated, AccessIncomplete) as error:
        return _nothing(*broken, f"by history the user had no access then: {error.detail}")
    if not access.principals_hash == kept.principals_hash == row.principals_hash:
        broken += ("the principals that history gives the user at that epoch are not those that the decision had",)
    documents = documents_at(session, tenant, access.epoch, {one.document_id for one in kept.documents})
    acls = assign.load(session, tenant, {one.acl_id for one in documents.values() if one.acl_id})
    return _Then(access, membership_paths(row.user_id, edges_at(session, access)), documents, acls, broken)


def _against_the_log(session: Session, row: Answer, kept: Proof) -> tuple[str, ...]:
    """What of the answer's record is not as it was when it was made."""
    logged = session.exec(
        select(AuditEntry)
        .where(
            col(AuditEntry.tenant_id) == row.tenant_id,
            col(AuditEntry.subject) == f"answer:{row.id}",
            col(AuditEntry.action).in_(PROVED),
        )
        .order_by(col(AuditEntry.seq).desc())
    ).first()
    broken = []
    if logged is None:
        broken.append("the audit log has no entry of this answer")
    elif logged.detail.get("proof") != proof.digest(row.proof):
        broken.append("the proof is not the one that the audit log has the hash of")
    if row.epoch != kept.epoch:
        broken.append("the answer names another epoch than its proof")
    proved = {(c.n, one.document_id, one.version, c.start, c.end) for one in kept.documents for c in one.cited}
    citations = session.exec(
        select(Citation).where(col(Citation.tenant_id) == row.tenant_id, col(Citation.answer_id) == row.id)
    )
    if not {(c.n, c.document_id, c.version, c.span_start, c.span_end) for c in citations} <= proved:
        broken.append("the answer cites what its proof does not speak of")
    return tuple(broken)


def _judge(session: Session, tenant: str, one: ProvedDocument, kept: Proof, then: _Then) -> Json:
    """What history says of one version that the answer was made from."""
    if then.access is None:
        return {"verdict": "unprovable", "reasons": list(then.broken), "acl_id": one.acl_id, "clauses": []}
    known = then.documents.get(one.document_id, DocumentThen(None, deleted=False))
    acl = then.acls.get(known.acl_id or "", ())
    unproved = _unproved(session, tenant, one, kept, known) + _forged(known, acl)
    denied = _denied(one, kept, known, acl) + clause_reasons(acl, then.paths)
    verdict: Verdict = "unprovable" if then.broken or unproved else "denied" if denied else "allowed"
    return {
        "verdict": verdict,
        "reasons": [*then.broken, *unproved, *denied] or ["every clause permitted"],
        "acl_id": known.acl_id,
        "clauses": explain_clauses(acl, then.paths),
    }


def _unproved(session: Session, tenant: str, one: ProvedDocument, kept: Proof, known: DocumentThen) -> list[str]:
    """Where history contradicts the proof, or does not say."""
    found = []
    if known.acl_id != one.acl_id:
        found.append("history gives the document other access rules at that epoch than the decision had")
    values = {"tenant": tenant, "document": one.document_id, "version": one.version}
    there = any(
        published.at <= kept.decided_at and (published.until is None or published.until > kept.epoch)
        for published in session.execute(_PUBLISHED, values)
    )
    if not there:
        found.append(f"nothing says that version {one.version} was published then")
    return found


def _forged(known: DocumentThen, acl: Acl) -> list[str]:
    genuine = known.acl_id is None or assign.digest(acl) == known.acl_id
    return [] if genuine else ["the access rules are not those that their hash names"]


def _denied(one: ProvedDocument, kept: Proof, known: DocumentThen, acl: Acl) -> list[str]:
    """What of the document itself stood against reading it."""
    found = []
    if known.deleted:
        found.append("the document was deleted")
    elif not acl:
        found.append("the document had no access rules, so nobody could read it")
    rules = Age(one.acl_read_at, one.acl_max_age_s, kept.decided_at)
    if rules.too_old:
        found.append(rules.complaint("the access rules"))
    at = kept.memberships_read_at
    memberships = Age(at, one.memberships_max_age_s if at else None, kept.decided_at)
    if memberships.too_old:
        found.append(memberships.complaint("the user's memberships"))
    return found


def _now(session: Session, tenant: str, user: str, document_id: str) -> Json:
    try:
        found = explain(session, tenant, user, document_id)
    except NotFound:
        return {"decision": "denied", "reasons": ["the document is gone, with its source"], "version": None}
    return {name: found[name] for name in ("decision", "reasons", "version")}


def _worst(verdicts: list[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("denied", "unprovable", "allowed")
    return min(verdicts, key=order.index, default="allowed")
