"""Which kinds of connector there are. Built-in ones come in by the same door as plugins: entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from connectors.protocol import Connector
from vouch.core.errors import BadConfig, UnknownField
from vouch.core.types import Json

GROUP = "vouch.connectors"


@cache
def connector_kinds() -> Mapping[str, type[Connector]]:
    """Every installed kind and its class, by name. Raises RuntimeError when a plugin's name is not its kind."""
    found: dict[str, type[Connector]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        connector = entry.load()
        if connector.kind != entry.name:
            raise RuntimeError(
                f"connector {entry.value} calls itself {connector.kind!r}, its entry point {entry.name!r}"
            )
        found[entry.name] = connector
    return MappingProxyType(found)


def check_config(kind: str, config: Mapping[str, Any]) -> Json:
    """``config`` as it should be kept: validated, defaults filled in. Raises as :func:`make_connector`."""
    make_connector(kind, config)
    return connector_kinds()[kind].Config.model_validate(dict(config)).model_dump(mode="json")


def make_connector(kind: str, config: Mapping[str, Any]) -> Connector:
    """A connector of ``kind``, ready to scan.

    Raises :class:`UnknownField` for a kind that is not installed and :class:`BadConfig` for a configuration
    that is not valid or cannot work, naming ``config.<field>``.
    """
    kinds = connector_kinds()
    if kind not in kinds:
        raise UnknownField(f"{kind!r} is not a connector; there are {', '.join(kinds)}", field="kind")
    return configured(kinds[kind], config)


def configured(kind: type[Connector], config: Mapping[str, Any]) -> Connector:
    """A connector of a class, installed or not. Raises :class:`BadConfig` as :func:`make_connector`."""
    try:
        validated = kind.Config.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(("config", *map(str, first["loc"])))
        raise BadConfig(f"{field}: {first['msg']}", field=field) from None
    make: Any = kind
    connector: Connector = make(validated)
    return connector
