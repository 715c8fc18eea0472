"""From nothing, and from every earlier revision, a database reaches the newest one and equals the tables."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from acl.directory import put_user
from tests.docs.pages import examples
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.migrate import alembic_config, migrate
from vouch.catalog.tables import Tenant
from vouch.core.ids import new_id


def _revisions() -> list[str]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
        return [r.revision for r in reversed(list(script.walk_revisions()))]


@pytest.mark.parametrize("start", ["base", *_revisions()])
def test_every_revision_upgrades_to_the_tables_of_today(empty_database_url: str, start: str) -> None:
    catalog = Catalog(empty_database_url)
    if start != "base":
        migrate(catalog, start)
    migrate(catalog)
    with catalog.engine.begin() as connection:
        command.check(alembic_config(connection))
    catalog.close()


def test_migrating_twice_changes_nothing(catalog: Catalog) -> None:
    migrate(catalog)
    with catalog.reading(ACROSS_TENANTS) as session:
        assert session.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_a_login_without_privileges_can_migrate_and_work(empty_database_url: str) -> None:
    """As on a PostgreSQL of one's own: no superuser, no right to make roles, only a member of the one role."""
    login = f"login_{new_id().replace('-', '')}"
    (told,) = examples("sql")  # what the guide has an administrator run
    make, grant = told.text.strip().split("\n")
    with psycopg.connect(empty_database_url, autocommit=True) as administrator:
        administrator.execute(f"DO $$ BEGIN {make} EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        administrator.execute(f"CREATE ROLE {login} LOGIN")
        administrator.execute(grant.replace("TO vouch;", f"TO {login}"))
        administrator.execute(f"ALTER SCHEMA public OWNER TO {login}")
    catalog = Catalog(empty_database_url, audit_key=b"of the tests")

    @sa.event.listens_for(catalog.engine, "connect")
    def _become(connection: psycopg.Connection, _: object) -> None:
        connection.execute(f"SET SESSION AUTHORIZATION {login}")
        connection.commit()

    try:
        migrate(catalog)
        with catalog.transaction(ACROSS_TENANTS) as session:
            session.add_all([Tenant(id="a", name="A"), Tenant(id="b", name="B")])
        for tenant in ("a", "b"):
            with catalog.transaction(tenant) as session:
                put_user(session, tenant, "user:u", name="U", actor="test")
        with catalog.reading("a") as session:
            assert session.execute(sa.text("SELECT current_user")).scalar() == "vouch_tenant"
            assert session.execute(sa.text("SELECT tenant_id FROM app_user")).scalars().all() == ["a"]
    finally:
        catalog.close()
        with psycopg.connect(empty_database_url, autocommit=True) as administrator:
            administrator.execute(f"DROP OWNED BY {login} CASCADE; DROP ROLE {login}")
