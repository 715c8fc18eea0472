"""States of releases: one after another, back step by step, and two changes at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from vouch.catalog import releases
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.releases import Named, State, state_of
from vouch.catalog.tables import Tenant
from vouch.core.errors import Conflict

A, B, C = Named("a", "1"), Named("b", "1"), Named("c", "1")


@pytest.fixture
def tenants(catalog: Catalog) -> Catalog:
    for tenant in ("t", "other"):
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
    return catalog


def put(catalog: Catalog, state: State, workflow: str = "") -> None:
    with catalog.transaction("t") as session:
        releases.put(session, "t", workflow, state, "test")


def back(catalog: Catalog, workflow: str = "") -> State:
    with catalog.transaction("t") as session:
        return state_of(releases.back(session, "t", workflow, "test"))


def holds(catalog: Catalog, workflow: str | None = None, tenant: str = "t") -> State:
    with catalog.reading(tenant) as session:
        return state_of(releases.holding(session, tenant, workflow))


def test_going_back_drops_the_canary_and_then_goes_from_stable_to_stable(tenants: Catalog) -> None:
    put(tenants, State(A))
    put(tenants, State(B))
    put(tenants, State(B, canary=Named("c", "1", 10)))
    shadow = Named("d", "1", 5)
    put(tenants, State(B, canary=Named("c", "1", 50), shadow=shadow))
    assert back(tenants) == State(B, shadow=shadow)
    assert back(tenants) == State(A, shadow=shadow) == holds(tenants)
    assert back(tenants) == State() == holds(tenants)
    with pytest.raises(Conflict):
        back(tenants)
    with tenants.reading("t") as session:
        told = [(row.n, row.verb) for row in releases.history(session, "t", None, 100)]
    assert told == [(7, "rollback"), (6, "rollback"), (5, "rollback"), (4, "set"), (3, "set"), (2, "set"), (1, "set")]


def test_a_state_that_followed_one_gone_back_to_goes_back_to_that(tenants: Catalog) -> None:
    put(tenants, State(A))
    put(tenants, State(B))
    assert back(tenants) == State(A)
    put(tenants, State(C))
    assert back(tenants) == State(A)
    assert back(tenants) == State()


def test_what_was_withdrawn_comes_back(tenants: Catalog) -> None:
    put(tenants, State(A))
    put(tenants, State())
    assert holds(tenants) == State()
    assert back(tenants) == State(A)


def test_the_same_name_that_says_something_else_is_another_profile(tenants: Catalog) -> None:
    put(tenants, State(A))
    put(tenants, State(Named("a", "2")))
    assert back(tenants) == State(A)


def test_nothing_was_ever_released(tenants: Catalog) -> None:
    with pytest.raises(Conflict):
        back(tenants)
    assert holds(tenants) == State()


def test_a_workflow_has_its_own_or_the_tenants(tenants: Catalog) -> None:
    put(tenants, State(A))
    put(tenants, State(B), "mail")
    assert [holds(tenants, one) for one in (None, "mail", "chat")] == [State(A), State(B), State(A)]
    put(tenants, State(), "mail")
    assert holds(tenants, "mail") == State(A)
    assert holds(tenants, "mail", tenant="other") == State()


def test_changes_at_once_follow_each_other(tenants: Catalog) -> None:
    states = [State(Named(f"p{n}", "1")) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda state: put(tenants, state), states))
    with tenants.reading("t") as session:
        rows = releases.history(session, "t", "", 100)
    assert sorted(row.n for row in rows) == list(range(1, 13))
    seen = [holds(tenants)]
    for _ in range(11):
        seen.append(back(tenants))
    assert {state.stable for state in seen} == {
        state.stable for state in states
    }  # each was once the one before another
    assert back(tenants) == State()
