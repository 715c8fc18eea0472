"""A folder of a host that is reached by SSH. The host has to show one of the keys that the configuration names.

The SSH library is handed a connected socket (:mod:`vouch.outbound.sockets`), so it resolves and connects to nothing; it
reads no configuration, key or agent of the account that it runs under. Links are not followed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from socket import socket as Socket
from typing import Any, TypeVar
from urllib.parse import quote

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR, FILEXFER_TYPE_SYMLINK
from asyncssh.public_key import get_default_public_key_algs

from connectors.files.config import SftpStore
from connectors.files.store import MANY, Enters, Entry, Folder, Found, folder_by_folder
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, Unavailable
from vouch.core.types import Refused
from vouch.outbound.door import Outbound
from vouch.outbound.sockets import connected, parse_host, refuse_blocked_address

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # below that it writes down each login, and who logs in
PORTS = frozenset({22})
_STEP_S = 30.0
"""For a connection, a page of a listing, a question about a file."""
_READ_S = 200.0
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory)
_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.SFTPBadMessage)
_T = TypeVar("_T")


class Sftp:
    """One folder of one host."""

    def __init__(self, config: SftpStore, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for keys that are none, and for a host that is none or may not be reached."""
        self._config, self._ways = config, outbound.ways
        try:
            self._at = parse_host(config.host, config.port)
            refuse_blocked_address(outbound.ways, self._at, PORTS)
        except OutboundRefused as error:
            raise BadConfig(f"config.store.host: {error.detail}", field="config.store.host") from error
        self._host_keys = [_public_key(n, text) for n, text in enumerate(config.host_keys)]
        self._key = _private_key(config)

    def uri(self, path: str) -> str:
        port = "" if self._at.port == 22 else f":{self._at.port}"
        host = f"[{self._at.host}]" if ":" in self._at.host else self._at.host
        return f"sftp://{host}{port}{quote(self._config.path.rstrip('/') + '/' + path)}"

    @contextmanager
    def opened(self) -> Iterator[_Session]:
        """One login, ended with the block."""
        socket = connected(self._ways, self._at, PORTS, _STEP_S)
        with closing(socket), asyncio.Runner() as runner:
            with _login_faults():
                connection = runner.run(asyncio.wait_for(self._connect(socket), 2 * _STEP_S))
            try:
                yield _Session(runner, *_step(runner, self._begin(connection)))
            finally:
                with suppress(Unavailable):
                    _step(runner, _end(connection))

    async def _connect(self, socket: Socket) -> asyncssh.SSHClientConnection:
        """A login by what the configuration says alone: every source of anything else is turned off."""
        password = self._config.password
        return await asyncssh.connect(
            sock=socket,
            config=None,
            known_hosts=(self._host_keys, [], []),
            server_host_key_algs=_algorithms(self._host_keys),
            username=self._config.user,
            password=password.get_secret_value() if password is not None else None,
            client_keys=[self._key] if self._key is not None else None,
            agent_path=None,
            agent_forwarding=False,
            pkcs11_provider=None,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            host_based_auth=False,
            gss_auth=False,
            gss_kex=False,
            login_timeout=_STEP_S,
            connect_timeout=_STEP_S,
        )

    async def _begin(self, connection: asyncssh.SSHClientConnection) -> tuple[asyncssh.SFTPClient, bytes]:
        try:
            client = await connection.start_sftp_client(path_encoding=None)
            return client, await client.realpath(self._config.path.encode())
        except (*_GONE, asyncssh.SFTPPermissionDenied) as error:
            raise BadConfig("There is no such folder, or it may not be entered", field="config.store.path") from error
        except (asyncssh.SFTPError, asyncssh.ChannelOpenError) as error:
            raise Unavailable(f"{self._at.host} does not speak SFTP now.") from error


class _Session:
    """A store while it is being read: each step has an end, whether the host comes to one or not."""

    def __init__(self, runner: asyncio.Runner, client: asyncssh.SFTPClient, root: bytes) -> None:
        self._runner, self._client, self._root = runner, client, root

    def listing(self, enters: Enters) -> Iterator[Found]:
        return folder_by_folder(self._folder, enters)

    def read(self, path: str, limit: int) -> bytes:
        try:
            return _step(self._runner, self._read(path, limit), _READ_S)
        except _GONE as error:
            raise NotFound() from error
        except asyncssh.SFTPError as error:
            raise DocumentRejected(
                f"The host refuses to give it: {type(error).__name__}", reason="unreadable"
            ) from error

    def tags(self, path: str) -> Mapping[str, str]:
        return {}

    # -- listing --

    def _folder(self, folder: str) -> Iterator[Found]:
        """What lies in ``folder``. One that may no longer be listed can no longer be vouched for."""
        names = self._client.scandir(self._path(folder))
        try:
            some = _step(self._runner, _some(names))
            if folder:  # once it is open, so that it is what was opened
                _step(self._runner, self._require_inside(folder, FILEXFER_TYPE_DIRECTORY))
            while some:
                for name in some:
                    if name.filename not in (b".", b".."):
                        yield self._found(folder, name)
                some = _step(self._runner, _some(names))
        except (*_GONE, asyncssh.SFTPPermissionDenied, DocumentRejected) as error:
            if not folder:
                said = "The folder may not be listed, or it went"
                raise BadConfig(said, field="config.store.path") from error
            yield Refused(f"{folder}/", "unreadable", "The folder cannot be opened")
        except asyncssh.SFTPError as error:
            raise Unavailable(f"A folder cannot be listed to its end: {type(error).__name__}") from error

    def _found(self, folder: str, name: asyncssh.SFTPName) -> Found:
        assert isinstance(name.filename, bytes)
        text = name.filename.decode("utf-8", "surrogateescape")
        if "/" in text or not text:
            raise Unavailable("The host names a file in a way that is no name.")
        path = f"{folder}/{text}" if folder else text
        kind, attrs = name.attrs.type, name.attrs
        if kind == FILEXFER_TYPE_DIRECTORY:
            return Folder(path)
        if kind == FILEXFER_TYPE_SYMLINK:
            return Refused(path, "symlink", "Links are not followed")
        if kind != FILEXFER_TYPE_REGULAR:
            return Refused(path, "not_a_file", "It is a special file, or the host does not say what it is")
        version = f"{attrs.size}-{attrs.mtime}" if attrs.size is not None and attrs.mtime is not None else None
        at = datetime.fromtimestamp(attrs.mtime, UTC) if attrs.mtime is not None else None
        return Entry(path, attrs.size, version, at)

    # -- reading --

    async def _read(self, path: str, limit: int) -> bytes:
        await self._require_inside(path, FILEXFER_TYPE_REGULAR)
        async with self._client.open(self._path(path), "rb") as file:
            before = await file.stat()
            await self._require_inside(path, FILEXFER_TYPE_REGULAR)  # again: another could have been put in its place
            size = before.size
            if size is None:
                raise DocumentRejected("The host does not say how large it is", reason="unreadable")
            if size > limit:
                raise DocumentRejected(f"It is larger than {limit:,} bytes", reason="too_large")
            data: bytes = await file.read(size + 1)  # not to its end: one that grows while it is read may have none
            after = await file.stat()
        if (size, before.mtime) != (after.size, after.mtime) or len(data) != size:
            raise Unavailable("The file was written to while it was read")
        return data

    async def _require_inside(self, path: str, kind: int) -> None:
        """That ``path`` is of a kind, that no part of it is a link, and that the host itself sees it below the root.

        It is not opened before: a pipe that is opened waits for whoever writes to it.
        """
        parts = path.split("/")
        for n in range(1, len(parts) + 1):
            found = (await self._client.lstat(self._path("/".join(parts[:n])))).type
            if found == FILEXFER_TYPE_SYMLINK:
                raise DocumentRejected("Links are not followed", reason="unreadable")
            if n < len(parts) and found != FILEXFER_TYPE_DIRECTORY:
                raise asyncssh.SFTPNoSuchFile("a part of the path is no folder")
        if found != kind:
            raise DocumentRejected("It is something else now", reason="unreadable")
        if await self._client.realpath(self._path(path)) != self._path(path):
            raise DocumentRejected("Links are not followed", reason="unreadable")

    def _path(self, path: str) -> bytes:
        return self._root.rstrip(b"/") + b"/" + path.encode() if path else self._root


async def _end(connection: asyncssh.SSHClientConnection) -> None:
    """To its end, so that no listing that was left in the middle waits for the host to close it."""
    connection.abort()
    await connection.wait_closed()


async def _some(names: AsyncIterator[asyncssh.SFTPName]) -> list[asyncssh.SFTPName]:
    found: list[asyncssh.SFTPName] = []
    async for name in names:
        found.append(name)
        if len(found) >= MANY:
            break
    return found


def _step(runner: asyncio.Runner, work: Coroutine[Any, Any, _T], seconds: float = _STEP_S) -> _T:
    """One step to its end. Raises what the host says of a file, and :class:`Unavailable` when the connection breaks or
    it takes too long."""
    try:
        return runner.run(asyncio.wait_for(work, seconds))
    except TimeoutError as error:
        raise Unavailable("The host does not answer in time.") from error
    except asyncssh.SFTPError as error:
        if isinstance(error, _LOST):
            raise Unavailable("The connection to the host broke.") from error
        raise
    except (asyncssh.Error, OSError) as error:
        raise Unavailable("The connection to the host broke.") from error


@contextmanager
def _login_faults() -> Iterator[None]:
    """What went wrong on the way in, in the words of the configuration; never what the host itself says."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise BadConfig("The host shows another key than the ones given", field="config.store.host_keys") from error
    except asyncssh.KeyExchangeFailed as error:
        said = "The host has no key of the kinds given, or speaks no method that is considered safe"
        raise BadConfig(said, field="config.store.host_keys") from error
    except asyncssh.PermissionDenied as error:
        raise BadConfig("The host refuses the login", field="config.store.user") from error
    except (asyncssh.Error, OSError) as error:
        raise Unavailable("The host ends the connection before anybody is logged in.") from error


def _public_key(n: int, text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text.strip())
    except (asyncssh.KeyImportError, ValueError) as error:
        said = "is not a public key such as `ssh-ed25519 AAAA…`"
        raise BadConfig(said, field=f"config.store.host_keys.{n}") from error


def _algorithms(keys: Sequence[asyncssh.SSHKey]) -> list[str]:
    """Those of the given keys first, so that a host which has several shows the one that is known. The others behind
    them, so that one which has none of those shows another, and that can be said."""
    usual = [name for name in get_default_public_key_algs() if name != b"ssh-rsa"]  # SHA-1
    known = [name for key in keys for name in key.sig_algorithms if name in usual]
    return [name.decode("ascii") for name in dict.fromkeys((*known, *usual))]


def _private_key(config: SftpStore) -> asyncssh.SSHKey | None:
    if config.private_key is None:
        return None
    try:
        return asyncssh.import_private_key(config.private_key.get_secret_value())
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        # From None: what the library says may repeat some of it.
        raise BadConfig("It is not a private key, or a locked one", field="config.store.private_key") from None
