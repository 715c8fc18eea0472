"""The oracle's worlds in a real catalog, and what the real gates say of them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import Session

from acl import directory
from acl.assign import assign
from acl.recheck import recheck
from acl.resolve import Access
from tests.acl.oracle import Clauses, World
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.errors import AccessIncomplete, Unauthenticated
from vouch.core.types import ANYONE, AccessFilter, AccessPayload, Acl, Clause

AGO = "now() - make_interval(secs => :hours * 3600)"
"""A moment of the oracle in SQL, ``hours`` before its present."""


def empty(catalog: Catalog) -> None:
    """Take every tenant out."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))  # the audit log refuses to be emptied
        session.execute(sa.text("TRUNCATE tenant CASCADE"))
        session.execute(sa.text("SET LOCAL session_replication_role = origin"))


def lay(catalog: Catalog, tenant: str, world: World) -> None:
    """A tenant that stands as ``world`` does. Tenant, sources and documents that are there already are kept."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.get(Tenant, tenant) or session.add(Tenant(id=tenant, name=tenant))
    with catalog.transaction(tenant) as session:
        for name, source in world.sources.items():
            age = None if source.max_age is None else round(source.max_age * 3600)
            row = Source(tenant_id=tenant, id=name, name=name, kind=source.kind, state=source.state, acl_max_age_s=age)
            session.get(Source, (tenant, name)) or session.add(row)
        session.flush()
        for name, document in world.documents.items():
            one = Document(
                tenant_id=tenant, id=name, source_id=document.source, external_id=name, title=name, uri="",
                state=document.state, current_version=None if document.state in ("pending", "deleted") else 1,
            )  # fmt: skip
            session.get(Document, (tenant, name)) or session.add(one)
        session.flush()
        for user, active in world.users.items():
            directory.put_user(session, tenant, user, name=user, active=active, actor="test")
        for group, members in world.groups.items():
            directory.put_group(session, tenant, group, name=group, members=sorted(members), actor="test")
        assign(session, tenant, {name: acl_of(one.acl) for name, one in world.documents.items()}, actor="test")
        for name, source in world.sources.items():
            at(session, "source", "acl_read_at", name, world, source.read)
        for name, document in world.documents.items():
            at(session, "document", "acl_read_at", name, world, document.read)
        for principal, when in world.told.items():
            table = "app_user" if principal.startswith("user:") else "app_group"
            at(session, table, "memberships_read_at", principal, world, when)


def at(session: Session, table: str, column: str, name: str, world: World, when: float | None) -> None:
    """Set a moment of one row."""
    if when is not None:
        session.execute(
            sa.text(f"UPDATE {table} SET {column} = {AGO} WHERE id = :name"),
            {"hours": world.now - when, "name": name},
        )


def acl_of(clauses: Clauses | None) -> Acl | None:
    return None if clauses is None else tuple(Clause(allow, deny) for allow, deny in clauses)


def readable(session: Session, tenant: str, user: str, documents: Collection[str]) -> frozenset[str]:
    """What gate 2 permits of ``documents``; nothing where the request fails."""
    try:
        return recheck(session, Access(tenant, user, frozenset(), 0), documents)[1]
    except (Unauthenticated, AccessIncomplete):
        return frozenset()


def gate_1(access: AccessFilter, payload: AccessPayload) -> bool:
    """What an index backend does with the filter, in one line a rule (see vouch/index/filters.py)."""
    slots = all(access.principals & set(allow) or (k > 0 and ANYONE in allow) for k, allow in enumerate(payload.allow))
    return bool(slots) and not access.principals & set(payload.deny)
