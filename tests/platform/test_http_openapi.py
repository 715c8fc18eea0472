"""The OpenAPI document: true to what the routes do, complete for who reads it. And no route is open by oversight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.platform.conftest import Platform, acting, admin_key, peopled, problem
from vouch.embedded.platform import Running

OPEN = {"/healthz", "/readyz", "/metrics", "/mail/confirm", "/mail/unsubscribe"}
TEXTS = {"text/event-stream", "text/plain", "text/csv", "text/html"}
METHODS = {"get", "put", "post", "patch", "delete"}
ID = "01a1fcd9-a730-7b58-b619-3ad047ed8908"


@pytest.fixture(scope="module")
def platform(shared: Running) -> Iterator[Platform]:
    """For the tenant of the first start, which is the one that the examples name."""
    with peopled(shared, shared.settings.tenant, admin_key(shared.settings)) as platform:
        yield platform


@pytest.fixture(scope="module")
def document(platform: Platform) -> Any:
    return httpx.get(f"{platform.http.base_url}/openapi.json").json()


def _operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def _resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def test_every_promised_route_is_there(document: Any) -> None:
    promised = {
        "put /v1/directory/users/{}", "put /v1/directory/groups/{}", "delete /v1/directory/users/{}",
        "delete /v1/directory/groups/{}", "post /v1/directory/groups/{}/members",
        "post /v1/sources", "get /v1/sources", "get /v1/sources/{}", "get /v1/connectors", "patch /v1/sources/{}",
        "delete /v1/sources/{}", "post /v1/sources/{}/syncs", "put /v1/sources/{}/documents/{}",
        "put /v1/sources/{}/documents/{}/access", "delete /v1/sources/{}/documents/{}",
        "get /v1/jobs/{}", "get /v1/jobs/{}/events", "post /v1/jobs/{}/cancel", "post /v1/jobs/{}/retry",
        "post /v1/search", "post /v1/ask", "get /v1/answers/{}", "get /v1/answers/{}/citations",
        "get /v1/documents/{}", "get /v1/documents/{}/text", "post /v1/answers/{}/feedback", "get /v1/traces/{}",
        "get /v1/access/explain", "get /v1/reports/staleness",
    }  # fmt: skip
    there = set()
    for method, path, operation in _operations(document):
        parts = ("{}" if part.startswith("{") else part for part in path.split("/"))
        there.add(f"{method} {'/'.join(parts)}")
        assert operation["operationId"]
    assert promised <= there


def test_every_route_says_what_it_does_and_what_it_answers(document: Any) -> None:
    for method, path, operation in _operations(document):
        where = f"{method} {path}"
        assert operation["summary"] and operation["description"], where
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert len(good) == 1, where
        if good == ["204"]:
            continue
        content = operation["responses"][good[0]]["content"]
        assert content, where
        for kind, body in content.items():
            schema = _resolved(document, body.get("schema", {}))
            assert schema.get("properties") or kind in TEXTS, (where, kind)


def test_every_error_is_a_problem_with_an_example_of_each_code(document: Any) -> None:
    fields = set(document["components"]["schemas"]["Problem"]["required"])
    assert fields >= {"type", "title", "status", "code", "detail"}
    for method, path, operation in _operations(document):
        if path in OPEN or path.startswith("/scim/"):
            continue
        errors = {status: response for status, response in operation["responses"].items() if status >= "400"}
        assert {"401", "409", "422", "503"} <= errors.keys(), (method, path)
        assert ("404" in errors) or "{" not in path or method == "put", (method, path)
        for status, response in errors.items():
            (body,) = response["content"].items()
            assert body[0] == "application/problem+json", (method, path, status)
            assert _resolved(document, body[1]["schema"])["required"]
            examples = body[1]["examples"]
            assert examples, (method, path, status)
            for code, example in examples.items():
                assert (example["value"]["code"], example["value"]["status"]) == (code, int(status))


def test_every_error_of_scim_has_scims_own_form(document: Any) -> None:
    """RFC 7644, section 3.12."""
    seen = 0
    for method, path, operation in _operations(document):
        errors = {s: response for s, response in operation["responses"].items() if s >= "400" and s != "default"}
        if not path.startswith("/scim/"):
            continue
        seen += 1
        assert {"400", "401", "403", "404", "409", "503"} <= errors.keys() and "422" not in errors, (method, path)
        for status, response in errors.items():
            (body,) = response["content"].items()
            assert body[0] == "application/scim+json", (method, path, status)
            assert _resolved(document, body[1]["schema"])["required"]
            for example in body[1]["examples"].values():
                assert example["value"]["status"] == status
    assert seen == 15


def test_every_body_has_an_example_that_the_route_takes(platform: Platform, document: Any) -> None:
    seen = 0
    for method, path, operation in _operations(document):
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            schema = _resolved(document, body["schema"])
            examples = schema.get("examples") or ([body["example"]] if "example" in body else [])
            assert examples, (method, path, kind)
            if kind != "application/json":
                continue
            for example in examples:
                seen += 1
                asked = {
                    parameter["name"]: "x"
                    for parameter in operation.get("parameters", ())
                    if parameter["in"] == "query" and parameter["required"]
                }
                response = platform.http.request(
                    method, _filled(path), params=asked, json=example, headers=acting("alice")
                )
                # What the example names need not be there; but it is understood.
                refused = response.json() if response.status_code >= 400 else {}
                assert response.status_code < 500, (method, path, refused)
                assert response.status_code != 422 or refused["code"] == "bad_config", (method, path, refused)
    assert seen > 10


def _filled(path: str) -> str:
    return "/".join(ID if part.startswith("{") else part for part in path.split("/"))


def test_every_reference_leads_somewhere(document: Any) -> None:
    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    references = set(walk(document))
    assert references
    for reference in references:
        assert reference.startswith("#/components/schemas/")
        assert _resolved(document, {"$ref": reference})


def test_no_route_is_open_but_health_and_documentation(platform: Platform, document: Any) -> None:
    with httpx.Client(base_url=platform.http.base_url) as anyone:
        for path in (*OPEN, "/docs", "/openapi.json"):
            assert anyone.get(path).status_code == 200, path
        walked = 0
        for method, path, operation in _operations(document):
            if path in OPEN:
                assert "security" not in operation
                continue
            walked += 1
            assert operation["security"], (method, path)
            body = _body(document, operation)
            response = anyone.request(method, _filled(path), json=body, headers=acting("alice"))
            problem(response, 401, "unauthenticated")
    assert walked > 25


def _body(document: Any, operation: Any) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return _resolved(document, content["schema"])["examples"][0] if content else None


def test_the_headers_that_decide_access_are_documented(document: Any) -> None:
    for method, path, operation in _operations(document):
        headers = {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}
        assert headers == (set() if path in OPEN else {"X-Vouch-As", "X-Vouch-At-Least"}), (method, path)


def test_docs_is_served(platform: Platform) -> None:
    page = httpx.get(f"{platform.http.base_url}/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
