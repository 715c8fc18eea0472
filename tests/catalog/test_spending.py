"""Money set aside before a call and settled after it: never twice, never too much, in whoever's name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from vouch.catalog import budgets
from vouch.catalog.budgets import Wanted
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.spending import (
    Abandoned,
    Amount,
    By,
    Held,
    OverBudget,
    Payer,
    Scope,
    abandoned,
    beginning,
    hold,
    settle,
    usage,
)
from vouch.catalog.tables import Tenant
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.ids import new_id

ALICE = Payer("a", "user:alice", "k1", ("group:sales", "group:staff"), "mail", "t1")
BOB = Payer("a", "user:bob", "k2", ("group:staff",))
MOST = Amount(900, 100, Decimal("0.10"))
SPENT = Amount(400, 50, Decimal("0.04"))


@pytest.fixture
def tenants(catalog: Catalog) -> Catalog:
    for tenant in ("a", "b"):
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=tenant, name=tenant))
    return catalog


def budget(catalog: Catalog, wanted: Wanted, tenant: str = "a") -> str:
    with catalog.transaction(tenant) as session:
        return str(budgets.put(session, tenant, wanted).id)


def held(catalog: Catalog, payer: Payer, most: Amount = MOST) -> Held:
    with catalog.transaction(payer.tenant) as session:
        return hold(session, payer, new_id(), ("m", "EUR"), most)


def settled(catalog: Catalog, payer: Payer, one: Held, outcome: str = "wrote", spent: Amount = SPENT) -> None:
    with catalog.transaction(payer.tenant) as session:
        settle(session, payer.tenant, one, outcome, spent)


def spent(catalog: Catalog, tenant: str = "a") -> dict[str, tuple[int, Decimal]]:
    with catalog.reading(tenant) as session:
        return {row.scope: (row.spent_tokens, row.spent_money) for row in budgets.listed(session, tenant)}


def summed(catalog: Catalog, by: By, tenant: str = "a") -> dict[str, tuple[int, int, Decimal]]:
    now = clock.now()
    with catalog.reading(tenant) as session:
        rows = usage(session, tenant, by, now - timedelta(days=1), now + timedelta(days=1))
    return {row.value: (row.calls, row.input_tokens + row.output_tokens, row.cost) for row in rows}


def test_what_is_set_aside_becomes_what_was_spent(tenants: Catalog) -> None:
    budget(tenants, Wanted("tenant", "", "month", 10_000, None, True))
    one = held(tenants, ALICE)
    assert spent(tenants) == {"tenant": (1000, Decimal("0.10"))}
    assert summed(tenants, "outcome") == {"open": (1, 1000, Decimal("0.10"))}
    settled(tenants, ALICE, one)
    assert spent(tenants) == {"tenant": (450, Decimal("0.04"))}
    assert summed(tenants, "outcome") == {"wrote": (1, 450, Decimal("0.04"))}


@pytest.mark.parametrize(
    ("wanted", "alice", "bob"),
    [
        (("tenant", ""), True, True),
        (("group", "group:sales"), True, False),
        (("group", "group:staff"), True, True),
        (("user", "user:bob"), False, True),
        (("key", "k1"), True, False),
        (("workflow", "mail"), True, False),
        (("workflow", "other"), False, False),
    ],
)  # fmt: skip
def test_a_budget_stops_those_that_it_is_of(
    tenants: Catalog, wanted: tuple[Scope, str], alice: bool, bob: bool
) -> None:
    budget(tenants, Wanted(*wanted, "day", 999, None, True))
    for payer, stopped in ((ALICE, alice), (BOB, bob)):
        if stopped:
            with pytest.raises(OverBudget) as refused:
                held(tenants, payer)
            assert refused.value.scope == wanted[0]
        else:
            held(tenants, payer)
    assert spent(tenants) == {wanted[0]: (0, 0)}
    assert sum(calls for calls, *_ in summed(tenants, "total").values()) == 2 - alice - bob


def test_money_is_limited_like_tokens_to_the_last_tenth_of_a_millionth(tenants: Catalog) -> None:
    budget(tenants, Wanted("tenant", "", "month", None, Decimal("0.2000000000"), True))
    held(tenants, ALICE, Amount(1, 1, Decimal("0.1")))
    with pytest.raises(OverBudget):
        held(tenants, ALICE, Amount(1, 1, Decimal("0.1000000001")))
    held(tenants, ALICE, Amount(1, 1, Decimal("0.1")))


def test_what_one_budget_refuses_is_taken_from_no_other(tenants: Catalog) -> None:
    budget(tenants, Wanted("tenant", "", "month", 10_000, None, True))
    budget(tenants, Wanted("user", "user:alice", "month", 10, None, True))
    budget(tenants, Wanted("group", "group:staff", "month", 10_000, None, True))
    with pytest.raises(OverBudget):
        held(tenants, ALICE)
    assert set(spent(tenants).values()) == {(0, 0)} and not summed(tenants, "total")


def test_a_soft_budget_is_told_of_and_lets_through(tenants: Catalog) -> None:
    id_ = budget(tenants, Wanted("user", "user:alice", "day", 1_500, None, False))
    assert held(tenants, ALICE).over == ()
    assert held(tenants, ALICE).over == (id_,)


def test_many_at_once_never_take_more_than_there_is(tenants: Catalog) -> None:
    budget(tenants, Wanted("tenant", "", "month", 10_500, None, True))
    budget(tenants, Wanted("group", "group:staff", "month", 99_000, None, True))

    def call(n: int) -> bool:
        try:
            held(tenants, (ALICE, BOB)[n % 2])
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(call, range(40)))
    assert sum(taken) == 10
    assert spent(tenants) == {"tenant": (10_000, Decimal("1.0")), "group": (10_000, Decimal("1.0"))}


def test_a_period_begins_anew(tenants: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beginning("day", datetime(2026, 2, 28, 23, 59, tzinfo=UTC)) == date(2026, 2, 28)
    assert beginning("month", datetime(2026, 2, 28, 23, 59, tzinfo=UTC)) == date(2026, 2, 1)
    budget(tenants, Wanted("tenant", "", "day", 1_000, None, True))
    one = held(tenants, ALICE)
    with pytest.raises(OverBudget):
        held(tenants, ALICE)
    tomorrow = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert spent(tenants) == {"tenant": (0, 0)}
    held(tenants, ALICE)
    settled(tenants, ALICE, one)  # of yesterday, and given back there
    assert spent(tenants) == {"tenant": (1000, Decimal("0.10"))}


def test_setting_it_again_changes_the_limit_and_keeps_what_is_spent(tenants: Catalog) -> None:
    first = budget(tenants, Wanted("tenant", "", "month", 1_000, None, True))
    held(tenants, ALICE)
    with pytest.raises(OverBudget):
        held(tenants, ALICE)
    assert budget(tenants, Wanted("tenant", "", "month", 2_000, None, True)) == first
    held(tenants, ALICE)
    assert budget(tenants, Wanted("tenant", "", "month", 5, None, False)) != first
    with tenants.transaction("a") as session:
        budgets.delete(session, "a", first)
    held(tenants, ALICE)
    with tenants.transaction("a") as session, pytest.raises(NotFound):
        budgets.delete(session, "a", first)


def test_calls_are_summed_by_who_and_what_caused_them(tenants: Catalog) -> None:
    for payer in (ALICE, ALICE, BOB):
        settled(tenants, payer, held(tenants, payer))
    settled(tenants, BOB, held(tenants, BOB), "timeout", Amount(900, 0, Decimal("0.09")))
    each, failed = Decimal("0.04"), Decimal("0.09")
    assert summed(tenants, "total") == {"": (4, 2250, 3 * each + failed)}
    assert summed(tenants, "user") == {"user:alice": (2, 900, 2 * each), "user:bob": (2, 1350, each + failed)}
    assert {name: calls for name, (calls, *_) in summed(tenants, "group").items()} == {
        "group:sales": 2,
        "group:staff": 4,
    }
    assert {name: calls for name, (calls, *_) in summed(tenants, "workflow").items()} == {"": 2, "mail": 2}
    assert {name: calls for name, (calls, *_) in summed(tenants, "key").items()} == {"k1": 2, "k2": 2}
    assert {name: calls for name, (calls, *_) in summed(tenants, "outcome").items()} == {"timeout": 1, "wrote": 3}
    assert list(summed(tenants, "model")) == ["m"]
    assert list(summed(tenants, "day")) == [clock.now().date().isoformat()]
    assert list(summed(tenants, "month")) == [clock.now().date().isoformat()[:7]]


def test_another_tenant_has_its_own(tenants: Catalog) -> None:
    budget(tenants, Wanted("tenant", "", "month", 1_000, None, True))
    other = Payer("b", "user:alice", "k1", ("group:sales",))
    for _ in range(3):
        held(tenants, other)
    assert spent(tenants) == {"tenant": (0, 0)} and spent(tenants, "b") == {} and not summed(tenants, "total")


def left_open(catalog: Catalog, hours: int) -> None:
    """As if every call that is open had begun so long ago, under the budgets that there are."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        for table, column in (("budget", "created_at"), ("model_call", "at")):
            session.execute(sa.text(f"UPDATE {table} SET {column} = {column} - make_interval(hours => {hours})"))


def found(catalog: Catalog) -> list[Abandoned]:
    now = clock.now()
    with catalog.transaction(ACROSS_TENANTS) as session:  # which locks them
        return list(abandoned(session, now - timedelta(days=2), now - timedelta(minutes=5)))


def test_what_a_process_left_open_is_found_with_the_budgets_that_it_was_taken_from(tenants: Catalog) -> None:
    everybody = budget(tenants, Wanted("tenant", "", "month", None, Decimal(1), hard=True))
    alices = budget(tenants, Wanted("user", "user:alice", "day", 5000, None, hard=True))
    budget(tenants, Wanted("user", "user:bob", "day", 5000, None, hard=True))
    one = held(tenants, ALICE)
    assert found(tenants) == []  # it may be under way
    left_open(tenants, 1)
    budget(tenants, Wanted("group", "group:staff", "day", 5000, None, hard=True))  # nothing was taken from this one
    (call,) = found(tenants)
    at = clock.now() - timedelta(hours=1)
    assert (call.tenant, call.model, call.held.call_id, call.held.amount) == ("a", "m", one.call_id, MOST)
    assert set(call.held.taken) == {(everybody, beginning("month", at)), (alices, beginning("day", at))}
    settled(tenants, ALICE, call.held, "died", SPENT)
    assert found(tenants) == []
    assert summed(tenants, "outcome") == {"died": (1, 450, SPENT.money)}
    settled(tenants, BOB, held(tenants, BOB))
    left_open(tenants, 1)
    assert found(tenants) == []  # settled by who began it
