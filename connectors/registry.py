"""Which kinds of connector there are. Built-in ones come in by the same door as plugins: entry points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors import GROUP
from connectors.protocol import Connector
from vouch.core.errors import BadConfig, UnknownField
from vouch.outbound.door import NOWHERE_PRIVATE, Outbound


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


def make_connector(kind: str, config: Mapping[str, Any], outbound: Outbound = NOWHERE_PRIVATE) -> Connector:
    """A connector of ``kind``, ready to scan. ``outbound`` is given to a kind that says ``goes_out``.

    Raises :class:`UnknownField` for a kind that is not installed and :class:`BadConfig` for a configuration
    that is not valid or cannot work, naming ``config.<field>``.
    """
    return configured(_installed(kind), config, outbound)


def read_config(kind: str, config: Mapping[str, Any]) -> BaseModel:
    """``config``, validated and with defaults filled in. Raises as :func:`make_connector`."""
    return _validated(_installed(kind), config)


def configured(kind: type[Connector], config: Mapping[str, Any], outbound: Outbound = NOWHERE_PRIVATE) -> Connector:
    """A connector of a class, installed or not. Raises :class:`BadConfig` as :func:`make_connector`."""
    make: Any = kind
    validated = _validated(kind, config)
    connector: Connector = make(validated, outbound) if getattr(kind, "goes_out", False) else make(validated)
    return connector


def _installed(kind: str) -> type[Connector]:
    kinds = connector_kinds()
    if kind not in kinds:
        raise UnknownField(f"{kind!r} is not a connector; there are {', '.join(kinds)}", field="kind")
    return kinds[kind]


def _validated(kind: type[Connector], config: Mapping[str, Any]) -> BaseModel:
    try:
        return kind.Config.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(("config", *map(str, first["loc"])))
        # From None: pydantic's own error quotes the input, which may be a secret.
        raise BadConfig(f"{field}: {first['msg']}", field=field) from None
