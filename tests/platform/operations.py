"""Every operation that OpenAPI describes, and a request of each that the route understands."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

METHODS = {"get", "put", "post", "patch", "delete"}
ID = "01a1fcd9-a730-7b58-b619-3ad047ed8908"
"""Shaped as an id, and nobody's."""
REQUIRED = {"user": "user:nobody", "document": ID, "from": "1", "to": "2", "prefix": "a/", "group": "group:nobody"}
"""Values for query parameters that a route asks for."""
BODIES: dict[str, Any] = {
    "POST /v1/keys": {"name": "made", "scopes": ["admin"]},  # nobody hands on a scope that they lack
    "PUT /v1/issuers/{issuer_id}": {},  # one url and audience is one issuer's alone, in the whole installation
}
"""In the place of the examples."""


@dataclass(frozen=True)
class Operation:
    """``body``: an example of the document's own, or None. ``fields``: the texts in a body, ``filter.source`` and so
    on, and ``[]`` for what stands in a list."""

    method: str
    path: str
    path_parameters: tuple[str, ...]
    query_parameters: tuple[str, ...]
    required: tuple[str, ...]
    body: Any
    fields: tuple[str, ...]
    open: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def request(self, given: dict[str, str] | None = None, body: Any = None) -> Request:
        """With ``given`` for parameters of these names, and what is nobody's for others that have to be there."""
        given = given or {}
        path = self.path
        for name in self.path_parameters:
            path = path.replace(f"{{{name}}}", quote(given.get(name, ID), safe=""))
        query = {name: REQUIRED[name] for name in self.required} | {
            name: value for name, value in given.items() if name in self.query_parameters
        }
        return Request(self.method, path, query, deepcopy(self.body) if body is None else body)


@dataclass(frozen=True)
class Request:
    """What is sent, but for who sends it."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def send(self, http: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        """The response; of an endless one as much as comes before its end."""
        return http.request(self.method, self.path, params=self.query, json=self.body, headers=headers)


def operations(document: Any) -> Iterator[Operation]:
    """All of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method in sorted(METHODS & item.keys()):
            yield _operation(document, method.upper(), path, item[method])


def _operation(document: Any, method: str, path: str, told: Any) -> Operation:
    parameters = told.get("parameters", [])
    content = told.get("requestBody", {}).get("content", {})
    schema = next((one["schema"] for kind, one in content.items() if kind.endswith("json")), None)
    return Operation(
        method=method,
        path=path,
        path_parameters=tuple(one["name"] for one in parameters if one["in"] == "path"),
        query_parameters=tuple(one["name"] for one in parameters if one["in"] == "query"),
        required=tuple(one["name"] for one in parameters if one["in"] == "query" and one.get("required")),
        body=None if schema is None else BODIES.get(f"{method} {path}", resolved(document, schema)["examples"][0]),
        fields=() if schema is None else tuple(sorted(set(_texts(document, schema, "", ())))),
        open="security" not in told,
    )


def resolved(document: Any, schema: Any) -> Any:
    """The schema that a reference means."""
    while "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _texts(document: Any, schema: Any, at: str, inside: tuple[str, ...]) -> Iterator[str]:
    """The places of a schema that hold free text."""
    if schema.get("$ref") in inside:
        return
    inside = (*inside, *([schema["$ref"]] if "$ref" in schema else []))
    schema = resolved(document, schema)
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _texts(document, one, at, inside)
    for name, one in schema.get("properties", {}).items():
        yield from _texts(document, one, f"{at}.{name}" if at else name, inside)
    if isinstance(schema.get("items"), dict):
        yield from _texts(document, schema["items"], f"{at}[]", inside)
    if schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format"}:
        yield at
