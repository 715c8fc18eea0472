"""Whose groups are whose: of each issuer, one alone may tell who is in its groups.

That is Vouch's own directory for ``local``, an issuer's tokens or its SCIM client where they tell groups, or one source
(a chat's channels, a wiki's groups). A source tells the groups of the issuer that its config names and no others, so
whoever may register sources cannot put themselves into a group that somebody else decides about.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl import directory
from acl.issuers import provisions_groups, require_issuer_id
from vouch.catalog.tables import Group, Issuer, Source
from vouch.core.errors import Conflict, InvalidInput, SyncRefused
from vouch.core.types import AUTHENTICATED, Json, Principal

MAX_MEMBERSHIPS = 500_000


def issuer_of(config: Json) -> str | None:
    """The issuer that a source's config names. Raises :class:`InvalidInput` for what cannot be one, and ``local``."""
    issuer = config.get("issuer")
    if issuer is None:
        return None
    try:
        require_issuer_id(str(issuer))
    except InvalidInput as error:
        raise InvalidInput(error.detail, field="config.issuer") from None
    return str(issuer)


def claim(session: Session, tenant: str, issuer: str) -> None:
    """Make sure that nobody tells the groups of ``issuer`` yet; the caller then writes it on its source, in this
    transaction. Raises :class:`Conflict`."""
    directory.serially(session, tenant)
    of_source = select(Source.id).where(col(Source.tenant_id) == tenant, col(Source.issuer) == issuer)
    if session.exec(of_source).first() is not None:
        raise Conflict(f"Another source tells the groups of {issuer}.", field="config.issuer")
    configured = session.get(Issuer, (tenant, issuer))
    by_tokens = configured is not None and configured.groups_claim is not None
    if by_tokens or provisions_groups(session, tenant, issuer):
        raise Conflict(f"The groups of {issuer} come with its tokens or by SCIM.", field="config.issuer")
    there = select(Group.id).where(col(Group.tenant_id) == tenant, col(Group.id).startswith(f"group:{issuer}/"))
    if session.exec(there.limit(1)).first() is not None:
        raise Conflict(f"The directory has groups of {issuer} already.", field="config.issuer")


def release(session: Session, tenant: str, issuer: str, *, actor: str) -> None:
    """Empty the groups of ``issuer``: the source that told them goes, and nobody would notice who leaves them."""
    now = session.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    directory.replace_memberships(session, tenant, issuer, (), at=now, actor=actor)


def own_memberships(said: Iterable[tuple[str, str]], issuer: str | None) -> frozenset[tuple[str, str]]:
    """All (group, member) pairs that a source tells, as principals, once every one of them is known to be its own.

    One that cannot be followed may be what keeps somebody out, so the reading is refused whole: raises
    :class:`SyncRefused` (``membership_unmapped``, ``group_of_another``, ``too_many_memberships``).
    """
    told: set[tuple[str, str]] = set()
    for group, member in said:
        try:
            principal, who = Principal.parse(group, ""), str(Principal.parse(member, ""))
        except InvalidInput as error:
            raise SyncRefused(
                f"A membership of {group!r}: {error.detail}"[:300], reason="membership_unmapped"
            ) from None
        if principal.kind != "group" or who == AUTHENTICATED:
            raise SyncRefused(f"{member!r} cannot be a member of {group!r}", reason="membership_unmapped")
        if principal.issuer != issuer:
            whose = f"tells the groups of {issuer!r} alone" if issuer else "has no issuer in its config"
            raise SyncRefused(f"{group!r} is not the source's to tell: it {whose}", reason="group_of_another")
        told.add((str(principal), who))
        if len(told) > MAX_MEMBERSHIPS:
            raise SyncRefused(f"more than {MAX_MEMBERSHIPS:,} memberships", reason="too_many_memberships")
    return frozenset(told)
