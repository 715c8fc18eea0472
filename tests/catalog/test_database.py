"""Transactions are explicit: committed whole or not at all, and a reading writes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InternalError

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core.errors import Unavailable


def test_an_exception_undoes_the_whole_transaction(catalog: Catalog) -> None:
    with pytest.raises(ZeroDivisionError), catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        _ = 1 / 0
    with catalog.reading(ACROSS_TENANTS) as session:
        assert session.get(Tenant, "t") is None


def test_a_reading_refuses_to_write(catalog: Catalog) -> None:
    with pytest.raises(InternalError, match="read-only"), catalog.reading(ACROSS_TENANTS) as session:
        session.execute(sa.text("INSERT INTO tenant (id, name, authz_epoch) VALUES ('t', 'T', 1)"))


def test_a_reading_sees_one_moment(catalog: Catalog) -> None:
    with catalog.reading(ACROSS_TENANTS) as session:
        assert session.get(Tenant, "t") is None
        with catalog.transaction(ACROSS_TENANTS) as other:
            other.add(Tenant(id="t", name="T"))
        assert session.execute(sa.text("SELECT count(*) FROM tenant")).scalar() == 0


def test_a_database_that_is_away_is_unavailable() -> None:
    away = Catalog("postgresql://postgres@/vouch?host=/nonexistent")
    with pytest.raises(Unavailable), away.reading(ACROSS_TENANTS) as session:
        session.execute(sa.text("SELECT 1"))


def test_the_loser_of_a_deadlock_is_told_to_try_again(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add_all([Tenant(id="a", name="A"), Tenant(id="b", name="B")])
    both_hold_one = Barrier(2)

    def rename(first: str, second: str) -> str:
        try:
            with catalog.transaction(ACROSS_TENANTS) as session:
                session.execute(sa.text("UPDATE tenant SET name = 'X' WHERE id = :i"), {"i": first})
                both_hold_one.wait(10)
                session.execute(sa.text("UPDATE tenant SET name = 'X' WHERE id = :i"), {"i": second})
        except Unavailable:
            return "again"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(rename, ("a", "b"), ("b", "a"))
        assert sorted(ends) == ["again", "done"]


def test_a_connection_that_postgresql_has_ended_is_never_handed_out(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as first, catalog.transaction(ACROSS_TENANTS) as second:
        ended = [session.execute(sa.text("SELECT pg_backend_pid()")).scalar() for session in (first, second)]
    with psycopg.connect(catalog.url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", (ended,))
    with catalog.reading(ACROSS_TENANTS) as session, catalog.transaction(ACROSS_TENANTS) as also:
        now = [one.execute(sa.text("SELECT pg_backend_pid()")).scalar() for one in (session, also)]
    assert not set(now) & set(ended)


def test_what_need_not_wait_for_the_disk_says_so_for_itself_alone(catalog: Catalog) -> None:
    shown = []
    asking = "&" if "?" in catalog.url else "?"
    waits = Catalog(f"{catalog.url}{asking}options=-csynchronous_commit%3Don")
    for durable in (False, True):
        for tenant in (ACROSS_TENANTS, "t"):
            with waits.transaction(tenant, durable=durable) as session:
                shown.append(session.execute(sa.text("SHOW synchronous_commit")).scalar())
    waits.close()
    assert shown == ["off", "off", "on", "on"]
