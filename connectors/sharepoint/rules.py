"""From what Graph tells of permissions to a clause. What it tells of an item is in force, inherited or not, and only
ever adds, so an item has one clause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from connectors.accounts import Account, Accounts
from connectors.protocol import Membership
from connectors.sharepoint.config import GUID, SharePointConfig
from connectors.sharepoint.graph import Graph, Item
from vouch.core import clock
from vouch.core.types import AUTHENTICATED, AccessUnknown, Json, RawClause, SourceAcl

HIDDEN = AccessUnknown("permissions_hidden", "The app is not told who may read it")
_UNKNOWN = AccessUnknown("permission_unknown", "It is shared in a way that is not known here")
_READ = frozenset({"read", "write", "owner"})
_EVERYONE = re.compile(r"c:0-\.f\|rolemanager\|spo-grid-all-users/.*|c:0\(\.s\|true", re.IGNORECASE)
_GROUP_CLAIM = re.compile(rf"c:0(?:t\.c\|tenant|o\.c\|federateddirectoryclaimprovider)\|({GUID})", re.IGNORECASE)
_IDENTITIES = frozenset({"user", "group", "siteUser", "siteGroup", "application", "device"})


class Rules:
    """Who may read what. ``site``: the site collection of each library, for its groups have numbers of its own."""

    def __init__(self, graph: Graph, config: SharePointConfig, accounts: Accounts) -> None:
        self._graph, self._config, self._accounts = graph, config, accounts
        self._sites: dict[str, str] = {}

    def access(self, items: Sequence[Item]) -> list[SourceAcl]:
        """Of each item, in their order: nobody, or who; unknown where Graph does not say it."""
        told = self._graph.permissions(items)
        return [
            HIDDEN if permissions is None else self._clause(item, permissions)
            for item, permissions in zip(items, told, strict=True)
        ]

    def memberships(self) -> Iterator[Membership]:
        """Who each account is, who is in each group of Entra at any depth, what is in the declared groups of sites."""
        users: dict[str, Account] = {}
        for said in self._graph.users():
            name = str(said.get("userPrincipalName") or "")
            users[said["id"]] = Account(said["id"], name.lower() or None, said.get("accountEnabled") is True)
        yield from self._accounts.members(users.values())
        groups = sorted(set(self._graph.groups()))
        for group, members in zip(groups, self._graph.members(groups), strict=True):
            ids = {one["id"] for one in members if isinstance(one, dict) and one.get("id") in users}
            for id in sorted(ids):
                yield Membership(self._accounts.group("group", group), self._accounts.account(id))
        for declared in self._config.site_groups:
            of = self._site_group(declared.site, declared.group)
            for group in declared.members:
                yield Membership(of, self._accounts.group("group", group))

    def _clause(self, item: Item, permissions: Sequence[Any]) -> SourceAcl:
        allow: set[str] = set()
        for said in permissions:
            if not isinstance(said, dict):
                return _UNKNOWN
            over = _is_over(said)
            readers = self._readers(item, said) if over is False else None
            if over is None or (over is False and readers is None):
                return _UNKNOWN
            roles = said.get("roles")
            if readers and isinstance(roles, list) and _READ.intersection(map(str, roles)):
                allow |= readers
        return (RawClause(tuple(sorted(allow)), (), "permissions"),) if allow else None

    def _readers(self, item: Item, said: Json) -> set[str] | None:
        """Whom one permission lets in; None where that is not understood."""
        link, granted = said.get("link"), said.get("grantedToV2")
        if link is None and granted is None and "invitation" in said:
            return set()  # nobody has taken it up
        if link is None:
            return None if not isinstance(granted, dict) else self._identity(item, granted)
        scope = link.get("scope") if isinstance(link, dict) else None
        if scope == "anonymous":
            shut = self._config.anonymous_links != AUTHENTICATED or said.get("hasPassword") is True
            return set() if shut else {AUTHENTICATED}
        if scope == "organization":
            return {AUTHENTICATED} if self._config.organization_links == AUTHENTICATED else set()
        if scope == "existingAccess":
            return set()
        if scope != "users":
            return None
        found: set[str] = set()
        for one in said.get("grantedToIdentitiesV2") or ():
            readers = self._identity(item, one) if isinstance(one, dict) else None
            if readers is None:
                return None
            found |= readers
        return found

    def _identity(self, item: Item, said: Json) -> set[str] | None:
        """One identity, which Graph tells as what Entra and what the site have of it; None for what is neither."""
        known = {kind: one for kind, one in said.items() if kind in _IDENTITIES and isinstance(one, dict)}
        if not known:
            return None
        claim = str(known.get("siteUser", {}).get("loginName", ""))
        if _EVERYONE.fullmatch(claim):
            return {AUTHENTICATED} if self._config.everyone_claim == AUTHENTICATED else set()
        for kind, of in (("user", self._accounts.account), ("group", lambda id: self._accounts.group("group", id))):
            id = str(known.get(kind, {}).get("id", "")).lower()
            if re.fullmatch(GUID, id):
                return {of(id)}
        if "siteGroup" in known:
            number = str(known["siteGroup"].get("id", ""))
            return {self._site_group(self._site(item.drive), number)} if number.isdecimal() else None
        match = _GROUP_CLAIM.fullmatch(claim)
        return {self._accounts.group("group", match[1].lower())} if match else set()

    def _site(self, drive: str) -> str:
        if drive not in self._sites:
            self._sites[drive] = self._graph.site_of(drive)[0]
        return self._sites[drive]

    def _site_group(self, site: str, number: str) -> str:
        return self._accounts.group("sitegroup", f"{site}.{number}")


def _is_over(said: Json) -> bool | None:
    """Whether it has ended; None where it ends at a time that cannot be read."""
    ends = said.get("expirationDateTime")
    if ends in (None, "", "0001-01-01T00:00:00Z"):  # as Graph writes that it has none
        return False
    at = moment(str(ends))
    return None if at is None else at <= clock.now()


def moment(written: str) -> datetime | None:
    """A time as Graph writes it; None for what is none, or says no offset."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
