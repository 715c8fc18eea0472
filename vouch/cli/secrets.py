"""`vouch secrets`: the key that secrets in sources are sealed with. Not over HTTP: on the data folder."""

from __future__ import annotations

import typer

from vouch.cli import output
from vouch.cli.output import AsJson
from vouch.core.settings import Settings

group = typer.Typer(help="The key that secrets of sources are sealed with.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """Keep `rotate` a command of its own while it is the only one."""


@group.command()
def rotate(json: AsJson = False) -> None:
    """Make a new key, wrap every secret under it in one transaction, and remove the old key."""
    from ingestion.rotate import rotate
    from vouch.catalog.database import Catalog
    from vouch.embedded import folder
    from vouch.embedded.addresses import database_url

    settings = Settings()
    secret = settings.secret_key or folder.secret_key(settings.data_dir)  # the audit log is sealed with it
    catalog = Catalog(database_url(settings), audit_key=settings.model_copy(update={"secret_key": secret}).audit_key)
    try:
        done = rotate(catalog, settings)
    finally:
        catalog.close()
    if json:
        output.as_json({"key": done.key, "sources": done.sources, "webhooks": done.webhooks})
    else:
        output.line(f"{done.sources} sources and {done.webhooks} webhooks: sealed with the key {done.key}.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="secrets")
