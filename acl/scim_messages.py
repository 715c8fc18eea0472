"""SCIM's little languages (RFC 7644): filters and patches, in the forms that Okta and Microsoft Entra write them.

Pure functions over JSON. Each raises :class:`InvalidInput` with SCIM's own word for the fault in ``scim_type``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vouch.core.errors import InvalidInput
from vouch.core.types import Json

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MAX_TERMS = 5
_CORE = re.compile(rf"(?:{re.escape(USER)}|{re.escape(GROUP)}):", re.I)
_TERM = re.compile(r'\s*([A-Za-z][\w.:-]*)\s+eq\s+("(?:[^"\\]|\\.)*")\s*(?:(and)\s|$)', re.I)
_PATH = re.compile(
    r"(?:(urn:[\w.:-]+):)?([A-Za-z$][\w$-]*)"
    r'(?:\[\s*([A-Za-z]+)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*\])?(?:\.([A-Za-z$][\w$-]*))?',
    re.I,
)
_READ_ONLY = frozenset({"id", "meta", "schemas", "groups"})
_LISTS = frozenset({"members", "emails", "phonenumbers", "addresses", "ims", "photos", "roles", "entitlements"})
_NAMES = {
    name.lower(): name
    for name in (
        "userName", "externalId", "displayName", "active", "members", "name", "emails", "phoneNumbers", "title",
        "nickName", "preferredLanguage", "userType", "roles", "addresses", "locale", "timezone",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Equal:
    """One term of a filter. ``attribute`` is in small letters."""

    attribute: str
    value: str


def parse_filter(text: str) -> tuple[Equal, ...]:
    """``userName eq "a" and externalId eq "b"``: equalities joined by ``and``, up to :data:`MAX_TERMS`."""
    terms: list[Equal] = []
    position, more = 0, True
    while more:
        match = _TERM.match(text, position)
        if match is None or len(terms) == MAX_TERMS:
            raise InvalidInput('a filter is attribute eq "value", joined by `and`', scim_type="invalidFilter")
        attribute = _CORE.sub("", match[1]).lower()
        terms.append(Equal(attribute, str(_literal(match[2], "invalidFilter"))))
        position, more = match.end(), match[3] is not None
    return tuple(terms)


@dataclass(frozen=True, slots=True)
class _Path:
    container: str | None
    attribute: str
    where: tuple[str, Any] | None
    part: str | None


def apply_patch(resource: Json, operations: Sequence[Any]) -> None:
    """Change ``resource`` in place by the ``Operations`` of a PatchOp (section 3.5.2)."""
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("op"), str):
            raise InvalidInput("an operation needs its `op`", scim_type="invalidSyntax")
        kind, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
        if kind not in ("add", "replace", "remove"):
            raise InvalidInput(f"there is no operation {operation['op']!r}", scim_type="invalidSyntax")
        if path:
            target = _parse_path(path)
            if target.container is None and target.attribute.lower() in _READ_ONLY:
                raise InvalidInput(f"{path} cannot be changed", scim_type="mutability")
            if kind == "remove":
                _remove(resource, target, value)
            else:
                _set(resource, target, value, adding=kind == "add")
        else:
            _without_path(resource, kind, value)


def canonical(resource: Json) -> Json:
    """The resource with known attributes in SCIM's spelling: their names do not depend on case (RFC 7643, 2.1)."""
    return {_NAMES.get(name.lower(), name): value for name, value in resource.items()}


def boolean(value: Any, field: str) -> bool:
    """True and false; also as texts, which Entra sends. Raises :class:`InvalidInput`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise InvalidInput(f"{field} is true or false", scim_type="invalidValue")


def _literal(text: str, fault: str) -> Any:
    try:
        value = json.loads(text if text.startswith('"') else text.lower())
    except ValueError as error:
        raise InvalidInput("not a JSON text", scim_type=fault) from error
    if isinstance(value, str) and not value.isprintable():
        raise InvalidInput("holds characters that no value here has", scim_type=fault)
    return value


def _parse_path(text: Any) -> _Path:
    if isinstance(text, str) and text.lower() == ENTERPRISE.lower():
        return _Path(None, ENTERPRISE, None, None)
    match = _PATH.fullmatch(_CORE.sub("", text)) if isinstance(text, str) and len(text) <= 1000 else None
    if match is None:
        raise InvalidInput("not a path", scim_type="invalidPath")
    where = (match[3], _literal(match[4], "invalidPath")) if match[3] else None
    return _Path(match[1], match[2], where, match[5])


def _without_path(resource: Json, kind: str, value: Any) -> None:
    if kind == "remove":
        raise InvalidInput("what is removed needs a path", scim_type="noTarget")
    if not isinstance(value, dict):
        raise InvalidInput("without a path the value is an object", scim_type="invalidValue")
    for name, inner in value.items():
        if name.lower() not in _READ_ONLY:  # Okta sends the id along
            _set(resource, _parse_path(name), inner, adding=kind == "add")


def _key(holder: Json, name: str) -> str:
    """``name`` as ``holder`` spells it already, else as SCIM does."""
    spelled = next((known for known in holder if known.lower() == name.lower()), None)
    return spelled or _NAMES.get(name.lower(), name)


def _holder(resource: Json, path: _Path) -> Json:
    if path.container is None:
        return resource
    inner = resource.setdefault(_key(resource, path.container), {})
    if not isinstance(inner, dict):
        raise InvalidInput(f"{path.container} has no parts", scim_type="invalidPath")
    return inner


def _set(resource: Json, path: _Path, value: Any, *, adding: bool) -> None:
    holder = _holder(resource, path)
    key = _key(holder, path.attribute)
    there = holder.get(key)
    if path.where is not None:
        for item in _matching(holder, key, path.where) or [_appended(holder, key, path.where)]:
            if path.part is not None:
                item[_key(item, path.part)] = value
            else:
                item.update(value if isinstance(value, dict) else {"value": value})
    elif path.part is not None:
        inner = holder.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InvalidInput(f"{key} has no parts", scim_type="invalidPath")
        inner[_key(inner, path.part)] = value
    elif key.lower() in _LISTS:
        given = value if isinstance(value, list) else [value]
        holder[key] = _joined(there, given) if adding and isinstance(there, list) else given
    elif isinstance(there, dict) and isinstance(value, dict):
        there.update(value)
    else:
        holder[key] = value


def _remove(resource: Json, path: _Path, value: Any) -> None:
    holder = _holder(resource, path)
    key = _key(holder, path.attribute)
    there = holder.get(key)
    if path.where is not None:
        matching = _matching(holder, key, path.where)
        if path.part is not None:
            for item in matching:
                item.pop(_key(item, path.part), None)
        elif isinstance(there, list):
            holder[key] = [item for item in there if not any(item is match for match in matching)]
    elif path.part is not None:
        if isinstance(there, dict):
            there.pop(_key(there, path.part), None)
    elif key.lower() in _LISTS and value is not None and isinstance(there, list):  # Entra names members to remove so
        gone = {_identity(item) for item in (value if isinstance(value, list) else [value])}
        holder[key] = [item for item in there if _identity(item) not in gone]
    elif key.lower() in _LISTS:
        holder[key] = []
    else:
        holder.pop(key, None)


def _matching(holder: Json, key: str, where: tuple[str, Any]) -> list[Json]:
    items = holder.get(key)
    name, wanted = where
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item for item in found if item.get(_key(item, name)) == wanted]


def _appended(holder: Json, key: str, where: tuple[str, Any]) -> Json:
    """A new element, which the path describes: how Entra sets the first work e-mail."""
    items = holder.get(key)
    if not isinstance(items, list):
        items = holder[key] = []
    new = {where[0]: where[1]}
    items.append(new)
    return new


def _joined(there: list[Any], given: list[Any]) -> list[Any]:
    known = {_identity(item) for item in there}
    return [*there, *(item for item in given if _identity(item) not in known)]


def _identity(item: Any) -> str:
    value = item.get(_key(item, "value")) if isinstance(item, dict) else item
    return json.dumps(value, sort_keys=True)
