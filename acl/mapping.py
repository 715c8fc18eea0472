"""From what a source writes about access to principals. What cannot be mapped never widens access.

An entry of an allow list that is no principal grants nobody. One of a deny list would have kept somebody out, and
there is no telling whom: nobody may read the document until the source is put right (design.md, 4).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session

from acl.assign import MAX_CLAUSES, MAX_PRINCIPALS
from vouch.core.errors import InvalidInput
from vouch.core.types import AccessUnknown, Acl, Clause, Principal, SourceAcl

LOCAL = "local"
_LONGEST = 300
"""Characters of a message: an entry can be of any length."""

_ISSUERS = sa.text(
    """
    SELECT id FROM issuer WHERE tenant_id = :tenant
    UNION SELECT issuer FROM source WHERE tenant_id = :tenant AND issuer IS NOT NULL
    UNION SELECT split_part(split_part(id, ':', 2), '/', 1) FROM app_user
        WHERE tenant_id = :tenant AND position('/' in id) > 0
    UNION SELECT split_part(split_part(id, ':', 2), '/', 1) FROM app_group
        WHERE tenant_id = :tenant AND position('/' in id) > 0
    """
)


@dataclass(frozen=True, slots=True)
class Mapped:
    """``acl`` None: nobody. ``unknown``: why nobody may, where that is a fault. ``ignored``: what allows nobody,
    each entry with the reason."""

    acl: Acl | None
    unknown: AccessUnknown | None = None
    ignored: tuple[str, ...] = ()


def known_issuers(session: Session, tenant: str) -> frozenset[str]:
    """Whose principals can be mapped: the local directory's, those of issuers that are configured, those whose
    groups a source tells, and those of issuers that the directory has users or groups of."""
    return frozenset(session.execute(_ISSUERS, {"tenant": tenant}).scalars()) | {LOCAL}


def map_acl(said: SourceAcl, issuers: Collection[str]) -> Mapped:
    """The principals that a source's entries name. Whether they are in the directory does not matter: a name is
    immutable, and applies from the moment there is somebody of it."""
    if said is None or isinstance(said, AccessUnknown):
        return Mapped(None, said)
    clauses: list[Clause] = []
    ignored: list[str] = []
    for raw in said:
        where = f"{raw.where}: " if raw.where else ""
        allow, not_allowed = _principals(raw.allow, issuers)
        deny, not_denied = _principals(raw.deny, issuers)
        if not_denied:
            return Mapped(None, AccessUnknown("deny_unmapped", f"{where}deny: {not_denied[0]}"))
        if len(allow) + len(deny) > MAX_PRINCIPALS:
            return Mapped(None, AccessUnknown("too_many_rules", f"{where}more than {MAX_PRINCIPALS:,} principals"))
        ignored += [f"{where}allow: {why}" for why in not_allowed]
        clauses.append(Clause(allow, deny))
    if len(clauses) > MAX_CLAUSES:
        return Mapped(None, AccessUnknown("too_many_rules", f"more than {MAX_CLAUSES} clauses come together here"))
    return Mapped(tuple(clauses), None, tuple(ignored))


def _principals(entries: Sequence[str], issuers: Collection[str]) -> tuple[frozenset[str], list[str]]:
    """Those that can be mapped, and of the others why they cannot."""
    mapped: set[str] = set()
    unmapped: list[str] = []
    for entry in entries:
        try:
            principal = Principal.parse(entry, "")
        except InvalidInput as error:
            unmapped.append(error.detail[:_LONGEST])
            continue
        if principal.issuer in issuers:
            mapped.add(str(principal))
        else:
            unmapped.append(f"{entry!r} is of the issuer {principal.issuer!r}, which is not configured")
    return frozenset(mapped), unmapped
