"""A mailbox: each message a document, with what is attached to it, for the mailbox's owner to find.

A message never changes under its UID (RFC 3501, 2.3.1.1), and which UIDs a folder holds is one command; so a scan
compares sets, reads about what is new, and needs neither flags nor MODSEQ. A document is named by folder, UIDVALIDITY
and UID, not by its Message-ID: that one anybody can write, and with it take another message's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.declared import owner, raw
from connectors.imap.config import ImapConfig
from connectors.imap.names import MAX_NAME, numbers, ranges
from connectors.imap.session import PORTS, Facts, Folder, Session, batches
from connectors.protocol import Membership
from vouch.core.errors import BadConfig, CursorExpired, InvalidInput, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Body, Change, Checkpoint, Deleted, Json, RawAcl, RawClause, Refused, Upsert
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.door import Outbound
from vouch.outbound.url import parse_url

MIME = "message/rfc822"
_CHECKPOINT_EVERY = 1000
_SHOWN = 300
_ID = re.compile(rf"(.{{1,{MAX_NAME}}});UIDVALIDITY=([1-9][0-9]{{0,9}})/([1-9][0-9]{{0,9}})\.eml")
_NO_FOLDER = frozenset({"\\noselect", "\\nonexistent"})
_ASIDE = frozenset({"\\trash", "\\junk", "\\drafts", "\\all", "\\flagged", "\\important"})
"""Uses of a folder (RFC 6154) for which it is read only where it is named: thrown away, unfinished, or seen twice."""


class _Read(BaseModel):
    """What was named of a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validity: int
    uids: str


class _Cursor(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    folders: dict[str, _Read]


@dataclass
class _Known:
    """UIDVALIDITY and UIDs of a folder."""

    validity: int
    uids: set[int] = field(default_factory=set)


class ImapConnector:
    """Reads the messages of a mailbox over IMAP."""

    kind: ClassVar[str] = "imap"
    Config: ClassVar[type[BaseModel]] = ImapConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: ImapConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for a host that is none or may not be reached, and an owner that is no principal.
        A name is resolved when it is asked."""
        self.config = config
        self._outbound = outbound
        self._port = config.port or (993 if config.security == "tls" else 143)
        for name, text in (("user", config.user), ("password", config.password.get_secret_value())):
            if any(ord(char) < 32 or char == "\x7f" for char in text):
                raise BadConfig(f"config.{name}: there are control characters in it", field=f"config.{name}")
        self._host = _host(config.host, self._port, outbound)
        try:
            self._owner = owner(config.owner) if config.owner is not None else None
        except ValueError as error:
            raise BadConfig(f"config.owner: {error}", field="config.owner") from error
        self._acl = self._declared()

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Messages that are new or gone since the cursor, or all of them.

        Raises :class:`CursorExpired` where a folder numbers its messages anew, or is not there any more.
        """
        before = None if cursor is None else _from_cursor(cursor)
        with closing(Session(self._outbound, self.config)) as session:
            folders = session.folders()
            offered = {folder.name for folder in folders if folder.name is not None and self._offers(folder)}
            for shown in sorted({_shown(folder.wire) for folder in folders if folder.name is None}):
                yield Refused(shown, "unreadable_name", "The name of the folder cannot be read; it is left out")
            for name in before or ():
                if name not in offered:
                    raise CursorExpired(f"The folder {name} is not there any more")
            reached = dict(before or {})
            count = 0
            for name in sorted(offered):
                for change in self._folder(session, name, before, reached):
                    yield change
                    count += 1
                    if before is not None and count % _CHECKPOINT_EVERY == 0:
                        yield Checkpoint(_to_cursor(reached))
            yield Checkpoint(_to_cursor(reached))

    def fetch(self, external_id: str) -> Body:
        """The message as it arrived."""
        match = _ID.fullmatch(external_id)
        if match is None or not match[1].isprintable() or not self._wants(match[1]):
            raise NotFound()
        name, validity, uid = match[1], int(match[2]), int(match[3])
        with closing(Session(self._outbound, self.config)) as session:
            if _examined(session, name) != validity or uid not in session.uids(self.config.since, uid):
                raise NotFound()
            return Body(session.body(uid, self.config.max_message_mb << 20), MIME)

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    # -- one folder --

    def _folder(
        self, session: Session, name: str, before: dict[str, _Known] | None, reached: dict[str, _Known]
    ) -> Iterator[Change]:
        """What is to be told of a folder; ``reached`` grows as it is told."""
        known = (before or {}).get(name)
        try:
            validity = _examined(session, name)
        except NotFound:
            raise Unavailable(f"The folder {name} went away while it was read.") from None
        if known is not None and known.validity != validity:
            raise CursorExpired(f"The folder {name} numbers its messages anew")
        there = session.uids(self.config.since)
        self._count(name, there, reached)
        told = reached[name] = _Known(validity, set(known.uids) if known is not None else set())
        for uid in sorted(told.uids - there):
            told.uids.discard(uid)
            yield Deleted(_id(name, validity, uid))
        for some in batches(there - told.uids):
            facts = session.facts(some)
            for uid in some:
                if uid in facts:  # else it went just now
                    told.uids.add(uid)
                    yield self._change(name, (validity, uid), facts[uid])

    def _change(self, name: str, number: tuple[int, int], facts: Facts) -> Upsert | Refused:
        external_id = _id(name, *number)
        if facts.size > self.config.max_message_mb << 20:
            return Refused(external_id, "too_large", f"The message is larger than {self.config.max_message_mb} MiB")
        where = f"{quote(name)};UIDVALIDITY={number[0]}/;UID={number[1]}"
        return Upsert(
            external_id=external_id,
            title="",
            uri=f"imap://{self._host}:{self._port}/{where}",
            fingerprint=f"{number[0]}/{number[1]}/{facts.size}",
            acl=self._acl,
            mime=MIME,
            owner=self._owner,
            modified_at=facts.arrived,
        )

    def _count(self, name: str, there: set[int], reached: dict[str, _Known]) -> None:
        others = sum(len(folder.uids) for other, folder in reached.items() if other != name)
        if len(there) + others > self.config.max_messages:
            said = f"There are more than {self.config.max_messages:,} messages"
            raise BadConfig(said, field="config.max_messages")

    # -- what is read, and by whom --

    def _offers(self, folder: Folder) -> bool:
        if folder.name is None or folder.flags & _NO_FOLDER or not self._wants(folder.name):
            return False
        return not folder.flags & _ASIDE or folder.name in self.config.folders

    def _wants(self, name: str) -> bool:
        matches = [fnmatchcase(name, glob) for glob in self.config.folders]
        return any(matches) and not any(fnmatchcase(name, glob) for glob in self.config.exclude)

    def _declared(self) -> RawAcl | None:
        if self.config.access:
            return raw(self.config.access, "config.access")
        return (RawClause((self._owner,), (), "config.owner"),) if self._owner is not None else None


def _shown(wire: bytes) -> str:
    return wire[:_SHOWN].decode("utf-8", "backslashreplace").encode("unicode_escape").decode()


def _examined(session: Session, name: str) -> int:
    """Raises :class:`NotFound` for a folder that is not there: not every server says why it does not open one."""
    try:
        return session.examine(name)
    except SourceRefuses:
        if name in {folder.name for folder in session.folders()}:
            raise
        raise NotFound() from None


def _host(host: str, port: int, outbound: Outbound) -> str:
    try:
        url = parse_url(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")
        if url.target != "/" or (url.port, url.host) != (port, host.lower()):
            raise InvalidInput("Not the name of a host.")
        if ":" in host or ENDS_IN_NUMBER.fullmatch(host):
            outbound.ways.open_to(host, port, PORTS)
    except InvalidInput as error:
        said = "the name of a host alone is meant, with no https:// before it" if "/" in host else error.detail
        raise BadConfig(f"config.host: {said}", field="config.host") from error
    return url.host


def _id(name: str, validity: int, uid: int) -> str:
    return f"{name};UIDVALIDITY={validity}/{uid}.eml"


def _to_cursor(reached: dict[str, _Known]) -> Json:
    folders = {name: {"validity": one.validity, "uids": ranges(one.uids)} for name, one in reached.items()}
    return {"version": 1, "folders": folders}


def _from_cursor(cursor: Json) -> dict[str, _Known]:
    """Raises :class:`CursorExpired` for what is none."""
    try:
        read = _Cursor.model_validate(cursor)
        if read.version != 1:
            raise CursorExpired("The cursor is of another version")
        return {
            name: _Known(one.validity, {uid for a, b in numbers(one.uids) for uid in range(a, b + 1)})
            for name, one in read.folders.items()
        }
    except (ValidationError, ValueError):
        raise CursorExpired("The cursor is not understood") from None
