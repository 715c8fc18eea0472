"""Google's directory: whose address is whose, and who is in which group, by the ids that it keeps for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.accounts import Account, Accounts
from connectors.google_drive.pages import pages
from connectors.protocol import Membership
from connectors.rest import Rest
from vouch.core.errors import Unavailable
from vouch.core.types import Json


@dataclass(frozen=True, slots=True)
class Listed:
    """A user or a group. ``addresses``: its own first, then its aliases, in small letters."""

    id: str
    addresses: tuple[str, ...]
    active: bool


class GoogleDirectory:
    """Reads one customer's directory, each listing once and when it is needed."""

    def __init__(self, rest: Rest, customer: str) -> None:
        self._rest, self._customer = rest, customer

    @cached_property
    def users(self) -> tuple[Listed, ...]:
        fields = "nextPageToken,users(id,primaryEmail,aliases,suspended,archived)"
        asked = {"customer": self._customer, "maxResults": 500, "fields": fields}
        return tuple(_listed(one, "primaryEmail") for one in self._pages("users", asked, "users"))

    @cached_property
    def groups(self) -> tuple[Listed, ...]:
        fields = "nextPageToken,groups(id,email,aliases)"
        asked = {"customer": self._customer, "maxResults": 200, "fields": fields}
        return tuple(_listed(one, "email") for one in self._pages("groups", asked, "groups"))

    @cached_property
    def user_by_address(self) -> dict[str, str]:
        return _by_address(self.users)

    @cached_property
    def group_by_address(self) -> dict[str, str]:
        return _by_address(self.groups)

    def memberships(self, accounts: Accounts) -> Iterator[Membership]:
        """Who each account is, and what is in each group: accounts, groups, or everybody there is."""
        yield from accounts.members(Account(one.id, one.addresses[0], one.active) for one in self.users)
        users, groups = {one.id for one in self.users}, {one.id for one in self.groups}
        everybody, needed = accounts.group("customer", "everybody"), False
        for group in self.groups:
            of = accounts.group("group", group.id)
            for kind, member in self._members(group.id):
                if kind == "USER" and member in users:
                    yield Membership(of, accounts.account(member))
                elif kind == "GROUP" and member in groups:
                    yield Membership(of, accounts.group("group", member))
                elif kind == "CUSTOMER":
                    needed = True
                    yield Membership(of, everybody)
        if needed:
            yield from (Membership(everybody, accounts.account(one.id)) for one in self.users if one.active)

    def _members(self, group_id: str) -> Iterator[tuple[str, str]]:
        """Each member of a group once, with its type. The directory tells no secrets of other customers: their users
        and groups are members without a name here, and nobody's."""
        asked = {"maxResults": 200, "fields": "nextPageToken,members(id,type)"}
        seen: set[tuple[str, str]] = set()
        for one in self._pages(f"groups/{group_id}/members", asked, "members"):
            if not isinstance(one, dict):
                raise Unavailable("The directory of Google told of something that is no member.")
            member = str(one.get("type", "")), str(one.get("id", ""))
            if member not in seen:
                seen.add(member)
                yield member

    def _pages(self, path: str, asked: Json, name: str) -> Iterator[Any]:
        for page in pages(self._rest, path, asked, name, left_out=True):
            yield from page


def _listed(said: Any, address: str) -> Listed:
    try:
        addresses = (said[address], *said.get("aliases", ()))
        if not isinstance(said["id"], str) or not said["id"].isalnum():
            raise ValueError(said["id"])
        off = said.get("suspended") is True or said.get("archived") is True
        return Listed(said["id"], tuple(one.lower() for one in addresses), active=not off)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable("The directory of Google told of something that is no user and no group.") from error


def _by_address(listed: tuple[Listed, ...]) -> dict[str, str]:
    """Whose each address is; one that two have is nobody's."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for one in listed:
        for address in one.addresses:
            if found.setdefault(address, one.id) != one.id:
                twice.add(address)
    return {address: id for address, id in found.items() if address not in twice}
