"""Which kinds of connector there are. Built-in ones come in by the same door as plugins: entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connectors import GROUP
from connectors.protocol import Connector
from vouch.core.errors import BadConfig, UnknownField
from vouch.outbound.door import NOWHERE_PRIVATE, Outbound

_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
_OBJECTS = ("model_type", "dict_type", "model_attributes_type", "mapping_type")


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
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(("config", *_place(first["loc"], config)))
        # From None: pydantic's own error quotes the input, which may be a secret.
        raise BadConfig(f"{field}: {_said(first, kind)}", field=field) from None


def _place(loc: Sequence[int | str], given: object) -> Iterator[str]:
    """Where it is in what was given: of one of several shapes pydantic also names which one it takes it for."""
    for n, part in enumerate(loc, start=1):
        if isinstance(given, Mapping) and part not in given and n < len(loc):
            continue
        yield str(part)
        if isinstance(given, Mapping):
            given = given.get(part)
        elif isinstance(given, list | tuple) and isinstance(part, int) and part < len(given):
            given = given[part]


def _said(first: ErrorDetails, kind: type[Connector]) -> str:
    """What is wrong, for who writes JSON and knows nothing of Python's types."""
    what, context = first["type"], first.get("ctx", {})
    if what == "missing":
        return "is needed"
    if what == "extra_forbidden":
        there = f"; there are {', '.join(kind.Config.model_fields)}" if len(first["loc"]) == 1 else ""
        return f"there is no such field{there}"
    if what in _LISTS:
        return "should be a list"
    if what in _OBJECTS:
        return "should be an object, with fields"
    if what in ("too_short", "too_long"):
        if context.get("min_length") == 1:
            return "should not be empty"
        unit = "characters" if context.get("field_type") == "Value" else "entries"  # a secret's text is a "Value"
        if what == "too_short":
            return f"should have at least {context['min_length']} {unit}"
        return f"should have at most {context['max_length']} {unit}"
    if what == "union_tag_not_found":
        return f"should have a field {context['discriminator']}"
    if what == "union_tag_invalid":
        return f"its {context['discriminator']} should be one of {context['expected_tags']}"
    return first["msg"].removeprefix("Value error, ")
