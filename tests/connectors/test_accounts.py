"""Accounts of a source as groups of one: who is in them is said once, and nobody is anybody by a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.accounts import Account, Accounts, People
from connectors.protocol import Membership
from vouch.core.types import principal_name

KNOWN = People(named={"583231": "user:carol", "Dave@Example.org": "user:okta/00u1"})


def told(people: People, *accounts: Account) -> list[Membership]:
    return list(Accounts("wiki", people).members(accounts))


def test_an_account_is_a_group_of_the_user_that_is_named_for_it() -> None:
    assert told(KNOWN, Account("583231"), Account("7", "dave@example.ORG")) == [
        Membership("group:wiki/account.583231", "user:carol"),
        Membership("group:wiki/account.7", "user:okta/00u1"),
    ]


def test_an_id_goes_before_an_address() -> None:
    assert told(KNOWN, Account("583231", "dave@example.org")) == [Membership("group:wiki/account.583231", "user:carol")]


def test_nobody_is_known_for_the_rest() -> None:
    assert told(KNOWN, Account("1"), Account("2", "eve@example.org"), Account("583231", active=False)) == []


def test_an_issuer_with_the_same_ids_knows_everyone_else() -> None:
    people = People(named={"1": "user:carol"}, issuer="entra")
    assert [m.member for m in told(people, Account("1"), Account("2"), Account("two words"))] == [
        "user:carol",
        "user:entra/2",
    ]


@pytest.mark.parametrize(
    "given_",
    [
        {"named": {"1": "carol"}},
        {"named": {"1": "group:hr"}},
        {"named": {"1": "user:carol@example.org"}},
        {"named": {"A@b.org": "user:carol", "a@B.org": "user:dave"}},
        {"issuer": "Not An Issuer"},
    ],
    ids=["no kind", "a group", "an address as a user", "one address for two", "no issuer"],
)
def test_what_names_no_user_is_refused(given_: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        People.model_validate(given_)


@given(one=st.text(st.characters(exclude_categories=())), two=st.text())
def test_every_id_has_a_principal_of_its_own(one: str, two: str) -> None:
    accounts = Accounts("wiki", People())
    written = accounts.account(one)
    assert principal_name(written, kind="group") == written
    assert (written == accounts.account(two)) == (one == two)
    assert written != accounts.group("team", one)
