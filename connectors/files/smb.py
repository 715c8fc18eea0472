"""A folder of a share that is reached by SMB, from version 2 on. Every answer is signed by the key of the login.

The SMB library is handed a connected socket (:mod:`connectors.files.smb_wire`), so it resolves and connects to nothing.
Who logs in does so by NTLM: Kerberos would ask hosts that nobody named. Links are not followed, nor DFS.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from smbprotocol import exceptions as told
from smbprotocol.file_info import FileAttributes, FileInformationClass
from smbprotocol.open import CreateDisposition, CreateOptions, ImpersonationLevel, Open, ShareAccess
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from connectors.files.config import SmbStore
from connectors.files.smb_wire import Guarded, Wire
from connectors.files.store import Enters, Entry, Folder, Found, folder_by_folder
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, Unavailable
from vouch.core.types import Refused
from vouch.outbound.door import Outbound
from vouch.outbound.sockets import connected, parse_host, refuse_blocked_address

PORTS = frozenset({445})
_STEP_S = 30.0
"""For a connection, a page of a listing, a question about a file."""
_READ_S = 200.0
_CHUNK = 1 << 16
"""What every host hands over in one answer."""
_GONE = (
    told.NoSuchFile, told.ObjectNameNotFound, told.ObjectPathNotFound, told.ObjectNameInvalid, told.ObjectPathInvalid,
    told.ObjectPathSyntaxBad, told.StatusNotADirectory, told.DeletePending, told.NotFound,
)  # fmt: skip
_NOT_NOW = (
    told.SharingViolation, told.InsufficientResources, told.InsuffServerResources, told.RequestNotAccepted,
    told.ServerUnavailable, told.UserSessionDeleted, told.FileClosed, told.IOTimeout, told.Cancelled,
)  # fmt: skip
_NO_SESSION = (told.SMBException, OSError, ValueError, LookupError, TypeError, ArithmeticError, struct.error)
_NO_NAME = frozenset(':*?"<>|')
"""Characters that no name has, and that would ask for something else: a stream of a file, or every file."""
_OPEN_TO_ALL = (
    ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
)  # nobody is kept out meanwhile
_LOOK, _READ = 0x80, 0x81
"""Rights that are asked for: to see the attributes, and to read or list besides."""


class Smb:
    """One folder of one share of one host."""

    def __init__(self, config: SmbStore, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for a host that is none or may not be reached."""
        self._config, self._ways = config, outbound.ways
        try:
            self._at = parse_host(config.host, config.port)
            refuse_blocked_address(outbound.ways, self._at, PORTS)
        except OutboundRefused as error:
            raise BadConfig(f"config.store.host: {error.detail}", field="config.store.host") from error

    def uri(self, path: str) -> str:
        port = "" if self._at.port == 445 else f":{self._at.port}"
        host = f"[{self._at.host}]" if ":" in self._at.host else self._at.host
        parts = "/".join(filter(None, (self._config.share, self._config.path, path)))
        return f"smb://{host}{port}/{quote(parts)}"

    @contextmanager
    def opened(self) -> Iterator[_Session]:
        """One login, ended with the block."""
        with closing(connected(self._ways, self._at, PORTS, _STEP_S)) as socket:
            wire = Wire(socket)
            connection = Guarded(wire, self._at.host, self._at.port, _STEP_S)
            try:
                found = _Session(wire, self._logged_in(wire, connection), self._config.path)
                found.require_root()
                yield found
            finally:
                with suppress(*_NO_SESSION):
                    connection.disconnect(close=False)  # the host ends what hung on it

    def _logged_in(self, wire: Wire, connection: Guarded) -> Any:
        """The share, after a login by what the configuration says alone."""
        config = self._config
        user = config.user if config.domain is None else f"{config.domain}\\{config.user}"
        session = Session(
            connection, user, config.password.get_secret_value(), require_encryption=False, auth_protocol="ntlm"
        )
        share = TreeConnect(session, f"\\\\{self._at.host}\\{config.share}")
        wire.allow(_STEP_S)
        with _faults(), _refusals("The host does not speak a version of SMB that is safe", "host"):
            connection.connect(timeout=_STEP_S)
        with _faults(), _refusals("The host refuses the login", "user"):
            try:
                session.connect()
            except told.SMBException as error:
                if session.session_id is None:
                    raise BadConfig("The host lets this login in as a guest only", field="config.store.user") from error
                raise
        with _faults(), _refusals("There is no such share, or it may not be entered", "share"):
            share.connect()
        if share.is_dfs_share:
            raise BadConfig("DFS leads to other hosts; name the share that it leads to", field="config.store.share")
        return share


class _Session:
    """A store while it is being read: each step has an end, whether the host comes to one or not."""

    def __init__(self, wire: Wire, share: Any, root: str) -> None:
        self._wire, self._share, self._root = wire, share, root

    def require_root(self) -> None:
        """Where links lead at the root is the configuration's own doing, and below it nobody else's."""
        with self._step(), _refusals("There is no such folder, or it may not be entered", "path"):
            folder = self._open("", _LOOK, follow=True)
            folder.close()
        if not folder.file_attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY:
            raise BadConfig("It is no folder", field="config.store.path")

    def listing(self, enters: Enters) -> Iterator[Found]:
        return folder_by_folder(self._folder, enters)

    def read(self, path: str, limit: int) -> bytes:
        if not _NO_NAME.isdisjoint(path):
            raise NotFound()
        try:
            with self._step(_READ_S):
                return self._read(path, limit)
        except _GONE as error:
            raise NotFound() from error
        except _NOT_NOW as error:
            raise Unavailable(f"The host does not give it for now: {type(error).__name__}") from error
        except told.SMBResponseException as error:  # of the file alone, then
            said = f"The host refuses to give it: {type(error).__name__}"
            raise DocumentRejected(said, reason="unreadable") from error

    def tags(self, path: str) -> Mapping[str, str]:
        return {}

    # -- listing --

    def _folder(self, folder: str) -> Iterator[Found]:
        """What lies in ``folder``. One that may no longer be listed can no longer be vouched for."""
        try:
            with self._step():
                listed = self._open_folder(folder)
            pages = self._pages(listed)
            for page in pages:
                for name in page:
                    yield _found(folder, name)
            with self._step():
                listed.close()
        except (*_GONE, told.AccessDenied, told.StoppedOnSymlink, DocumentRejected) as error:
            if not folder:
                said = "The folder may not be listed, or it went"
                raise BadConfig(said, field="config.store.path") from error
            yield Refused(f"{folder}/", "unreadable", "The folder cannot be opened")
        except told.SMBResponseException as error:
            raise Unavailable(f"A folder cannot be listed to its end: {type(error).__name__}") from error

    def _pages(self, folder: Any) -> Iterator[list[Any]]:
        """Pages of names, without those that stand for the folder itself and the one above."""
        first = True
        while True:
            with self._step():
                try:
                    page = folder.query_directory(
                        "*", FileInformationClass.FILE_DIRECTORY_INFORMATION, max_output=_CHUNK
                    )
                except told.NoMoreFiles:
                    return
                except told.NoSuchFile:
                    if first:  # so the root of a volume says that it is empty
                        return
                    raise
            names = [name for name in page if _name(name) not in (".", "..")]
            if not names and not first:
                raise Unavailable("The host lists a folder without an end.")
            yield names
            first = False

    # -- reading --

    def _read(self, path: str, limit: int) -> bytes:
        self._require_folders(path.rpartition("/")[0])
        file = self._plain(path)
        size = file.end_of_file
        if size > limit:
            raise DocumentRejected(f"It is larger than {limit:,} bytes", reason="too_large")
        data = bytearray()
        while len(data) < size:
            more = file.read(len(data), min(_CHUNK, size - len(data)))
            if not more:
                break
            data += more
        file.close()
        after = self._plain(path)
        after.close()
        if (size, file.last_write_time) != (after.end_of_file, after.last_write_time) or len(data) != size:
            raise Unavailable("The file was written to while it was read")
        return bytes(data)

    def _plain(self, path: str) -> Any:
        """A file, opened as what it is."""
        file = self._open(path, _READ)
        if file.file_attributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT:
            raise DocumentRejected("Links are not followed", reason="unreadable")
        if file.file_attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY:
            raise DocumentRejected("It is something else now", reason="unreadable")
        return file

    def _open_folder(self, folder: str) -> Any:
        self._require_folders(folder)
        return self._open(folder, _READ, follow=not folder)

    def _require_folders(self, path: str) -> None:
        """That no part of ``path`` is a link: those that the host resolves itself would never be told."""
        parts = path.split("/") if path else []
        for n in range(1, len(parts) + 1):
            folder = self._open("/".join(parts[:n]), _LOOK)
            folder.close()
            if folder.file_attributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT:
                raise DocumentRejected("Links are not followed", reason="unreadable")
            if not folder.file_attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY:
                raise NotFound()

    def _open(self, path: str, rights: int, *, follow: bool = False) -> Any:
        name = "\\".join("/".join(filter(None, (self._root, path))).split("/"))
        found = Open(self._share, name)
        options = 0 if follow else CreateOptions.FILE_OPEN_REPARSE_POINT
        found.create(
            ImpersonationLevel.Impersonation, rights, 0, _OPEN_TO_ALL, CreateDisposition.FILE_OPEN, options
        )  # fmt: skip
        return found

    @contextmanager
    def _step(self, seconds: float = _STEP_S) -> Iterator[None]:
        self._wire.allow(seconds)
        with _faults():
            yield


def _found(folder: str, listed: Any) -> Found:
    name = _name(listed)
    if "/" in name or not name:
        raise Unavailable("The host names a file in a way that is no name.")
    path = f"{folder}/{name}" if folder else name
    attributes, size = listed["file_attributes"], listed["end_of_file"].get_value()
    if not _NO_NAME.isdisjoint(name):
        return Refused(path, "unreadable_name", "The name has characters that cannot be asked for")
    if attributes.has_flag(FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT):
        return Refused(path, "symlink", "Links are not followed")
    if attributes.has_flag(FileAttributes.FILE_ATTRIBUTE_DIRECTORY):
        return Folder(path)
    written, changed = listed["last_write_time"].get_value(), listed["change_time"].get_value()
    known = written > _NEVER
    version = f"{size}-{written.isoformat()}-{changed.isoformat()}" if known else None
    return Entry(path, size, version, written if known else None)


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _name(listed: Any) -> str:
    return str(listed["file_name"].get_value().decode("utf-16-le", "surrogatepass"))


@contextmanager
def _refusals(said: str, field: str) -> Iterator[None]:
    """What a host says on the way in, in the words of the configuration."""
    try:
        yield
    except _NOT_NOW as error:
        raise Unavailable("The host does not let anybody in for now.") from error
    except told.SMBResponseException as error:
        raise BadConfig(said, field=f"config.store.{field}") from error


@contextmanager
def _faults() -> Iterator[None]:
    """What a host says of a file is for whoever asked; all else ends the connection."""
    try:
        yield
    except told.SMBResponseException:
        raise
    except _NO_SESSION as error:
        raise Unavailable("The connection to the host broke, or it does not answer in time.") from error
