"""Who may read a file by POSIX: owner, group, mode and access control lists, as clauses.

To open a file one must be let through every folder on the way and read the file itself, so each level is a clause. A
level lets in the first class that somebody is of, and asks no further (acl(5), "access check algorithm"): the owner, a
named user, the groups, everybody else. A clause denies whoever a class of theirs shuts out, even where POSIX would let
them in by another of their groups.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from collections.abc import Iterator, Sequence

from connectors.accounts import Account, Accounts
from connectors.protocol import Membership
from vouch.core.types import AccessUnknown, RawClause

READ, ENTER = 4, 1
"""What a reader needs of a file, and of each folder above it."""
_ACL = "system.posix_acl_access"
_OTHER_SYSTEMS = ("system.nfs4_acl", "system.richacl")
"""Lists with rules of their own, which the mode does not show."""
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

Entry = tuple[int, int, int]
"""Tag, permissions, id: a line of an access control list."""
Levels = tuple[RawClause, ...] | AccessUnknown


class Posix:
    """Reads the access of files and folders, for one scan: the number of an account can pass to someone else.

    ``others``: the principal of whoever is neither the owner, nor named, nor in a group.
    """

    def __init__(self, accounts: Accounts, others: str | None) -> None:
        self._accounts = accounts
        self._everyone = accounts.group("everyone", "unix")
        self._others = others or self._everyone
        self._clauses: dict[tuple[int, tuple[Entry, ...]], RawClause] = {}
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def level(self, above: Levels, info: os.stat_result, place: int | str, needed: int) -> Levels:
        """``above`` and the clause of one file or folder. ``place``: an open descriptor of it, or a path that leads to
        nothing else."""
        if isinstance(above, AccessUnknown):
            return above
        try:
            entries = _entries(info, place)
        except (OSError, ValueError) as error:
            return AccessUnknown("access_unknown", f"An access control list cannot be followed: {error}"[:200])
        clause = self._clauses.get((needed, entries))
        if clause is None:
            clause = self._clauses[needed, entries] = self._clause(needed, entries)
        return above if clause in above else (*above, clause)

    def memberships(self) -> Iterator[Membership]:
        """The machine's accounts, its groups, and the group of everyone with an account."""
        people = pwd.getpwall()
        yield from self._accounts.members([Account(person.pw_name) for person in people])
        told = {(self._everyone, person.pw_name) for person in people}
        told |= {(self._group(person.pw_gid), person.pw_name) for person in people}
        told |= {
            (self._accounts.group("unix", group.gr_name), name) for group in grp.getgrall() for name in group.gr_mem
        }
        for group, name in sorted(told):
            yield Membership(group, self._accounts.account(name))

    def _clause(self, needed: int, entries: Sequence[Entry]) -> RawClause:
        mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
        allow: list[str] = []
        deny: list[str] = []
        owner = next(id for tag, _, id in entries if tag == _USER_OBJ)
        for tag, permissions, id in entries:
            if tag == _MASK or (tag == _USER and id == owner):  # the owner is asked for first
                continue
            masked = permissions if tag in (_USER_OBJ, _OTHER) else permissions & mask
            (allow if masked & needed else deny).append(self._principal(tag, id))
        # Whom no other class lets in need not be kept out, and everybody holds the owner as well.
        kept_out = [one for one in deny if one != self._others and one not in allow] if allow else []
        return RawClause(tuple(allow), tuple(kept_out), "mode")

    def _principal(self, tag: int, id: int) -> str:
        if tag == _OTHER:
            return self._others
        return self._user(id) if tag in (_USER_OBJ, _USER) else self._group(id)

    def _user(self, id: int) -> str:
        if id not in self._users:
            self._users[id] = self._accounts.account(_user_name(id))
        return self._users[id]

    def _group(self, id: int) -> str:
        if id not in self._groups:
            self._groups[id] = self._accounts.group("unix", _group_name(id))
        return self._groups[id]


def _entries(info: os.stat_result, place: int | str) -> tuple[Entry, ...]:
    """The list of a file; one is made of its mode where it has none. Raises OSError and ValueError."""
    for name in _OTHER_SYSTEMS:
        if _attribute(place, name) is not None:
            raise ValueError(f"{name} is not POSIX's")
    mode, data = info.st_mode, _attribute(place, _ACL)
    if data is None:
        own = (_USER_OBJ, mode >> 6 & 7, info.st_uid), (_GROUP_OBJ, mode >> 3 & 7, info.st_gid)
        return (*own, (_OTHER, mode & 7, 0))
    if len(data) % 8 != 4 or struct.unpack_from("<I", data)[0] != 2:
        raise ValueError("its form is not known")
    owners = {_USER_OBJ: info.st_uid, _GROUP_OBJ: info.st_gid}
    entries = tuple((tag, bits, owners.get(tag, id)) for tag, bits, id in struct.iter_unpack("<HHI", data[4:]))
    tags = {tag for tag, _, _ in entries}
    if not {_USER_OBJ, _GROUP_OBJ, _OTHER} <= tags <= {*owners, _USER, _GROUP, _MASK, _OTHER}:
        raise ValueError("its entries are not those of POSIX")
    return entries


def _attribute(place: int | str, name: str) -> bytes | None:
    try:
        return os.getxattr(place, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise


def _user_name(id: int) -> str:
    try:
        return pwd.getpwuid(id).pw_name
    except KeyError:
        return f"+{id}"  # no account has such a name


def _group_name(id: int) -> str:
    try:
        return grp.getgrgid(id).gr_name
    except KeyError:
        return f"+{id}"
