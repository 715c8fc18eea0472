"""Connections and transactions. Nothing reads or writes the catalog outside one of the two blocks here."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import sqlalchemy as sa
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

_TENANT = "set_config('role', 'vouch_tenant', true), set_config('vouch.tenant', %s, true)"
"""What row-level security goes by. Both end with the transaction."""
_NOT_DURABLE = "set_config('synchronous_commit', 'off', true)"


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
        )
        sa.event.listen(self.engine, "checkout", _alive)

    @contextmanager
    def transaction(self, tenant: str | AcrossTenants, *, durable: bool = True) -> Iterator[Session]:
        """One read-write transaction: committed at the end of the block, rolled back by any exception.

        PostgreSQL itself hides every row of other tenants in it, whatever the statements forget to say.

        ``durable`` False does not wait for the disk: a crash of PostgreSQL may take back the last moments, whole
        transactions from the newest backwards. For checkpoints of work that is then simply done again.
        Raises :class:`Unavailable` when PostgreSQL cannot be reached, or undid the transaction for another's sake.
        """
        with (
            self._reaching(),
            Session(self.engine, expire_on_commit=False, info=self._info) as session,
            session.begin(),
        ):
            _enter(session, tenant, durable=durable)
            yield session

    @contextmanager
    def reading(self, tenant: str | AcrossTenants) -> Iterator[Session]:
        """One snapshot of a tenant's rows; a write inside fails. What gate 2 and every report read through."""
        snapshot = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with self._reaching(), self._session(snapshot) as session, session.begin():
            _enter(session, tenant, durable=True)
            yield session

    def _session(self, engine: sa.Engine) -> Session:
        return Session(engine, expire_on_commit=False, info=self._info)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            if getattr(error, "connection_invalidated", False) or _is_connection_loss(error):
                raise Unavailable("The catalog cannot be reached.") from error
            if getattr(error.orig, "sqlstate", None) in _COLLISIONS:
                raise Unavailable("Two changes of the same things met; this one was undone. Try it again.") from error
            raise

    def close(self) -> None:
        self.engine.dispose()


def _enter(session: Session, tenant: str | AcrossTenants, *, durable: bool) -> None:
    across = isinstance(tenant, AcrossTenants)
    said = [*([] if across else [_TENANT]), *([] if durable else [_NOT_DURABLE])]
    if said:
        session.connection().exec_driver_sql(f"SELECT {', '.join(said)}", () if across else (tenant,))


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
