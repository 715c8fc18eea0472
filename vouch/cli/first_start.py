"""What has to be there before the services start: newest schema, tenant, index generation, keys."""

from __future__ import annotations

from vouch.core import startup

if __name__ == "__main__":
    startup.loading()

import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlmodel import Session, col, select

from acl.keys import ADMINISTRATOR, create_key
from ingestion.generations.recipe import recipe_by
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.generations import create
from vouch.catalog.migrate import migrate
from vouch.catalog.tables import ApiKey, IndexGeneration, Tenant
from vouch.core import clock
from vouch.core.errors import BadConfig, StartFailed, VouchError
from vouch.core.sealing import key_file, make_key_file
from vouch.core.settings import Settings
from vouch.embedded.addresses import database_url
from vouch.embedded.folder import ADMIN_KEY as ADMIN_KEY
from vouch.gateway.embed import embedder_name, load_embedder, prepare
from vouch.gateway.weights import locate
from vouch.outbound.door import Outbound
from vouch.serving.logs import configure_logging


def first_start(settings: Settings, say: Callable[[str], None]) -> None:
    """Make what is missing; on every later start find all of it there.

    Raises :class:`StartFailed` when the index was built with a model that is not there any more,
    :class:`BadConfig` without a secret key, and what preparing the model raises.
    """
    if settings.secret_key is None:
        raise BadConfig("VOUCH_SECRET_KEY is not set.", field="secret_key")
    Outbound.of(settings)  # a setting that cannot be is said now, not by the first source
    if settings.seal_key is None:
        make_key_file(key_file(settings))
    prepare(settings, say)
    catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
    try:
        migrate(catalog)
        with catalog.transaction(ACROSS_TENANTS) as session:
            if session.get(Tenant, settings.tenant) is None:
                session.add(Tenant(id=settings.tenant, name=settings.tenant))
                session.flush()
            _generation(session, settings)
            _admin_key(session, settings, settings.secret_key.get_secret_value(), say)
    finally:
        catalog.close()


def _generation(session: Session, settings: Settings) -> None:
    """The first one; of every later start, that the model of the one that is asked can be found."""
    recipe = recipe_by(settings)  # files are enough: no model need be loaded
    active = session.exec(select(IndexGeneration).where(col(IndexGeneration.state) == "active")).first()
    if active is None:
        made = create(session, recipe, settings.embed_model, load_embedder(settings).dimensions)
        made.state, made.activated_at = "active", clock.now()  # there is nothing to fill it with
    elif active.model == recipe.model:
        active.embed_model = settings.embed_model  # it may have moved
    elif active.embed_model is None or embedder_name(locate(active.embed_model)) != active.model:
        raise StartFailed(
            f"The index was built with {active.model}, the settings name {recipe.model}, and the former is not found: "
            "set VOUCH_EMBED_MODEL back, or start on an empty data folder."
        )


def _admin_key(session: Session, settings: Settings, secret_key: str, say: Callable[[str], None]) -> None:
    """A key with all but emergency reading, in a file only its owner can read; made when the tenant has none at all."""
    if session.exec(select(ApiKey.id).where(col(ApiKey.tenant_id) == settings.tenant)).first() is not None:
        return
    made = create_key(
        session, secret_key, settings.tenant, name="administrator", scopes=ADMINISTRATOR, actor="first start"
    )
    path = settings.data_dir / ADMIN_KEY
    _write_private(path, made.secret)
    say(f"administrator key written to {path}")


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    part.replace(path)


def main() -> int:
    """``python -m vouch.cli.first_start``: progress on standard output, the exit status 1 with the reason said."""
    startup.loaded()
    settings = Settings()
    configure_logging(settings)
    try:
        first_start(settings, lambda text: print(text, flush=True))
    except VouchError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
