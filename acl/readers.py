"""The reverse questions: who may read this document, and what may this user read. For administrators: no content.

Readers are found downwards: from the principals that a clause names through the groups' members to the users, as
sets, and each page of them then passes gate 2's own condition.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from acl.explain import asker, document_facts
from acl.recheck import PERMITTED, parameters
from acl.resolve import CLOSURE_LIMIT
from vouch.catalog import epoch as epochs
from vouch.core.types import Acl, Json

MEMBERS_NOW = "SELECT m.member FROM membership m WHERE m.tenant_id = :tenant AND m.group_id = b.principal"
USERS_NOW = "SELECT u.id FROM app_user u WHERE u.tenant_id = :tenant AND u.active"

# `below`: everybody and every group that a clause reaches, by what it allows and by what it denies. A clause that
# reaches `authenticated` reaches every user. UNION ends cycles: a principal already found is not followed again.
CLAUSES_PERMIT = """
    rules AS (SELECT c.ordinal, c.allow, c.deny FROM clause c WHERE c.tenant_id = :tenant AND c.acl_id = {acl}),
    below(ordinal, denies, principal) AS (
        SELECT n.ordinal, n.denies, n.principal FROM (
            SELECT r.ordinal, false AS denies, unnest(r.allow) AS principal FROM rules r
            UNION SELECT r.ordinal, true, unnest(r.deny) FROM rules r) n
        UNION
        SELECT b.ordinal, b.denies, e.member FROM below b CROSS JOIN LATERAL ({members}) e
    ),
    narrow AS (
        SELECT ordinal FROM rules
        EXCEPT SELECT ordinal FROM below WHERE NOT denies AND principal = 'authenticated'
    ),
    allowed AS (
        SELECT b.principal, count(*) AS clauses FROM below b JOIN narrow n ON n.ordinal = b.ordinal
        WHERE NOT b.denies GROUP BY b.principal
    ),
    permitted AS (
        SELECT u.id FROM ({users}) u LEFT JOIN allowed a ON a.principal = u.id
        WHERE coalesce(a.clauses, 0) = (SELECT count(*) FROM narrow)
        AND EXISTS (SELECT 1 FROM rules)
        AND NOT EXISTS (SELECT 1 FROM below b WHERE b.denies AND b.principal = 'authenticated')
        AND NOT EXISTS (SELECT 1 FROM below b WHERE b.denies AND b.principal = u.id)
    )
"""
"""The users whom every clause of the ACL ``acl`` permits, given where ``members`` and ``users`` come from."""

# Gate 2's condition for many users at once: what it takes as parameters is here what was found for each.
_GATE_2_EACH = PERMITTED.replace(":principals", "p.principals").replace(":memberships_read_at", "p.memberships_read_at")

_READERS = sa.text(
    f"""
    WITH RECURSIVE {CLAUSES_PERMIT.format(acl=":acl", members=MEMBERS_NOW, users=USERS_NOW)},
    page AS (SELECT id FROM permitted WHERE id > :after ORDER BY id LIMIT :limit),
    reached(user_id, principal) AS (
        SELECT id, unnest(ARRAY[id, 'authenticated']) FROM page
        UNION
        SELECT r.user_id, m.group_id FROM reached r
        JOIN membership m ON m.tenant_id = :tenant AND m.member = r.principal
    ),
    asker AS (
        SELECT r.user_id, array_agg(r.principal) AS principals,
            least(min(u.memberships_read_at), min(g.memberships_read_at)) AS memberships_read_at
        FROM reached r
        JOIN app_user u ON u.tenant_id = :tenant AND u.id = r.user_id
        LEFT JOIN app_group g ON g.tenant_id = :tenant AND g.id = r.principal
        GROUP BY r.user_id
    )
    SELECT p.user_id, p.principals, cardinality(p.principals) <= :most AND EXISTS (
        SELECT 1 FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
        WHERE d.id = :document AND {_GATE_2_EACH}) AS permitted
    FROM asker p ORDER BY p.user_id
    """  # noqa: S608 - constants, no input
)
_READABLE = sa.text(
    f"""
    SELECT d.id, d.external_id, d.source_id FROM document d
    JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.id > :after AND {PERMITTED} ORDER BY d.id LIMIT :limit
    """  # noqa: S608 - constants, no input
)


@dataclass(frozen=True, slots=True)
class Page:
    """What there is after ``after`` by order of id; at most ``limit``."""

    after: str
    limit: int


def readers(session: Session, tenant: str, document_id: str, page: Page) -> Json:
    """The users who may read a document now, each with the principals that let them in, clause by clause.

    ``reasons`` says why nobody may. Raises :class:`NotFound` for an unknown document.
    """
    facts = document_facts(session, tenant, document_id)
    reasons = facts.reasons()
    values = {"tenant": tenant, "document": document_id, "acl": facts.acl_id, "most": CLOSURE_LIMIT}
    rows = [] if reasons else session.execute(_READERS, {**values, "after": page.after, "limit": page.limit + 1}).all()
    return {
        "document_id": document_id,
        "epoch": epochs.current(session, tenant),
        "reasons": reasons,
        "readers": [
            {"user": row.user_id, "through": _through(facts.acl, frozenset(row.principals))}
            for row in rows[: page.limit]
            if row.permitted
        ],
        "next": rows[page.limit - 1].user_id if len(rows) > page.limit else None,
    }


def readable(session: Session, tenant: str, user: str, page: Page) -> Json:
    """The documents that a user may read now: ids alone, for an administrator is not a reader.

    ``reasons`` says why there can be none.
    """
    access, reasons = asker(session, tenant, user)
    values = {"after": page.after, "limit": page.limit + 1}
    rows = session.execute(_READABLE, {**parameters(access), **values}).all() if access else []
    return {
        "user": user,
        "epoch": epochs.current(session, tenant),
        "reasons": reasons,
        "documents": [
            {"document_id": row.id, "external_id": row.external_id, "source_id": row.source_id}
            for row in rows[: page.limit]
        ],
        "next": rows[page.limit - 1].id if len(rows) > page.limit else None,
    }


def _through(acl: Acl, principals: frozenset[str]) -> list[Json]:
    return [{"clause": n, "principals": sorted(clause.allow & principals)} for n, clause in enumerate(acl)]
