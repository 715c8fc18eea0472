"""Alembic's entry: runs on the connection that :mod:`vouch.catalog.migrate` hands over."""

from alembic import context

from vouch.catalog.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
