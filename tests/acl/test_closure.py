"""A closure that cannot be complete fails the request."""

from __future__ import annotations

import pytest

from acl import directory, resolve
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core.errors import AccessIncomplete, InvalidInput, NotFound


@pytest.fixture
def tenant(catalog: Catalog) -> str:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        directory.put_user(session, "t", "user:a", name="A", actor="test")
    return "t"


def test_too_many_groups_fail_rather_than_truncate(
    catalog: Catalog, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        for n in range(4):
            directory.put_group(session, tenant, f"group:g{n}", name="G", members=["user:a"], actor="test")
    monkeypatch.setattr(resolve, "CLOSURE_LIMIT", 5)
    with catalog.reading(ACROSS_TENANTS) as session, pytest.raises(AccessIncomplete):
        resolve.resolve(session, tenant, "user:a")
    monkeypatch.setattr(resolve, "CLOSURE_LIMIT", 6)
    with catalog.reading(ACROSS_TENANTS) as session:
        assert len(resolve.resolve(session, tenant, "user:a").principals) == 6


def test_everyone_cannot_be_made_a_member(catalog: Catalog, tenant: str) -> None:
    with pytest.raises(InvalidInput), catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_group(session, tenant, "group:g", name="G", members=["authenticated"], actor="test")


def test_deleting_what_is_not_there_is_not_found(catalog: Catalog, tenant: str) -> None:
    with pytest.raises(NotFound), catalog.transaction(ACROSS_TENANTS) as session:
        directory.delete_group(session, tenant, "group:nobody", actor="test")


def test_a_deleted_group_grants_nothing(catalog: Catalog, tenant: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_group(session, tenant, "group:g", name="G", members=["user:a"], actor="test")
        directory.put_group(session, tenant, "group:h", name="H", members=["group:g"], actor="test")
        directory.delete_group(session, tenant, "group:g", actor="test")
    with catalog.reading(ACROSS_TENANTS) as session:
        assert resolve.resolve(session, tenant, "user:a").principals == {"user:a", "authenticated"}
