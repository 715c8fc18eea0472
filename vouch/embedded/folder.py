"""The data folder: ours alone, one platform at a time, and the key it keeps."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr

from vouch.core.errors import AlreadyRunning, BadConfig, PortTaken, StartFailed
from vouch.core.settings import Settings

ADMIN_KEY = "admin.key"
"""The file of the administrator's key, made by the first start."""
_LOCK = "lock"
_AFTERMATH_S = 12.0  # the guard of a supervisor that was killed needs a moment to clear up


def private(path: Path) -> Path:
    """Make a folder that only this user can enter, or check that it is one; its mode is set right when it is ours.

    Raises :class:`StartFailed` when it is a link or another user's: someone else made it first.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StartFailed(f"{path} is not a folder of the user that runs Vouch.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def _own(data_dir: Path) -> Path:
    """The data folder, closed to others. Raises :class:`BadConfig` for a folder that others use too."""
    if data_dir.is_dir() and not (data_dir / _LOCK).exists():
        shared = stat.S_IMODE(data_dir.stat().st_mode) & 0o077
        if shared and any(data_dir.iterdir()):
            raise BadConfig(f"{data_dir} holds other files and is open to others: give Vouch a folder of its own.")
    return private(data_dir)


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold the data folder for one platform; yields the descriptor of the lock.

    Whoever inherits the descriptor holds the lock too, so it is free only when all of them are gone.
    Raises :class:`AlreadyRunning` with the process id and address of the platform that runs, :class:`BadConfig` or
    :class:`StartFailed` for a folder that is not ours alone.
    """
    descriptor = os.open(_own(data_dir) / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, data_dir)
        announce(descriptor, "starting")
        yield descriptor
    finally:
        os.close(descriptor)


def announce(descriptor: int, address: str) -> None:
    """Tell a second start who holds the lock."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "address": address}).encode(), 0)


def _take(descriptor: int, data_dir: Path) -> None:
    deadline = time.monotonic() + _AFTERMATH_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = _running(descriptor)
            if running is not None or time.monotonic() > deadline:
                said = "" if running is None else f" (process {running['pid']}, {running['address']})"
                raise AlreadyRunning(f"A platform already runs on {data_dir}{said}.") from None
            time.sleep(0.05)
        else:
            return


def _running(descriptor: int) -> dict[str, object] | None:
    """What the holder wrote of itself, while its process lives."""
    with suppress(ValueError, ProcessLookupError):
        found: dict[str, object] = json.loads(os.pread(descriptor, 4096, 0))
        with suppress(PermissionError):
            os.kill(int(str(found["pid"])), 0)
        return found
    return None


def free_port(settings: Settings) -> int:
    """``settings.port``, or one that is free when it is 0.

    Raises :class:`PortTaken` naming the port, :class:`BadConfig` when ``settings.host`` is not this machine's.
    """
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed server's TIME_WAIT is no obstacle
            probe.bind(target)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is taken" if error.errno == errno.EADDRINUSE else "may not be used by this user"
            raise PortTaken(f"Port {settings.port} on {settings.host} {why}; set VOUCH_PORT.") from error
        raise BadConfig(f"{settings.host} is not an address of this machine: {error}", field="host") from error


def secret_key(data_dir: Path) -> SecretStr:
    """The key kept in ``secret.key`` (mode 0600), made on first use: 32 random bytes, in hex."""
    path = data_dir / "secret.key"
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartFailed(f"{path} can be read by others; make it private (chmod 600) or replace it.")
    key = path.read_text().strip()
    if len(key) != 64:
        raise StartFailed(f"{path} does not hold the key that was written to it.")
    return SecretStr(key)
