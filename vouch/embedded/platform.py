"""Which parts a platform's settings mean, and the whole of it run in order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from pydantic import SecretStr

from vouch.core.settings import SOURCE_VARIABLES, Settings
from vouch.embedded import addresses, folder, postgres, ready, redis
from vouch.embedded.console import Console
from vouch.embedded.parts import Part
from vouch.embedded.supervisor import Stopped, Supervisor

INDEX, WORKER, SCHEDULER, API = "index", "worker", "scheduler", "api"
SERVERS = (postgres.NAME, redis.NAME)
"""What is there before the catalog is migrated; every other part comes after."""
SERVE = ("vouch.cli", "serve", "all")
"""Module, and its arguments, of the API process."""


def resolve(settings: Settings, *, listens: bool = True) -> Settings:
    """Fill in what is unset: URLs of embedded parts, absolute data folder, the secret key.

    With ``listens`` the port is checked too, and chosen when it is 0. The key is made in the data folder, which has
    to exist. Raises :class:`PortTaken`, :class:`BadConfig`, :class:`StartFailed`.
    """
    data_dir = settings.data_dir.resolve()
    return settings.model_copy(
        update={
            "data_dir": data_dir,
            "port": folder.free_port(settings) if listens else settings.port,
            "database_url": SecretStr(addresses.database_url(settings)),
            "redis_url": SecretStr(addresses.redis_client_url(settings)),
            "blob_url": addresses.blob_url(settings),
            "secret_key": settings.secret_key or folder.secret_key(data_dir),
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings written into it, for a child that reads them from there."""
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VOUCH_") or name.startswith(SOURCE_VARIABLES)
    }
    for name, value in settings:
        if value is not None:
            found[f"VOUCH_{name.upper()}"] = _written(value)
    return {**found, "PYTHONUNBUFFERED": "1"}


def _written(value: object) -> str:
    """As settings are read from an environment: lists in JSON, secrets as they are."""
    if isinstance(value, tuple):
        return json.dumps([_written(one) for one in value])
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def parts(given: Settings, resolved: Settings, *, durable: bool = True) -> list[Part]:
    """The parts that ``given`` means, in order: nothing is started that it has an address for.

    ``resolved`` is what they are told. ``durable=False`` is for tests: PostgreSQL without crash safety.
    """
    found = []
    if given.database_url is None:
        found.append(postgres.part(resolved, durable=durable))
    if given.redis_url is None:
        found.append(redis.part(resolved))
    env = environment(resolved)
    if given.qdrant_url is None:
        found.append(_index(resolved, env))
    return [*found, _beating(WORKER, resolved, env), _beating(SCHEDULER, resolved, env), _api(resolved, env)]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: a module of that name in the folder where `vouch up` is typed is not ours.
    return (sys.executable, "-P", "-m", module, *arguments)


def _index(settings: Settings, env: dict[str, str]) -> Part:
    path = str(addresses.index_socket(settings))
    return Part(
        name=INDEX,
        command=_python("vouch.index.host", "--folder", str(settings.index_dir), "--socket", path),
        env=env,
        ready=lambda: ready.accepts(path),
        grace_s=1.5,
        start_s=120.0,  # the write-ahead log may have to be applied
    )


def _beating(name: str, settings: Settings, env: dict[str, str]) -> Part:
    beat = ready.Heartbeat(name, addresses.database_url(settings))
    worker = name == WORKER
    return Part(
        name=name,
        command=_python(f"ingestion.{name}"),
        env=env,
        ready=beat.fresh,
        prepare=beat.note_start,
        depends_on=(*SERVERS, INDEX),
        stop_signal=signal.SIGQUIT if worker else signal.SIGTERM,  # Celery's soft shutdown: five seconds for tasks
        grace_s=5.8 if worker else 2.0,
        start_s=60.0,
    )


def _api(settings: Settings, env: dict[str, str]) -> Part:
    return Part(
        name=API,
        command=_python(*SERVE),
        env=env,
        ready=lambda: ready.answers(settings),
        depends_on=(*SERVERS, INDEX),
        grace_s=3.0,
        start_s=60.0,
    )


@contextmanager
def _supervised(
    given: Settings, console: Console, stop: threading.Event, *, listens: bool
) -> Iterator[tuple[Settings, Supervisor]]:
    data_dir = given.data_dir.resolve()
    with folder.locked(data_dir) as lock:
        resolved = resolve(given, listens=listens)
        folder.announce(lock, addresses.http_url(resolved))
        sockets = folder.private(resolved.sockets)
        try:
            with Supervisor(data_dir / "parts", console, stop, hold=lock) as supervisor:
                yield resolved, supervisor
        finally:
            if not sockets.is_relative_to(data_dir):
                shutil.rmtree(sockets)


def up(settings: Settings, *, prepare: Callable[[Settings], None], on_ready: Callable[[Settings], None]) -> None:
    """Run the platform in the main thread until SIGINT, SIGTERM or SIGHUP; everything is stopped on return.

    ``prepare`` is called with the resolved settings once PostgreSQL and Redis answer and before anything uses them
    (migrations, model, keys), ``on_ready`` once all parts do. Raises :class:`AlreadyRunning`, :class:`PortTaken`,
    :class:`StartFailed` and whatever the two raise.
    """
    stop = threading.Event()
    console = Console(sys.stderr)
    with (
        _until_signal(stop) as preparing,
        _supervised(settings, console, stop, listens=True) as (resolved, supervisor),
        suppress(Stopped),
    ):
        found = parts(settings, resolved)
        supervisor.start([part for part in found if part.name in SERVERS])
        with preparing():
            prepare(resolved)
        supervisor.start([part for part in found if part.name not in SERVERS])
        on_ready(resolved)
        supervisor.watch()


@contextmanager
def _until_signal(stop: threading.Event) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Set ``stop`` on a signal. Within the block of what is yielded the signal also raises :class:`Stopped`.

    Nowhere else: an exception out of nowhere in the middle of stopping would leave children behind.
    """
    interruptible = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        if interruptible:
            raise Stopped

    @contextmanager
    def preparing() -> Iterator[None]:
        nonlocal interruptible
        interruptible = True
        try:
            if stop.is_set():
                raise Stopped
            yield
        finally:
            interruptible = False

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield preparing
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Running:
    """A platform that runs in a thread of this process."""

    settings: Settings
    supervisor: Supervisor


@contextmanager
def running_platform(
    settings: Settings,
    only: Collection[str] = SERVERS,
    *,
    prepare: Callable[[Settings], None] | None = None,
    durable: bool = True,
    console: Console | None = None,
) -> Iterator[Running]:
    """Run the parts named in ``only`` while the block lasts; for tests, benches and commands that need the servers.

    ``prepare`` is called as :func:`up` calls it, in another thread; its errors and those of :func:`up` are raised.
    """
    stop = threading.Event()
    started: Future[Running] = Future()

    def supervise() -> None:
        try:
            with _supervised(settings, console or Console(None), stop, listens=API in only) as (resolved, supervisor):
                found = [part for part in parts(settings, resolved, durable=durable) if part.name in only]
                supervisor.start([part for part in found if part.name in SERVERS])
                if prepare is not None:
                    prepare(resolved)
                supervisor.start([part for part in found if part.name not in SERVERS])
                started.set_result(Running(resolved, supervisor))
                supervisor.watch()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=supervise, name="supervisor")
    thread.start()
    try:
        yield started.result()
    finally:
        stop.set()
        thread.join()
