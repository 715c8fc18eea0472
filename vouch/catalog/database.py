"""Connections and transactions. Nothing reads or writes the catalog outside one of the two blocks here."""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.sql import SQL, Composable, Literal
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import Session

from vouch.core.errors import Unavailable

_COLLISIONS = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of a transaction that PostgreSQL undid for another's sake: serialization, deadlock, lock not available."""


class AcrossTenants(Enum):
    """The type of :data:`ACROSS_TENANTS`."""

    ALLOWED = "across tenants"


ACROSS_TENANTS = AcrossTenants.ALLOWED
"""For what belongs to no tenant: finding out whose credential a request carries, the scheduler, the projector."""

_WRITING, _READING = SQL("BEGIN"), SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_TENANT = SQL("SET LOCAL role = vouch_tenant; SET LOCAL vouch.tenant = {}")
"""What row-level security goes by. Both end with the transaction."""
_NOT_DURABLE = SQL("SET LOCAL synchronous_commit = off")
_PREPARED = 400
"""Statements that PostgreSQL keeps parsed for a connection; there are more of ours than psycopg's usual 100."""


class Catalog:
    """A pool of connections to the catalog's PostgreSQL.

    ``url`` is a plain ``postgresql://`` URL; the driver is psycopg 3. ``audit_key`` seals the audit log; without
    it nothing that is audited can be done.
    """

    def __init__(self, url: str, *, audit_key: bytes | None = None, pool: int = 10) -> None:
        self.url = url
        self.audit_key = audit_key
        self._info = {"audit_key": audit_key}
        self.engine = sa.create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool,
            max_overflow=pool,
            connect_args={"connect_timeout": 5},
            isolation_level="AUTOCOMMIT",  # transactions are begun here, in one round trip with whose they are
        )
        sa.event.listen(self.engine, "connect", _keep_prepared)
        sa.event.listen(self.engine, "checkout", _alive)

    @contextmanager
    def transaction(self, tenant: str | AcrossTenants, *, durable: bool = True) -> Iterator[Session]:
        """One read-write transaction: committed at the end of the block, rolled back by any exception.

        PostgreSQL itself hides every row of other tenants in it, whatever the statements forget to say.

        ``durable`` False does not wait for the disk: a crash of PostgreSQL may take back the last moments, whole
        transactions from the newest backwards. For checkpoints of work that is then simply done again.
        Raises :class:`Unavailable` when PostgreSQL cannot be reached, or undid the transaction for another's sake.
        """
        with self._session() as session, session.begin():
            _begin(session, tenant, _WRITING, *(() if durable else (_NOT_DURABLE,)))
            yield session

    @contextmanager
    def reading(self, tenant: str | AcrossTenants) -> Iterator[Session]:
        """One snapshot of a tenant's rows; a write inside fails. What gate 2 and every report read through."""
        with self._session() as session, session.begin():
            _begin(session, tenant, _READING)
            yield session

    def look_up(self, _: AcrossTenants, statement: sa.TextClause, given: Mapping[str, Any]) -> Any:
        """The first row of one statement, or None, in a snapshot of its own and one round trip."""
        with self._reaching(), self.engine.connect() as connection:
            return connection.execute(statement, given).first()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._reaching(), Session(self.engine, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:  # of the beginning, which SQLAlchemy has no part in
            raise Unavailable("The catalog cannot be reached.") from error
        except (OperationalError, InterfaceError) as error:
            if getattr(error, "connection_invalidated", False) or _is_connection_loss(error):
                raise Unavailable("The catalog cannot be reached.") from error
            if getattr(error.orig, "sqlstate", None) in _COLLISIONS:
                raise Unavailable("Two changes of the same things met; this one was undone. Try it again.") from error
            raise

    def close(self) -> None:
        self.engine.dispose()


def _begin(session: Session, tenant: str | AcrossTenants, *how: Composable) -> None:
    """All in one message: a question has four transactions, and each message costs as much as a short statement."""
    begin, *further = how
    whose = [] if isinstance(tenant, AcrossTenants) else [_TENANT.format(Literal(tenant))]
    driver: Any = session.connection().connection.driver_connection
    driver.execute(SQL("; ").join([begin, *whose, *further]), prepare=False)


def _keep_prepared(connection: Any, _: object) -> None:
    connection.prepared_max = _PREPARED


def _alive(connection: Any, *_: object) -> None:
    """Never hand out a connection whose PostgreSQL has ended. Nothing comes on an idle one but its end, and rarely a
    notice: to look for that costs no round trip, which asking it before each transaction would."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise sa.exc.DisconnectionError


def _is_connection_loss(error: OperationalError | InterfaceError) -> bool:
    # SQLSTATE classes 08 (connection) and 57P (shutdown, crash); no SQLSTATE: the connection never came to be.
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(("08", "57P"))
