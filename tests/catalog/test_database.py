"""Transactions are explicit: committed whole or not at all, and a reading writes nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InternalError

from vouch.catalog.database import Catalog
from vouch.catalog.tables import Tenant
from vouch.core.errors import Unavailable


def test_an_exception_undoes_the_whole_transaction(catalog: Catalog) -> None:
    with pytest.raises(ZeroDivisionError), catalog.transaction() as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        _ = 1 / 0
    with catalog.reading() as session:
        assert session.get(Tenant, "t") is None


def test_a_reading_refuses_to_write(catalog: Catalog) -> None:
    with pytest.raises(InternalError, match="read-only"), catalog.reading() as session:
        session.execute(sa.text("INSERT INTO tenant (id, name, authz_epoch) VALUES ('t', 'T', 1)"))


def test_a_reading_sees_one_moment(catalog: Catalog) -> None:
    with catalog.reading() as session:
        assert session.get(Tenant, "t") is None
        with catalog.transaction() as other:
            other.add(Tenant(id="t", name="T"))
        assert session.execute(sa.text("SELECT count(*) FROM tenant")).scalar() == 0


def test_a_database_that_is_away_is_unavailable() -> None:
    away = Catalog("postgresql://postgres@/vouch?host=/nonexistent")
    with pytest.raises(Unavailable), away.reading() as session:
        session.execute(sa.text("SELECT 1"))
