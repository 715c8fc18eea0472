"""One login at a mail server. Nothing is changed there: folders are opened to be examined, messages are peeked at.

The protocol is the standard library's, over a connection that went through the platform's door. A listing that is not
whole raises, for what it leaves out would be deleted.
"""

from __future__ import annotations

import hashlib
import imaplib
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from connectors.imap.config import ImapConfig
from connectors.imap.names import decoded, encoded, quoted, ranges, unquoted
from vouch.core.errors import DocumentRejected, NotFound, PayloadTooLarge, SourceRefuses, Unavailable
from vouch.outbound.door import Outbound
from vouch.outbound.stream import Stream

PORTS = frozenset({143, 993})
TOGETHER = 500
"""Messages that are asked about in one command."""
_LONGEST_LINE = 16 << 20
_TALK = 64 << 20
"""Bytes that an answer may take which is no message."""
_ASIDE = 1 << 20
"""Bytes that a server may say besides a message."""
_SECONDS = 60.0
_BODY_SECONDS = 300.0
_LIST = re.compile(rb'\((?P<flags>[^()]*)\) (?:"(?:\\.|[^"\\])*"|NIL) (?P<name>.+)', re.DOTALL)
_SIZE = re.compile(rb"\bRFC822\.SIZE ([0-9]{1,19})\b", re.IGNORECASE)
_UID = re.compile(rb"\bUID ([0-9]{1,10})\b", re.IGNORECASE)
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"', re.IGNORECASE)
_BODY = re.compile(rb'BODY\[\] (?:\{[0-9]+\}|("(?:\\.|[^"\\])*"))', re.IGNORECASE)
_CODE = re.compile(rb"\[([A-Z-]{1,40})")
_WRONG_FOR_S = 60.0
_FOR_NOW = frozenset({b"UNAVAILABLE", b"INUSE", b"SERVERBUG", b"LIMIT"})
"""Response codes (RFC 5530) of a no that may be another word later."""


@dataclass(frozen=True, slots=True)
class Folder:
    """``name`` None: one that is written in no way that leads back to it. ``wire``: as the server writes it."""

    name: str | None
    wire: bytes
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message before it is read."""

    size: int
    arrived: datetime | None


class _Client(imaplib.IMAP4):
    """The protocol, over a stream of the door."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        super().__init__(stream.host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """It is open."""

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def readline(self) -> bytes:
        return self._stream.read_line(_LONGEST_LINE)

    def send(self, data: Any) -> None:
        self._stream.send(bytes(data))

    def shutdown(self) -> None:
        self._stream.close()


_NOT_ACCEPTED = "{} does not accept the user and password."
_WRONG: dict[str, float] = {}
"""Logins that were refused just now, by digest: a thousand messages that wait to be fetched would lock the account."""


class Session:
    """A login, to be closed. Its methods raise :class:`SourceRefuses` where the server says no, and
    :class:`Unavailable` where it does not answer, or not as IMAP has it."""

    def __init__(self, outbound: Outbound, config: ImapConfig) -> None:
        port = config.port or (993 if config.security == "tls" else 143)
        self.host = config.host
        password = config.password.get_secret_value()
        self._account = hashlib.sha256(f"{self.host}\n{port}\n{config.user}\n{password}".encode()).hexdigest()
        if _WRONG.get(self._account, 0.0) > time.monotonic():
            raise SourceRefuses(_NOT_ACCEPTED.format(self.host), said=401)
        self._stream = Stream(outbound, config.host, port, PORTS)
        self._exists = 0
        try:
            self._stream.allow(_TALK, _SECONDS)
            if config.security == "tls":
                self._stream.start_tls()
            with self._told():
                self._client = _Client(self._stream)
            if config.security == "starttls":
                self._encrypt()
            self._login(config.user, password)
        except BaseException:
            self._stream.close()
            raise

    def close(self) -> None:
        """Without goodbye: a server that is gone, or slow, would have to be waited for."""
        self._stream.close()

    def folders(self) -> list[Folder]:
        found: list[Folder] = []
        for item in self._ask(lambda: self._client.list('""', "*")):
            if item in (None, b"", b")"):
                continue  # what follows a name that came as a literal
            head, literal = item if isinstance(item, tuple) else (item, None)
            match = _LIST.match(head)
            if match is None:
                raise Unavailable(f"{self.host} lists a folder in a way that cannot be read.")
            wire = literal if literal is not None else unquoted(match["name"])
            flags = frozenset(match["flags"].decode("ascii", "replace").lower().split())
            found.append(Folder(decoded(wire), wire, flags))
        if not found:
            raise Unavailable(f"{self.host} lists no folder at all.")
        return found

    def examine(self, folder: str) -> int:
        """Open a folder to read it; its UIDVALIDITY. Raises :class:`NotFound`."""
        data = self._ask(lambda: self._client.select(_str(quoted(encoded(folder))), readonly=True), about=folder)
        found = self._client.response("UIDVALIDITY")[1]
        first = found[0] if found else None
        if not isinstance(first, bytes) or not first.isdigit() or not data or not data[0] or not data[0].isdigit():
            raise Unavailable(f"{self.host} does not say what state {folder} is in.")
        self._exists = int(data[0])
        return int(first)

    def uids(self, since: date | None, among: int | None = None) -> set[int]:
        """Messages of the folder that are not marked as deleted."""
        criteria = ["UNDELETED"] if since is None else ["UNDELETED", "SINCE", f"{since:%d}-{_month(since)}-{since:%Y}"]
        if among is not None:
            criteria = ["UID", str(among), *criteria]
        found: set[int] = set()
        data = self._ask(lambda: self._client.uid("SEARCH", *criteria))
        if self._exists and all(item is None for item in data):
            raise Unavailable(f"{self.host} does not say which messages there are.")
        for item in data:
            for word in item.split() if isinstance(item, bytes) else ():
                if not word.isdigit():
                    raise Unavailable(f"{self.host} does not say which messages there are.")
                found.add(int(word))
        return found

    def facts(self, uids: Collection[int]) -> dict[int, Facts]:
        """Of those that are there still."""
        items = "(UID RFC822.SIZE INTERNALDATE)"
        found: dict[int, Facts] = {}
        for item in self._ask(lambda: self._client.uid("FETCH", ranges(uids), items)):
            line = b" ".join(item) if isinstance(item, tuple) else item or b""
            uid, size = _UID.search(line), _SIZE.search(line)
            if uid and size and int(uid[1]) in uids:
                date_ = _DATE.search(line)
                found[int(uid[1])] = Facts(int(size[1]), _arrived(date_[1]) if date_ else None)
        return found

    def body(self, uid: int, max_bytes: int) -> bytes:
        """The whole message. Raises :class:`NotFound`, and :class:`DocumentRejected` (``too_large``)."""
        facts = self.facts({uid}).get(uid)
        if facts is None:
            raise NotFound()
        if facts.size > max_bytes:
            raise DocumentRejected("The message is too large.", reason="too_large")
        for item in self._ask(lambda: self._client.uid("FETCH", str(uid), "(UID BODY.PEEK[])"), body=max_bytes):
            head, literal = item if isinstance(item, tuple) else (item or b"", None)
            found = _BODY.search(head)
            if found is not None:
                return bytes(literal) if literal is not None else unquoted(found[1] or b"")
        raise NotFound()

    # -- beginning --

    def _encrypt(self) -> None:
        if "PREAUTH" in self._client.untagged_responses or "STARTTLS" not in self._client.capabilities:
            raise SourceRefuses(f"{self.host} offers no encryption on this port.")
        self._ask(lambda: self._client.xatom("STARTTLS"))
        self._stream.start_tls()
        data = self._ask(self._client.capability)  # what was said before may be anybody's word
        self._client.capabilities = tuple(_str(data[-1] or b"").upper().split()) if data else ()

    def _login(self, user: str, password: str) -> None:
        """Raises :class:`SourceRefuses`, which never repeats what the server says here."""
        capabilities = self._client.capabilities
        secret = f"\0{user}\0{password}".encode()
        try:
            with self._told():
                self._stream.allow(_TALK, _SECONDS)
                if "AUTH=PLAIN" in capabilities:
                    self._client.authenticate("PLAIN", lambda _: secret)
                elif "LOGINDISABLED" in capabilities:
                    raise SourceRefuses(f"{self.host} lets nobody log in with a password.", said=401)
                else:
                    self._client.login(_str(quoted(user.encode("ascii"))), password.encode("ascii").decode())
        except UnicodeError:
            raise SourceRefuses(f"{self.host} takes ASCII alone for user and password.", said=401) from None
        except _SaidNo as error:
            if error.word in _FOR_NOW:
                raise Unavailable(f"{self.host} lets nobody log in for now.") from None
            _WRONG[self._account] = time.monotonic() + _WRONG_FOR_S
            raise SourceRefuses(_NOT_ACCEPTED.format(self.host), said=401) from None

    # -- asking --

    def _ask(
        self, command: Callable[[], tuple[str, list[Any]]], *, about: str = "", body: int | None = None
    ) -> list[Any]:
        """What the server answers. ``about``: the folder that is opened; ``body``: the most that a message may be."""
        if body is None:
            self._stream.allow(_TALK, _SECONDS)
        else:
            self._stream.allow(body + _ASIDE, _BODY_SECONDS)
        with self._told(body=body is not None):
            kind, data = command()
        if kind == "OK":
            return data
        word = _word(data[-1] if data else b"")
        if word in _FOR_NOW:
            raise Unavailable(f"{self.host} says {word.decode()}.")
        if word == b"NONEXISTENT":
            raise NotFound()
        what = f"open {about}; `exclude` can leave it out" if about else "answer"
        raise SourceRefuses(f"{self.host} does not {what}.")

    @contextmanager
    def _told(self, *, body: bool = False) -> Iterator[None]:
        try:
            yield
        except imaplib.IMAP4.abort as error:
            raise Unavailable(f"{self.host} ended the connection, or says what IMAP does not have.") from error
        except imaplib.IMAP4.error as error:
            raise _SaidNo(self.host, str(error)) from None
        except PayloadTooLarge as error:
            if body:
                raise DocumentRejected("The message is larger than the server said.", reason="too_large") from error
            raise Unavailable(error.detail) from error


class _SaidNo(SourceRefuses):
    """A command was refused, or not understood. The text is the server's, and stays here."""

    def __init__(self, host: str, text: str) -> None:
        super().__init__(f"{host} does not answer what it is asked.")
        self.word = _word(text.encode("utf-8", "replace"))


def batches(uids: Iterable[int]) -> Iterator[list[int]]:
    """Newest first, as many as are asked about in one command."""
    ordered = sorted(uids, reverse=True)
    for start in range(0, len(ordered), TOGETHER):
        yield ordered[start : start + TOGETHER]


def _word(text: Any) -> bytes:
    match = _CODE.search(text) if isinstance(text, bytes) else None
    return match[1] if match else b""


def _str(text: bytes) -> str:
    return text.decode("ascii", "replace")


def _month(day: date) -> str:
    return ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[day.month - 1]


def _arrived(text: bytes) -> datetime | None:
    """``17-Jul-1996 02:44:25 -0700``; None for what is no time."""
    try:
        return datetime.strptime(_str(text).strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None
