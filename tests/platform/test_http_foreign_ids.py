"""Another's object and one that is not there: status, body and headers are the same, on every route, in every place
of a request that can name something.

Generated from OpenAPI: a place that the tables below do not know fails the tests, so a new one is never forgotten.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from acl.keys import SCOPES
from acl.routes import ROUTES
from ingestion.api.requests import encode_cursor
from tests.platform.conftest import Platform, acting, problem
from tests.platform.objects import Objects, bearer, everything, key, make
from tests.platform.operations import Operation, Request, operations
from vouch.catalog.database import Catalog
from vouch.catalog.epoch import current, token
from vouch.embedded.addresses import database_url

PARAMETERS: dict[str, tuple[str, ...]] = {
    "source_id": ("source_id", "source_name"),
    "external_id": ("external_id",),
    "job_id": ("job_id",),
    "user_id": ("user_id",),
    "group_id": ("group_id",),
    "key_id": ("key_id",),
    "document_id": ("document_id",),
    "answer_id": ("answer_id",),
    "trace_id": ("trace_id",),
    "conversation_id": ("conversation_id",),
    "grant_id": ("grant_id",),
    "approval_id": ("approval_id",),
    "notification_id": ("notification_id",),
    "issuer_id": ("issuer_id",),
    "issuer": ("issuer_id",),
    "webhook_id": ("webhook_id",),
    "delivery_id": ("delivery_id",),
    "set_id": ("set_id",),
    "budget_id": ("budget_id",),
    "run_id": ("run_id",),
    "generation_id": ("job_id",),  # of the whole platform: none is anybody's
    "resource_id": ("scim_user_id", "scim_group_id"),
    "user": ("user",),
    "owner": ("user",),
    "group": ("group",),
    "document": ("document_id",),
    "subject": ("user", "document_subject"),
    "actor": ("user",),
    "filter": ("scim_filter",),
    "cursor": ("source_cursor", "id_cursor", "grant_id"),
    "prefix": ("external_id",),
}
"""Parameters of a path or a query that name something, and by which objects' ids they are tried."""
NAME_NOTHING = {
    "limit", "state", "start", "end", "version", "unseen", "action", "chain", "from", "to", "startIndex", "count",
    "excludedAttributes", "format", "seed", "by", "since", "until", "asked", "workflow",
}  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    "owner": ("user",),
    "allow[]": ("user", "group"),
    "deny[]": ("user", "group"),
    "external_id": ("external_id",),
    "supersedes[]": ("external_id", "document_id"),
    "add[]": ("user", "group"),
    "remove[]": ("user", "group"),
    "members[]": ("user", "group"),
    "user": ("user",),
    "send_to[]": ("user", "group"),
    "owner[]": ("user",),
    "source[]": ("source_id", "source_name"),
    "sources[]": ("source_id", "source_name"),
    "conversation_id": ("conversation_id",),
    "document_id": ("document_id",),
    "source_id": ("source_id",),
    "baseline": ("run_id",),
    "subject": ("user", "group"),
}
"""Texts in a body that name something, by the end of their place."""
NAME_NOTHING_IN_BODIES = {
    "access_schedule", "acl_max_age", "data_class", "freshness.review_every", "freshness.stale_after",
    "freshness.expire_after", "freshness.in_search.due", "freshness.in_search.stale", "freshness.in_search.expired",
    "freshness.in_search.source_gone",
    "kind", "priority", "name", "schedule", "content_base64", "mime", "text", "title", "uri", "scopes[]",
    "algorithms[]", "audience", "groups_claim", "jwks_uri", "url", "user_claim", "heads[].mac", "heads[].tenant",
    "address", "schemas[]", "filter.language[]", "filter.mime[]", "query", "question", "comment", "reason",
    "chunker", "context", "lexical", "questions[].id", "questions[].text", "workflow", "money",
    "profile", "stable", "canary.profile", "shadow.profile",  # of the installation, and of no tenant
    "claims[].text", "claims[].quotes[].quote",
}  # fmt: skip
PERSONAL = {"document_id", "conversation_id"}
"""What a user of a tenant has to themselves, and a body can name; but break-glass is for documents of others."""
MINTED = (
    "authz_token",
    "job_id",
    "trace_id",
    "answer_id",
    "id",
    "key",
    "secret",
    "hint",
    "created_at",
    "updated_at",
    "created",
    "lastModified",
    "digest",
)
"""Fields of a response that are new each time."""
INDEX = "/v1/index/"
"""Of the whole platform, and no tenant's."""
THEIRS, OTHERS = "another user of the tenant", "another tenant"


@dataclass(frozen=True)
class Scene:
    """Alice asks for what is ``foreign``, with a key that ``secrets`` holds, by whose it is."""

    http: httpx.Client
    operations: list[Operation]
    mine: Objects
    foreign: dict[str, Objects]
    secrets: dict[str, str]

    def told(self, whose: str, request: Request, id_: str, **headers: str) -> Any:
        """All that can be seen of the response, but for what is new in each and for the id itself."""
        headers = bearer(self.secrets[whose]) | acting(self.mine.owner) | headers
        response = request.send(self.http, headers)
        assert response.status_code < 500, (request, response.text)
        seen = {name: value for name, value in response.headers.items() if name != "date"}
        minted = re.compile(rf'"({"|".join(MINTED)})": ?"([^"]+)"')
        text = json.dumps([seen, minted.sub(r'"\1": "NEW"', response.text)])
        for _, made in minted.findall(response.text):
            if len(made) > 20:  # it is an id or a moment, and may stand in an address too
                text = text.replace(made, "NEW")
        for one in (id_, id_.rpartition(":")[2]):
            text = text.replace(one, "ID")
        if '"authz_token' in response.text:  # an epoch has as many digits as it has
            text = re.sub(r'"content-length": "\d+", ', "", text)
        return response.status_code, text

    def alike(self, whose: str, requests: dict[str, Request], there: str, absent: str) -> list[Any]:
        """Both responses. What was pushed may be published between the two, and a call to a webhook be tried again: a
        difference counts if it stays."""
        told: list[Any] = []
        for _ in range(5):
            told = [self.told(whose, requests[one], one) for one in (there, absent)]
            if told[0] == told[1]:
                break
            time.sleep(1)
        return told


def missing(id_: str) -> str:
    """An id of the same shape, next to it in any order, and nobody's."""
    tail = id_[-1]
    return id_[:-1] + ("b" if tail == "a" else "a" if tail.isalpha() else str((int(tail) + 1) % 10))


def pairs(kind: str, objects: Objects) -> tuple[str, str]:
    """What names an object of theirs in this way, and what names none."""
    if kind == "scim_filter":
        return tuple(f'userName eq "{one}"' for one in pairs("person", objects))  # type: ignore[return-value]
    if kind == "document_subject":
        return tuple(f"document:{one}" for one in pairs("document_id", objects))  # type: ignore[return-value]
    if kind == "source_cursor":
        return tuple(encode_cursor(one) for one in pairs("source_name", objects))  # type: ignore[return-value]
    if kind == "id_cursor":
        return tuple(encode_cursor(one) for one in pairs("job_id", objects))  # type: ignore[return-value]
    id_ = objects.ids[kind]
    return id_, missing(id_)


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Iterator[Scene]:
    with everything(platform) as ours, everything(platform, "elsewhere") as theirs:
        yield Scene(
            http=platform.http,
            operations=[one for one in operations(platform.ok("GET", "/openapi.json")) if not one.open],
            mine=make(ours, "alice"),
            foreign={THEIRS: make(ours, "bert"), OTHERS: make(theirs, "zoe")},
            secrets={
                THEIRS: key(platform, "ask", "break_glass", "review", "act_as"),
                OTHERS: key(platform, *SCOPES),
                "zoe": key(platform, *SCOPES, tenant="elsewhere"),
            },
        )


def _concerned(scene: Scene, whose: str) -> Iterator[Operation]:
    """The routes on which ids of theirs are foreign: to an administrator of the tenant those of its users are not."""
    personal = ("user", "own_or_admin", "own_or_counts", "break_glass")
    found = [one for one in scene.operations if whose == OTHERS or ROUTES[one.name].kind in personal]
    yield from sorted(found, key=lambda one: one.method != "GET")  # what is written shows in lists for a while


def _ids(operation: Operation, objects: Objects) -> dict[str, str]:
    """Theirs, for every parameter of the path."""
    return {name: pairs(_kinds(operation, name)[0], objects)[0] for name in operation.path_parameters}


def _kinds(operation: Operation, name: str) -> tuple[str, ...]:
    kinds = PARAMETERS[name]
    return kinds[::-1] if name == "resource_id" and "/Groups" in operation.path else kinds


def _put(body: Any, place: list[str], value: str) -> Any:
    """``body`` with ``value`` at ``place``, and all that leads there."""
    if not place:
        return value
    first, *rest = place
    if first == "[]":
        return [_put(body[0] if body else None, rest, value)]
    body = body if isinstance(body, dict) else {}
    return {**body, first: _put(body.get(first), rest, value)}


def test_every_place_that_can_name_something_is_known(scene: Scene) -> None:
    for operation in scene.operations:
        for name in operation.path_parameters:
            assert name in PARAMETERS, (operation.name, name)
        for name in operation.query_parameters:
            assert name in PARAMETERS.keys() | NAME_NOTHING, (operation.name, name)
        for place in operation.fields:
            known = place.rpartition(".")[2] in FIELDS or place in NAME_NOTHING_IN_BODIES
            assert known, (operation.name, place)


def test_the_objects_are_there_for_who_owns_them(scene: Scene, platform: Platform) -> None:
    """So what is compared with a missing one is not missing itself."""
    zoe = scene.foreign[OTHERS]
    seen = 0
    for operation in scene.operations:
        if operation.method == "GET" and operation.path_parameters and INDEX not in operation.path:
            headers = bearer(scene.secrets["zoe"]) | acting("zoe-watch" if "grant" in operation.path else "zoe")
            response = operation.request(_ids(operation, zoe)).send(scene.http, headers)
            assert response.status_code == 200, (operation.name, response.text)
            seen += 1
    assert seen > 12


def test_the_index_is_administered_by_the_platforms_own_tenant_alone(scene: Scene) -> None:
    found = [operation for operation in scene.operations if INDEX in operation.path]
    for operation in found:
        response = operation.request().send(scene.http, bearer(scene.secrets["zoe"]))
        problem(response, 403, "forbidden")
    assert len(found) == 6


@pytest.mark.parametrize("whose", [THEIRS, OTHERS])
def test_a_foreign_id_in_a_path_or_a_query_is_as_good_as_none(scene: Scene, whose: str) -> None:
    foreign, tried = scene.foreign[whose], 0
    for operation in _concerned(scene, whose):
        for name in (*operation.path_parameters, *operation.query_parameters):
            if name in NAME_NOTHING:
                continue
            for kind in _kinds(operation, name):
                for around in (scene.mine, foreign):  # the other ids of the path are one's own, or theirs too
                    if around is scene.mine and operation.path_parameters == (name,):
                        continue
                    given = _ids(operation, around)
                    there, absent = pairs(kind, foreign)
                    requests = {one: operation.request({**given, name: one}) for one in (there, absent)}
                    told = scene.alike(whose, requests, there, absent)
                    assert told[0] == told[1], (operation.name, name, kind)
                    tried += 1
    assert tried > (10 if whose == THEIRS else 50)


@pytest.mark.parametrize("whose", [THEIRS, OTHERS])
def test_a_foreign_id_in_a_body_is_as_good_as_none(scene: Scene, whose: str) -> None:
    foreign, tried = scene.foreign[whose], 0
    for operation in _concerned(scene, whose):
        for place in operation.fields:
            for kind in FIELDS.get(place.rpartition(".")[2], ()):
                if whose == THEIRS and (kind not in PERSONAL or ROUTES[operation.name].kind == "break_glass"):
                    continue
                there, absent = pairs(kind, foreign)
                requests = {}
                for one in (missing(absent), there, absent):  # the first may make what the others then change
                    body = _put(operation.body, re.findall(r"\[\]|[^.\[\]]+", place), one)
                    requests[one] = operation.request(_ids(operation, scene.mine), body)
                    scene.told(whose, requests[one], one)
                told = scene.alike(whose, requests, there, absent)
                assert told[0] == told[1], (operation.name, place, kind)
                tried += 1
    assert tried > (0 if whose == THEIRS else 20)


def test_a_foreign_member_of_a_group_of_an_identity_provider(scene: Scene) -> None:
    """SCIM's bodies are open: the ids in them are in no schema."""
    scim, zoe = f"/scim/v2/{scene.mine.ids['issuer_id']}/Groups", scene.foreign[OTHERS]
    for kind in ("scim_user_id", "scim_group_id"):
        told = []
        for one in pairs(kind, zoe):
            add = {"op": "add", "path": "members", "value": [{"value": one}]}
            patch = Request("PATCH", f"{scim}/{scene.mine.ids['scim_group_id']}", body={"Operations": [add]})
            made = Request("POST", scim, body={"displayName": "Team", "members": [{"value": one}]})
            told.append([scene.told(OTHERS, request, one) for request in (patch, made)])
        assert told[0] == told[1]
        assert all(status >= 400 for status, _ in told[0])


def test_a_token_of_another_tenants_state_is_no_token(scene: Scene, platform: Platform) -> None:
    catalog = Catalog(database_url(platform.settings))
    with catalog.reading("elsewhere") as session:
        epoch = current(session, "elsewhere")
    catalog.close()
    there, nowhere = (token(platform.settings.audit_key, tenant, epoch) for tenant in ("elsewhere", "elsewhera"))
    for operation in scene.operations:
        told = [scene.told(OTHERS, operation.request(), one, **{"X-Vouch-At-Least": one}) for one in (there, nowhere)]
        assert told[0] == told[1], operation.name
        assert told[0][0] in (400, 422), (operation.name, told[0])


def test_none_of_this_touched_what_is_theirs(scene: Scene, platform: Platform) -> None:
    """Runs last: every writing route has been called with their ids."""
    for whose, owner, secret in ((THEIRS, "bert", None), (OTHERS, "zoe", scene.secrets["zoe"])):
        headers = (bearer(secret) if secret else {}) | acting(owner)
        ids = scene.foreign[whose].ids
        for path in (f"answers/{ids['answer_id']}", f"documents/{ids['document_id']}/text", f"jobs/{ids['job_id']}"):
            assert scene.http.get(f"/v1/{path}", headers=headers).status_code == 200, (whose, path)
