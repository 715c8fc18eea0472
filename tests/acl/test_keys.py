"""API keys: what is refused, alike for every reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from acl import directory
from acl.caller import authenticate
from acl.keys import create_key, make_key, revoke_key
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.core.errors import Forbidden, InvalidInput, Unauthenticated

SECRET = "s" * 32


@pytest.fixture
def key(catalog: Catalog) -> str:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        made = create_key(session, SECRET, "t", name="app", scopes=["ask", "act_as"], actor="test")
        directory.put_user(session, "t", "user:alice", name="Alice", actor="test")
    return made.secret


def test_a_key_is_who_it_says(catalog: Catalog, key: str) -> None:
    caller = authenticate(catalog, SECRET, key, "user:alice")
    assert (caller.tenant, caller.user, caller.scopes) == ("t", "user:alice", {"ask", "act_as"})
    assert authenticate(catalog, SECRET, key, None).user is None


def test_the_key_itself_is_nowhere_in_the_catalog(catalog: Catalog, key: str) -> None:
    with catalog.reading(ACROSS_TENANTS) as session:
        row = session.execute(sa.text("SELECT api_key::text FROM api_key")).scalar_one()
    assert key not in row
    assert key.split("_")[1] not in row


@pytest.mark.parametrize(
    "wrong",
    ["", "vouch_", "Bearer", None, pytest.param(make_key(), id="nobody's"), "vouch_" + "0" * 40 + "_00000000"],
)
def test_what_is_no_key_is_refused(catalog: Catalog, key: str, wrong: str | None) -> None:
    with pytest.raises(Unauthenticated):
        authenticate(catalog, SECRET, wrong, None)


def test_another_secret_knows_no_key(catalog: Catalog, key: str) -> None:
    with pytest.raises(Unauthenticated):
        authenticate(catalog, "t" * 32, key, None)


def test_a_revoked_key_ends_now(catalog: Catalog, key: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        revoke_key(session, "t", session.execute(sa.text("SELECT id FROM api_key")).scalar_one(), actor="test")
    with pytest.raises(Unauthenticated):
        authenticate(catalog, SECRET, key, None)


def test_an_expired_key_ends(catalog: Catalog, key: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        made = create_key(
            session, SECRET, "t", name="x", scopes=["ask"], expires_at=clock.now() + timedelta(minutes=1), actor="test"
        )
    assert authenticate(catalog, SECRET, made.secret, None)
    with clock.frozen(clock.now() + timedelta(minutes=2)), pytest.raises(Unauthenticated):
        authenticate(catalog, SECRET, made.secret, None)


def test_acting_for_users_needs_the_scope(catalog: Catalog, key: str) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        bound = create_key(session, SECRET, "t", name="x", scopes=["ask"], user="user:alice", actor="test").secret
    assert authenticate(catalog, SECRET, bound, None).user == "user:alice"
    assert authenticate(catalog, SECRET, bound, "user:alice").user == "user:alice"
    with pytest.raises(Forbidden):
        authenticate(catalog, SECRET, bound, "user:bob")


@pytest.mark.parametrize(
    "smuggled", ["user:alice, user:bob", "group:hr", "authenticated", "user:", "alice", "user:a\nb"]
)
def test_only_one_plain_user_can_be_acted_for(catalog: Catalog, key: str, smuggled: str) -> None:
    with pytest.raises(Unauthenticated):
        authenticate(catalog, SECRET, key, smuggled)


def test_a_scope_that_does_not_exist_is_refused(catalog: Catalog, key: str) -> None:
    with pytest.raises(InvalidInput), catalog.transaction(ACROSS_TENANTS) as session:
        create_key(session, SECRET, "t", name="x", scopes=["root"], actor="test")
