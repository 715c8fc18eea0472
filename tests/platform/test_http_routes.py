"""No second way in: every route of both services is in one table, and does for each caller what the table says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from acl.keys import SCOPES
from acl.routes import ROUTES, Kind, Rule, names, require_classified
from tests.platform.conftest import Platform, acting, admin_key, peopled, problem
from tests.platform.objects import Objects, bearer, everything, key, make
from tests.platform.operations import Operation, operations
from vouch.cli.application import create_application
from vouch.core import clock
from vouch.core.errors import StartFailed
from vouch.core.settings import Settings
from vouch.embedded.platform import Running

PAGES = {"GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect"}
"""Public, and not in the document that they show."""
SETTINGS = Settings(secret_key=SecretStr("of the tests alone, " * 2), database_url=SecretStr("postgresql:///none"))


def test_the_table_holds_the_routes_of_the_application_and_no_others() -> None:
    everything = list(names(create_application(SETTINGS).routes))
    assert len(everything) == len(set(everything))
    assert set(everything) == ROUTES.keys()
    services = (set(names(create_application(SETTINGS, which).routes)) for which in ("retrieval", "ingestion"))
    assert set.union(*services) == ROUTES.keys()


def test_nothing_starts_with_a_route_that_is_not_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    app, router = FastAPI(redoc_url=None), APIRouter(prefix="/v1")
    router.add_api_route("/search", lambda: {}, methods=["POST"])
    app.include_router(router)
    require_classified(app.routes)
    router.add_api_route("/secrets/{secret_id:path}", lambda: {}, methods=["POST"])
    app.include_router(router, prefix="/v2")
    with pytest.raises(StartFailed, match=r"POST /v2/v1/secrets/\{secret_id\}"):
        require_classified(app.routes)
    app = FastAPI(redoc_url=None)
    app.mount("/files", FastAPI())
    with pytest.raises(StartFailed, match="/files"):
        require_classified(app.routes)
    monkeypatch.delitem(ROUTES, "GET /v1/documents/{document_id}")
    for which in ("all", "retrieval"):
        with pytest.raises(StartFailed, match=r"GET /v1/documents/\{document_id\}"):
            create_application(SETTINGS, which)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def platform(shared: Running) -> Iterator[Platform]:
    """For the tenant of the first start, which alone administers the index."""
    with peopled(shared, shared.settings.tenant, admin_key(shared.settings)) as platform:
        yield platform


@pytest.fixture(scope="module")
def every(platform: Platform) -> list[tuple[Operation, Rule]]:
    """Each documented operation with its line of the table."""
    document = platform.ok("GET", "/openapi.json")
    found = list(operations(document))
    assert {one.name for one in found} == ROUTES.keys() - PAGES
    return [(one, ROUTES[one.name]) for one in found]


@pytest.fixture(scope="module")
def anyone(platform: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.http.base_url, timeout=30) as client:
        yield client


def _refused(operation: Operation, response: httpx.Response, status: int, code: str) -> None:
    if operation.path.startswith("/scim/"):  # RFC 7644 has problem documents of its own
        assert response.status_code == status, (operation.name, response.text)
    else:
        problem(response, status, code)


def test_the_public_ones_answer_anyone(every: list[tuple[Operation, Rule]], anyone: httpx.Client) -> None:
    public = {name for name, rule in ROUTES.items() if rule.kind == "public"}
    assert public == {operation.name for operation, _ in every if operation.open} | PAGES
    for name in public:
        assert anyone.get(name.split()[1]).status_code == 200, name


def test_without_a_credential_that_counts_there_is_nothing(
    platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client
) -> None:
    """Whatever is wrong with it, the refusal is the same."""
    platform.ok("PUT", "/v1/directory/users/gone", json={"name": "Gone"})
    leaving = key(platform, *SCOPES, user="user:gone")
    platform.ok("PUT", "/v1/directory/users/gone", json={"name": "Gone", "active": False})
    revoked = platform.ok("POST", "/v1/keys", json={"name": "revoked", "scopes": ["ask", "sources", "admin", "act_as"]})
    platform.ok("DELETE", f"/v1/keys/{revoked['id']}")
    brief = key(platform, *SCOPES, expires_at=clock.now() + timedelta(seconds=0.2))
    platform.until(lambda: anyone.get("/v1/sources", headers=bearer(brief)).status_code == 401)
    headers: list[dict[str, str]] = [
        {},
        acting("alice"),
        bearer("garbage"),
        bearer(f"vouch_{'0' * 40}_{0:08x}"),
        {**bearer(revoked["key"]), **acting("alice")},
        bearer(leaving),
        {**bearer(leaving), **acting("alice")},
        bearer(brief),
    ]
    for operation, rule in every:
        if rule.kind == "public":
            continue
        for given in headers:
            response = operation.request().send(anyone, given)
            _refused(operation, response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == "Bearer", operation.name


def test_without_the_scope_there_is_a_refusal(
    platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client
) -> None:
    secrets: dict[tuple[str, ...], str] = {}
    for operation, rule in every:
        if rule.kind == "public":
            continue
        others = tuple(scope for scope in SCOPES if scope not in rule.scopes)
        secret = secrets.setdefault(others, key(platform, *others))
        _refused(operation, operation.request().send(anyone, bearer(secret) | acting("alice")), 403, "forbidden")


ACTS: set[Kind] = {"user", "break_glass"}
OWN: set[Kind] = {"own_or_admin", "own_or_counts"}
"""With the first of their scopes as `user`; what the other one opens needs nobody to act for."""


def test_who_acts_for_nobody_reads_nothing(
    platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client
) -> None:
    administrator = key(platform, *SCOPES)
    for operation, rule in every:
        if rule.kind in ACTS:
            _refused(operation, operation.request().send(anyone, bearer(administrator)), 403, "acts_for_nobody")
        if rule.kind in OWN:
            response = operation.request().send(anyone, bearer(key(platform, rule.scopes[0])))
            assert response.status_code == 403, (operation.name, response.text)


def test_who_may_not_act_for_users_has_no_questions_asked_as_one(
    platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client
) -> None:
    secret = key(platform, *(scope for scope in SCOPES if scope != "act_as"))
    asked = [operation for operation, rule in every if rule.kind == "admin_as"]
    for operation in asked:
        _refused(operation, operation.request().send(anyone, bearer(secret)), 403, "forbidden")
    assert len(asked) == 3


def test_the_scope_opens_it(platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client) -> None:
    """So the refusals above are for want of the scope, and nothing else."""
    for operation, rule in every:
        for scope in rule.scopes:
            acts = rule.kind in ACTS or (rule.kind in OWN and scope == rule.scopes[0])
            besides = ["act_as"] if acts or rule.kind == "admin_as" else []
            secret = key(platform, scope, *besides)
            response = operation.request().send(anyone, bearer(secret) | (acting("alice") if acts else {}))
            assert response.status_code not in (401, 403, 500), (operation.name, scope, response.text)


def test_no_content_without_a_user(
    platform: Platform, every: list[tuple[Operation, Rule]], anyone: httpx.Client
) -> None:
    """An administrator's key with every scope, on everything that there is of somebody's, shows no word of it."""
    with everything(platform) as held:
        erin = make(held, "erin")
    secret = key(platform, *SCOPES)
    asked = {**erin.ids, "document": erin.ids["document_id"]}
    closed = [operation for operation, rule in every if rule.kind != "public"]
    reads = [operation for operation in closed if operation.method == "GET"]
    writes = [operation for operation in closed if operation.method not in ("GET", "DELETE")]
    found = 0
    for operation in reads:
        response = operation.request(asked).send(anyone, bearer(secret))
        found += response.status_code == 200
        assert not any(mark in response.text for mark in erin.marks), operation.name
    assert found > 15
    _is_there(platform, erin)
    for operation in writes:
        response = operation.request(asked).send(anyone, bearer(secret))
        assert not any(mark in response.text for mark in erin.marks), operation.name


def _is_there(platform: Platform, erin: Objects) -> None:
    """What was looked for above can be read, by its reader."""
    text: Any = platform.get("erin", f"/v1/documents/{erin.ids['document_id']}/text").json()
    assert all(mark in text["text"] for mark in erin.marks)
