"""Bring a database to the newest revision. Several processes may try at once: one does it, the others wait."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from vouch.catalog.database import Catalog

_LOCK = 0x566F756368  # "Vouch"


def alembic_config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(catalog: Catalog, revision: str = "head") -> None:
    """Upgrade to ``revision`` in one transaction."""
    with catalog.engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(alembic_config(connection), revision)
