"""Who is in the groups of a site, of the accounts that are somebody here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from connectors.accounts import Account, Accounts
from connectors.protocol import Membership


def members(
    accounts: Accounts, people: Iterable[Account], groups: Mapping[str, Collection[str]]
) -> Iterator[Membership]:
    """Which account is which user, and its ``groups`` by its id; one that is nobody here is left out of them."""
    told: set[Membership] = set()
    for account in people:
        known = list(accounts.members([account]))
        told.update(known)
        if known:
            told.update(Membership(group, accounts.account(account.id)) for group in groups.get(account.id, ()))
    yield from sorted(told, key=lambda one: (one.group, one.member))
