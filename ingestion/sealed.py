"""Secrets in the configuration of sources: told once, kept sealed, opened where a connector is made, never shown.

config told ─▶ validated (its secrets are pydantic's ``SecretStr``) ─▶ each sealed for tenant, source and field ─▶ row
row ─▶ shown with ``{"sealed": true}`` in their place; a change that sends that back leaves the secret as it is
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, SecretStr
from sqlmodel import Session

from connectors.protocol import Connector
from connectors.registry import make_connector, read_config
from vouch.core.errors import BadConfig
from vouch.core.sealing import Keyring, Place, keyring
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.outbound.door import NOWHERE_PRIVATE, Outbound

SEALED = "$sealed"
"""The name under which a sealed value is kept in its place."""
MARK: Json = {"sealed": True}
"""What is shown in the place of a secret."""
SEALING = sa.text("LOCK TABLE source IN ROW SHARE MODE")
"""Taken before a key is looked at: a change of keys (``EXCLUSIVE``) waits for what is being sealed, and the other way
round. A lock of the table, because whoever changes a source holds this very one already: no two wait in a circle."""
_Path = tuple[str | int, ...]


def connect(settings: Settings, key: tuple[str, str], kind: str, config: Mapping[str, Any]) -> Connector:
    """The connector of a source, ready to read. ``key``: its tenant and id. Raises as :func:`make_connector`, and
    :class:`SealBroken`."""
    return make_connector(kind, opened(settings, key, config), Outbound.of(settings))


def opened(settings: Settings, key: tuple[str, str], config: Mapping[str, Any]) -> Json:
    """``config`` with its secrets in plain text."""
    keys: list[Keyring] = []

    def plain(path: _Path, sealed: Json) -> str:
        keys[:] = keys or [keyring(settings)]  # asked for only where there is something to open
        return keys[0].unseal(sealed, place(key, path))

    return _replaced(dict(config), plain)


def checked(
    session: Session, settings: Settings | None, key: tuple[str, str], told: tuple[str, Json], kept: Json | None = None
) -> Json:
    """The config told for a source of a kind, as it is to be kept: validated, defaults filled in, secrets sealed.

    ``kept``: the config so far, whose secrets stay where ``told`` has their mark. Raises as :func:`make_connector`;
    :class:`BadConfig` also for a mark where no secret is kept, for one that may not stay, and where there is no key.
    """
    kind, config = told
    if any(name == SEALED for name in _names(config)):
        raise BadConfig(f"{SEALED} is not a field here", field="config")
    marked = {path: sealed for path, sealed in _sealed(kept or {}) if _at(config, path) == MARK}
    whole = config
    if marked:
        if settings is None:
            raise BadConfig("There is no key to open secrets with.", field="seal_key")
        plain = opened(settings, key, kept or {})
        for path in marked:
            whole = _with(whole, path, _at(plain, path))
    door = NOWHERE_PRIVATE if settings is None else Outbound.of(settings)
    model = read_config(kind, whole)
    make_connector(kind, whole, door)
    row = model.model_dump(mode="json")
    secrets = list(_secrets(model.model_dump()))
    if secrets:
        if settings is None:
            raise BadConfig("There is no key to seal secrets with.", field="seal_key")
        session.execute(SEALING)
        keys = keyring(settings)
        for path, secret in secrets:
            sealed = marked.get(path) or keys.seal(secret, place(key, path))
            row = _with(row, path, {SEALED: sealed})
    if marked:
        _require_same_way(model, row, kept or {}, next(iter(marked)))
    return row


def _require_same_way(model: BaseModel, new: Json, kept: Json, secret: _Path) -> None:
    """A secret that its teller alone knows must not be sent where somebody else says.

    Who changes a field that could lead it elsewhere has to know it: every field, but those that the kind's config
    names as harmless.
    """
    harmless: frozenset[str] = getattr(type(model), "keeps_secrets_through", frozenset())
    before, after = shown(kept), shown(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in harmless and before.get(name) != after.get(name):
            field = ".".join(("config", *map(str, secret)))
            raise BadConfig(f"{field} has to be told again: config.{name} changes with it", field=field)


def shown(config: Mapping[str, Any]) -> Json:
    """``config`` as the API shows it."""
    return _replaced(dict(config), lambda path, sealed: MARK)


def rewrapped(keys: Keyring, key: tuple[str, str], config: Mapping[str, Any]) -> Json:
    """``config`` with every secret under the present key. Raises :class:`SealBroken`."""
    return _replaced(dict(config), lambda path, sealed: {SEALED: keys.rewrap(sealed, place(key, path))})


def key_ids(config: Mapping[str, Any]) -> set[str]:
    """Which keys its secrets are sealed with."""
    return {str(sealed.get("key")) for _, sealed in _sealed(config)}


def place(key: tuple[str, str], path: _Path) -> Place:
    tenant, source = key
    return Place(tenant, f"source:{source}", ".".join(map(str, path)))


# -- walking a config --


def _secrets(value: object, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
    for at, inner in _inner(value):
        yield from _secrets(inner, (*path, at))
    if isinstance(value, set | frozenset) and any(isinstance(one, SecretStr) for one in value):
        raise TypeError("a set of secrets has no order to keep them by")


def _sealed(value: object, path: _Path = ()) -> Iterator[tuple[_Path, Json]]:
    if isinstance(value, dict) and isinstance(value.get(SEALED), dict):
        yield path, value[SEALED]
        return
    for at, inner in _inner(value):
        yield from _sealed(inner, (*path, at))


def _inner(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _names(value: object) -> Iterator[object]:
    for at, inner in _inner(value):
        yield at
        yield from _names(inner)


def _replaced(value: Json, by: Callable[[_Path, Json], Any]) -> Json:
    for path, sealed in list(_sealed(value)):
        value = _with(value, path, by(path, sealed))
    return value


def _at(value: Any, path: _Path) -> Any:
    """What stands at ``path``; None where nothing does."""
    for at in path:
        if isinstance(value, dict):
            value = value.get(at)
        elif isinstance(value, list | tuple) and isinstance(at, int) and at < len(value):
            value = value[at]
        else:
            return None
    return value


def _with(value: Any, path: _Path, put: Any) -> Any:
    """A copy of ``value`` that has ``put`` at ``path``, which is there."""
    if not path:
        return put
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(copy[path[0]], path[1:], put)
    return copy
