"""From what Drive tells of permissions to a clause. Sharing only ever adds, so an item has one clause.

In a shared drive permissions have to be asked for one item at a time. One that has none of its own has those of its
folder, so those are asked for, once for each page of a listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.accounts import Account, Accounts
from connectors.google_drive.api import Drive, File, moment
from connectors.google_drive.config import GoogleDriveConfig
from connectors.google_drive.directory import GoogleDirectory
from vouch.core import clock
from vouch.core.errors import NotFound, SourceRefuses
from vouch.core.types import AUTHENTICATED, AccessUnknown, Json, RawClause, SourceAcl

_ROLES = frozenset({"owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"})
"""Every one of them may read."""
_KEEP_IT = frozenset({"owner", "organizer"})
"""Whom a folder with limited access does not shut out."""
HIDDEN = AccessUnknown("permissions_hidden", "The account is not told who may read it: it may not share it")
_UNKNOWN = AccessUnknown("permission_unknown", "It is shared in a way that is not known here")


class Rules:
    """Who may read what, as one scan finds it."""

    def __init__(
        self, drive: Drive, config: GoogleDriveConfig, accounts: Accounts, directory: GoogleDirectory | None
    ) -> None:
        self._drive, self._config = drive, config
        self._accounts, self._directory = accounts, directory
        self._asked: dict[str, tuple[int, tuple[Json, ...] | None]] = {}

    def access(self, file: File) -> SourceAcl:
        """Nobody, or who; unknown where Drive does not say it, or says what is not understood."""
        permissions = self._permissions(file)
        return HIDDEN if permissions is None else self._clause(permissions)

    def owner(self, file: File) -> str | None:
        """Its owner's account; what is in a shared drive has none."""
        return None if file.owner is None else self._account(*file.owner)

    def accounts_of(self, file: File) -> Iterator[Account]:
        """The users that it is shared with, each with the address that Google has verified."""
        for said in self._permissions(file) or ():
            if isinstance(said, dict) and said.get("type") == "user" and said.get("deleted") is not True:
                id, address = said.get("id"), said.get("emailAddress")
                if isinstance(id, str) and isinstance(address, str):
                    yield Account(id, address.lower())

    def _permissions(self, file: File) -> tuple[Json, ...] | None:
        if file.drive is None:
            return file.permissions
        if file.augmented is False and file.parent is not None:
            # Never rules older than what is known of the content: it may have been put there when they changed.
            if self._asked.get(file.parent, (-1, None))[0] < file.turn:
                self._asked[file.parent] = self._drive.turn, self._ask(file.parent)
            found = self._asked[file.parent][1]
            if found is not None:
                return found
        return self._ask(file.id)

    def _ask(self, holder: str) -> tuple[Json, ...] | None:
        try:
            return tuple(self._drive.permissions(holder))
        except NotFound:
            return None
        except SourceRefuses as error:
            if error.said != 403:
                raise
            return None

    def _clause(self, permissions: Sequence[Any]) -> SourceAcl:
        allow: set[str] = set()
        for said in permissions:
            if not isinstance(said, dict) or str(said.get("type")) not in _READERS:
                return _UNKNOWN
            over = _is_over(said)
            if over is None:
                return _UNKNOWN
            if over or said.get("view") is not None or said.get("deleted") is True or _is_shut_out(said):
                continue
            if str(said.get("role")) not in _ROLES:
                return _UNKNOWN
            reader = _READERS[said["type"]](self, said)
            if reader is not None:
                allow.add(reader)
        return (RawClause(tuple(sorted(allow)), (), "permissions"),) if allow else None

    # -- one permission --

    def _user(self, said: Json) -> str | None:
        return self._account(str(said.get("id") or ""), str(said.get("emailAddress") or ""))

    def _account(self, id: str, address: str) -> str | None:
        if self._directory is None:
            return self._accounts.account(id) if id else None
        known = self._directory.user_by_address.get(address.lower())
        if known is not None:
            return self._accounts.account(known)
        return self._accounts.group("grantee", id) if id else None

    def _group(self, said: Json) -> str | None:
        address = str(said.get("emailAddress") or "").lower()
        known = self._directory.group_by_address.get(address) if self._directory is not None else None
        if known is not None:
            return self._accounts.group("group", known)
        return self._accounts.group("grantee", str(said["id"])) if said.get("id") else None

    def _domain(self, said: Json) -> str | None:
        ours = str(said.get("domain") or "").lower() in self._config.domains
        return self._everybody(said) if ours and self._config.domain_sharing == AUTHENTICATED else None

    def _anyone(self, said: Json) -> str | None:
        return self._everybody(said) if self._config.anyone_sharing == AUTHENTICATED else None

    def _everybody(self, said: Json) -> str | None:
        found = said.get("allowFileDiscovery") is True or self._config.link_sharing == AUTHENTICATED
        return AUTHENTICATED if found else None


_READERS = {"user": Rules._user, "group": Rules._group, "domain": Rules._domain, "anyone": Rules._anyone}


def _is_over(said: Json) -> bool | None:
    """Whether it has ended; None where it ends at a time that cannot be read."""
    ends = said.get("expirationTime")
    if ends is None:
        return False
    at = moment(str(ends))
    return None if at is None else at <= clock.now()


def _is_shut_out(said: Json) -> bool:
    """Whether it comes from above a folder with limited access, which it does not open."""
    if said.get("inheritedPermissionsDisabled") is not True or said.get("role") in _KEEP_IT:
        return False
    details = said.get("permissionDetails")
    own = [one for one in details if isinstance(one, dict) and one.get("inherited") is False] if details else []
    return not own
