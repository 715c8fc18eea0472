"""Where the catalog, the doorbell and the blobs are: what the settings give, or the embedded part of the data folder.

A pure function of the settings, so every process of a platform comes to the same answer. ``settings.redis_url``
may name a Unix socket as redis-py writes it (``unix:///path?db=0``) or as Celery does
(``redis+socket:///path?virtual_host=0``); each library is handed its own form.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from vouch.core.settings import Settings


def postgres_sockets(settings: Settings) -> Path:
    """The embedded PostgreSQL's own folder: as root's server is another user's, so is the folder."""
    return settings.sockets / "pg"


def redis_socket(settings: Settings) -> Path:
    return settings.sockets / "redis.sock"


def index_socket(settings: Settings) -> Path:
    return settings.sockets / "index.sock"


def database_url(settings: Settings) -> str:
    """A ``postgresql://`` URL. The embedded one has no password: the socket says who connects."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"postgresql://postgres@/vouch?host={postgres_sockets(settings)}"


def redis_client_url(settings: Settings) -> str:
    """The doorbell's URL as redis-py reads it."""
    given = _redis_url(settings)
    if not given.startswith("redis+socket://"):
        return given
    split = urlsplit(given)
    return f"unix://{split.path}?db={parse_qs(split.query).get('virtual_host', ['0'])[0]}"


def redis_broker_url(settings: Settings) -> str:
    """The doorbell's URL as Celery (kombu) reads it."""
    given = _redis_url(settings)
    if not given.startswith("unix://"):
        return given
    split = urlsplit(given)
    return f"redis+socket://{split.path}?virtual_host={parse_qs(split.query).get('db', ['0'])[0]}"


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return f"unix://{redis_socket(settings)}?db=0"


def blob_url(settings: Settings) -> str:
    """An fsspec URL, or the path of the data folder's own store."""
    return settings.blob_url or str(settings.data_dir.resolve() / "blobs")


def http_host(settings: Settings) -> str:
    """The host at which a client on this machine reaches the platform."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound


def http_url(settings: Settings) -> str:
    """The platform's URL, as people and clients on this machine use it."""
    host = http_host(settings)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
