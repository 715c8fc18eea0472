"""A database that is only read: one transaction, one snapshot, one SELECT at a time.

PostgreSQL and SQLite enforce that nothing is written; of other databases it is the login's rights that do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from vouch.core.errors import BadConfig, Unavailable

FETCHED_TOGETHER = 200
_ALIAS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def open_engine(variable: str) -> sa.Engine:
    """Where the environment variable points; nothing is connected yet. Raises :class:`BadConfig`, which never repeats
    the address: there may be a password in it."""
    url = os.environ.get(variable)
    if not url:
        raise BadConfig(f"{variable} is not set where the platform runs", field="config.url_env")
    try:
        return _engine(url)
    except exc.NoSuchModuleError as error:
        raise BadConfig(f"{variable} names a dialect that is not known", field="config.url_env") from error
    except ModuleNotFoundError as error:
        raise BadConfig(f"the driver {error.name} of {variable} is not installed", field="config.url_env") from error
    except (exc.ArgumentError, ValueError) as error:
        raise BadConfig(f"{variable} is no SQLAlchemy URL", field="config.url_env") from error


@lru_cache(maxsize=16)
def _engine(text: str) -> sa.Engine:
    url = sa.make_url(text)
    url = url.set(drivername=_ALIAS.get(url.drivername, url.drivername))
    dialect = url.get_backend_name()
    if dialect == "sqlite":
        return sa.create_engine(url, poolclass=NullPool, hide_parameters=True)
    timeout = {"connect_timeout": 10} if dialect == "postgresql" else {}
    return sa.create_engine(
        url, connect_args=timeout, pool_size=1, pool_pre_ping=True, pool_recycle=300, hide_parameters=True
    )


class Reading:
    """One transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def name(self, column: str) -> str:
        """``column`` as this database wants it written."""
        return str(self._connection.dialect.identifier_preparer.quote(column))

    def columns(self, query: str) -> tuple[str, ...]:
        """What a query gives, without any row of it."""
        return tuple(self._connection.execute(_text(selected(query, "q", "1 = 0"), {})).keys())

    def rows(self, statement: str, values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Rows as they come from the database: it is not read whole into memory, here or there."""
        streaming = self._connection.execution_options(yield_per=FETCHED_TOGETHER)
        with streaming.execute(_text(statement, values)) as result:
            for row in result.mappings():
                yield dict(row)

    def some(self, statement: str, values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The first two rows. None when a value cannot be one of the columns that it is compared with."""
        try:
            found = self._connection.execute(_text(statement, values)).mappings().fetchmany(2)
        except exc.DataError:
            return []
        return [dict(row) for row in found]


@contextmanager
def reading(engine: sa.Engine, timeout_s: int) -> Iterator[Reading]:
    """A transaction that cannot write, and sees one state to its end."""
    if engine.dialect.name == "sqlite":
        _require_file(engine.url.database)
    try:
        with engine.connect() as connection:
            yield Reading(_read_only(connection, timeout_s))
    except exc.DBAPIError as error:
        raise _told(error) from error


def _read_only(connection: sa.Connection, timeout_s: int) -> sa.Connection:
    if connection.dialect.name == "postgresql":
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {timeout_s * 1000}")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    return connection


def selected(query: str, alias: str, condition: str = "", order: str = "") -> str:
    """Rows of ``query``, which the configuration gives: whatever it holds, in brackets it can only be a SELECT."""
    where, by = f" WHERE {condition}" if condition else "", f" ORDER BY {order}" if order else ""
    return f"SELECT {alias}.* FROM {_bracketed(query)} {alias}{where}{by}"  # noqa: S608


def existing(query: str, alias: str, condition: str) -> str:
    """The condition that ``query`` has such a row."""
    return f"EXISTS (SELECT 1 FROM {_bracketed(query)} {alias} WHERE {condition})"  # noqa: S608


def _bracketed(query: str) -> str:
    """A query as part of another: a comment at its end does not reach further, and a colon is no parameter of ours."""
    return "(\n" + query.replace(":", "\\:") + "\n)"


def _text(statement: str, values: Mapping[str, Any]) -> sa.TextClause:
    # Without a type of ours the database gives a value that of the column that it is compared with.
    typeless = [sa.bindparam(name, value, sa.types.NullType()) for name, value in values.items()]
    return sa.text(statement).bindparams(*typeless)


def _require_file(database: str | None) -> None:
    """SQLite would make a file that is not there, and find it empty."""
    if not database or not Path(database.removeprefix("file:").partition("?")[0]).is_file():
        raise BadConfig("The file of the SQLite database is not there", field="config.url_env")


def _told(error: exc.DBAPIError) -> BadConfig | Unavailable:
    """What people may be told: names of tables and columns, never a value or an address."""
    state = getattr(error.orig, "sqlstate", None)
    if state == "57014":
        return Unavailable("The database took longer than config.timeout_s")
    if state == "25006":
        return BadConfig("The query would write", field="config.query")
    missing = isinstance(error, exc.OperationalError) and str(error.orig).startswith(("no such ", "near "))
    if isinstance(error, exc.ProgrammingError) or missing:
        return BadConfig(f"The database refuses a query: {str(error.orig).splitlines()[0]}", field="config.query")
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        return Unavailable("The database does not answer, or refuses the login")
    return BadConfig(f"The database refuses a query: {type(error.orig).__name__}", field="config.query")
