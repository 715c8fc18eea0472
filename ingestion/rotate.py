"""A new key for kept secrets: everything sealed is wrapped anew in one transaction, then the old key is removed.

file: new key first, old ones behind ─▶ every secret rewrapped, one transaction ─▶ file: the new key alone

A crash between two of these leaves all keys in the file that anything is sealed with; the next rotation tidies up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, col, select

from ingestion.sealed import key_ids, rewrapped
from ingestion.webhooks.targets import place_of
from vouch.catalog import audit
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Source, Webhook
from vouch.core.sealing import Keyring, given_keys, key_file, key_id, make_key_file, read_keys, replace_keys
from vouch.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Rotated:
    """``key``: the id of the key that seals from now on. ``sources``: how many had something sealed. Every
    webhook has."""

    key: str
    sources: int
    webhooks: int


def rotate(catalog: Catalog, settings: Settings) -> Rotated:
    """Wrap everything sealed under a new key: one made here, or the first of ``VOUCH_SEAL_KEY``.

    Raises :class:`SealBroken` when something does not open; then nothing is changed.
    """
    given, path = given_keys(settings), key_file(settings)
    with catalog.transaction(ACROSS_TENANTS) as session:
        _alone(session)  # what is being sealed now is committed first, and whoever comes later sees the new file
        if given is None:
            make_key_file(path)
            replace_keys(path, [AESGCM.generate_key(256), *read_keys(path)])
        keys = Keyring(given or read_keys(path))
        touched, called = _rewrap(session, keys), _rewrap_webhooks(session, keys)
        for tenant in sorted(touched.keys() | called.keys()):
            audit.append(
                session, tenant, chain="use", actor="command line", action="secrets.rotate",
                subject=f"key:{keys.present}", detail={"sources": touched[tenant], "webhooks": called[tenant]},
            )  # fmt: skip
    if given is None:
        _forget_unused(catalog, settings)
    return Rotated(keys.present, touched.total(), called.total())


def _rewrap(session: Session, keys: Keyring) -> Counter[str]:
    """How many sources of each tenant were concerned."""
    touched: Counter[str] = Counter()
    for source in session.exec(select(Source).order_by(col(Source.tenant_id), col(Source.id)).with_for_update()):
        if key_ids(source.config):
            source.config = rewrapped(keys, (source.tenant_id, source.id), source.config)
            session.add(source)
            touched[source.tenant_id] += 1
    return touched


def _rewrap_webhooks(session: Session, keys: Keyring) -> Counter[str]:
    """How many webhooks of each tenant were concerned."""
    touched: Counter[str] = Counter()
    rows = select(Webhook).order_by(col(Webhook.tenant_id), col(Webhook.id)).with_for_update(key_share=True)
    for row in session.exec(rows):
        row.secret = keys.rewrap(row.secret, place_of(row))
        if row.former_secret is not None:
            row.former_secret = keys.rewrap(row.former_secret, place_of(row))
        session.add(row)
        touched[row.tenant_id] += 1
    return touched


def _forget_unused(catalog: Catalog, settings: Settings) -> None:
    """Leave the present key in the file, and any that something is sealed with still."""
    path = key_file(settings)
    with catalog.transaction(ACROSS_TENANTS) as session:
        _alone(session)
        used = {key for config in session.exec(select(col(Source.config))) for key in key_ids(config)}
        for secrets in session.execute(sa.select(col(Webhook.secret), col(Webhook.former_secret))):
            used |= {str(sealed.get("key")) for sealed in secrets if sealed is not None}
        present, *former = read_keys(path)
        replace_keys(path, [present, *(key for key in former if key_id(key) in used)])


def _alone(session: Session) -> None:
    session.execute(sa.text("LOCK TABLE source IN EXCLUSIVE MODE"))
