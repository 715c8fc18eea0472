"""From nothing, and from every earlier revision, a database reaches the newest one and equals the tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.migrate import alembic_config, migrate


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
