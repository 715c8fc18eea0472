"""One PostgreSQL and one Redis for the whole run; a migrated database, empty, for each test that asks.

Connections to other machines are refused by pytest-socket (options in ``pyproject.toml``).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from redis import Redis

from tests.distribution import ByPlatform, turn
from tests.scratch import scratch
from vouch.catalog.database import Catalog
from vouch.catalog.migrate import migrate
from vouch.core.ids import new_id
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url as database_url_of
from vouch.embedded.addresses import redis_client_url
from vouch.embedded.platform import running_platform
from vouch.gateway.embed import Embedder, load_embedder

hypothesis.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("untimed")  # how fast a machine draws examples says nothing of what is tested
gc.disable()
"""Until the tests begin: what collecting them makes, more than a million objects, stays to the end, and to look
through it again and again takes a third of the time. ``pytest_runtestloop`` has it left out for good."""

os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", UNSTRUCTURED_DISABLE_NOTICE="1")
for _name in [n for n in os.environ if n.startswith("VOUCH_") and not n.startswith(("VOUCH_EVAL_", "VOUCH_TEST_"))]:
    del os.environ[_name]  # a developer's own platform is not the one under test

_TEMPLATE = "migrated"
_DATA = Path(os.environ.get("VOUCH_EVAL_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long first; and leave out what needs the public evaluation data where that is not there."""
    items.sort(key=turn)
    if _DATA.is_dir():
        return
    needing = [item for item in items if item.get_closest_marker("data")]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlatform | None:
    return ByPlatform(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_report_header() -> str:
    found = "found" if _DATA.is_dir() else "not found: tests marked `data` are left out"
    return f"public evaluation data (VOUCH_EVAL_DATA): {found}"


@pytest.fixture(scope="session")
def servers() -> Iterator[Settings]:
    """Settings with the URLs of a PostgreSQL and a Redis that run to the end of the session."""
    with scratch() as folder, running_platform(Settings(data_dir=Path(folder)), durable=False) as running:
        yield running.settings


def _url(servers: Settings, database: str) -> str:
    return database_url_of(servers).replace("/vouch?", f"/{database}?", 1)


def _run(servers: Settings, statement: str) -> None:
    with psycopg.connect(_url(servers, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def migrated(servers: Settings) -> str:
    """Name of the template database, at the newest revision."""
    _run(servers, f"CREATE DATABASE {_TEMPLATE}")
    catalog = Catalog(_url(servers, _TEMPLATE))
    migrate(catalog)
    catalog.close()
    return _TEMPLATE


@pytest.fixture
def empty_database_url(servers: Settings) -> Iterator[str]:
    """A database without any table; for the migrations' own tests."""
    with fresh_database(servers, "template1") as url:
        yield url


@pytest.fixture
def database_url(servers: Settings, migrated: str) -> Iterator[str]:
    """A migrated database without rows, this test's alone."""
    with fresh_database(servers, migrated) as url:
        yield url


@contextmanager
def fresh_database(servers: Settings, template: str) -> Iterator[str]:
    """The URL of a copy of ``template``, for as long as the block lasts.

    Copied file by file: a server without crash safety does that in half the time that its log takes.
    """
    name = f"test_{new_id().replace('-', '')}"
    _run(servers, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _url(servers, name)
    _run(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """The catalog in this test's own database."""
    catalog = Catalog(database_url, audit_key=b"of the tests")
    yield catalog
    catalog.close()


@pytest.fixture
def redis_url(servers: Settings) -> str:
    """An empty Redis, in redis-py's form of URL."""
    url = redis_client_url(servers)
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def model_settings(pytestconfig: pytest.Config) -> Settings:
    """Settings whose data folder holds the embedder as prepared for OpenVINO. The first run prepares it in
    ``build/``; later ones use it again once its SHA-256 has been checked."""
    return Settings(data_dir=pytestconfig.rootpath / "build" / "test-models")


@pytest.fixture(scope="session")
def embedder(model_settings: Settings) -> Embedder:
    """The packaged model on the runtime that a service would take, loaded once for the run."""
    return load_embedder(model_settings)
