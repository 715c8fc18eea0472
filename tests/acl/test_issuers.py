"""Issuers and keys as an administrator sets them over HTTP, and what of it is on the audit chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from acl.keys import ADMINISTRATOR, SCOPES
from tests.acl.conftest import Identity
from tests.acl.issuing import beginning, public_jwk
from vouch.core import clock

KEYCLOAK = {"url": "https://id.example.org/realms/staff", "audience": "vouch", "algorithms": ["RS256", "ES256"]}
Admin = Callable[..., Any]


@pytest.fixture
def admin(http: TestClient, identity: Identity) -> Admin:
    """Makes a request as the administrator of ``t``."""
    key = identity.key()

    def request(method: str, path: str, body: Any = None, by: str = key) -> Any:
        return http.request(method, path, json=body, headers={"Authorization": f"Bearer {by}"})

    return request


def _trail(identity: Identity) -> list[tuple[str, str, dict[str, Any]]]:
    with identity.catalog.reading("t") as session:
        rows = session.execute(sa.text("SELECT action, subject, detail FROM audit_entry ORDER BY seq")).all()
    return [(row.action, row.subject, row.detail) for row in rows]


def test_an_issuer_is_written_read_replaced_and_removed(admin: Admin, identity: Identity) -> None:
    assert admin("PUT", "/v1/issuers/keycloak", KEYCLOAK).json()["authz_token"]
    shown = admin("GET", "/v1/issuers/keycloak").json()
    assert shown == {
        **KEYCLOAK, "id": "keycloak", "jwks_uri": None, "jwks": None, "user_claim": "sub", "groups_claim": None,
        "provision": False, "leeway_s": 30, "enabled": True,
    }  # fmt: skip
    assert [issuer["id"] for issuer in admin("GET", "/v1/issuers").json()["issuers"]] == ["keycloak", "okta"]
    admin("PUT", "/v1/issuers/keycloak", {**KEYCLOAK, "groups_claim": "groups", "enabled": False})
    assert admin("GET", "/v1/issuers/keycloak").json() == {**shown, "groups_claim": "groups", "enabled": False}
    assert admin("DELETE", "/v1/issuers/keycloak").status_code == 200
    for method in ("GET", "DELETE"):
        assert admin(method, "/v1/issuers/keycloak").status_code == 404
    changes = [
        (action, detail.get("enabled")) for action, subject, detail in _trail(identity) if subject == "issuer:keycloak"
    ]
    assert changes == [("access.issuer", True), ("access.issuer", False), ("access.issuer", None)]


def test_an_issuer_may_have_no_tokens_at_all(admin: Admin) -> None:
    assert admin("PUT", "/v1/issuers/entra", {}).status_code == 200
    assert admin("GET", "/v1/issuers/entra").json()["url"] is None


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("url", {"url": "http://id.example.org"}),
        ("url", {"url": "ftp://id.example.org"}),
        ("url", {"url": "id.example.org"}),
        ("url", {"url": "https://user:word@id.example.org"}),
        ("url", {"url": "https://id.example.org#x"}),
        ("url", {"url": "https://id.example.org?x=1"}),
        ("url", {"url": "https://id.example.org:port"}),
        ("url", {"url": None}),
        ("audience", {"audience": None}),
        ("audience", {"audience": ""}),
        ("audience", {"audience": "with space"}),
        ("algorithms", {"algorithms": []}),
        ("algorithms", {"algorithms": ["none"]}),
        ("algorithms", {"algorithms": ["RS256", "HS256"]}),
        ("jwks_uri", {"jwks_uri": "http://127.0.0.1:9000/keys"}),
        ("jwks_uri", {"jwks_uri": "https://x.example.org/keys", "jwks": {"keys": [public_jwk("ES256", "k1")]}}),
        ("jwks", {"jwks": {"keys": []}}),
        ("jwks", {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}),
        ("jwks", {"jwks": {"keys": [{**public_jwk("ES256", "k1"), "d": "c2VjcmV0"}]}}),
        ("jwks", {"jwks": {"keys": [public_jwk("ES384", "k1")]}}),
        ("user_claim", {"user_claim": ""}),
        ("groups_claim", {"groups_claim": "a\nb"}),
        ("leeway_s", {"leeway_s": 301}),
        ("leeway_s", {"leeway_s": -1}),
        ("provision", {"url": None, "audience": None, "provision": True}),
        ("surprise", {"surprise": 1}),
    ],
    ids=beginning,
)
def test_what_cannot_work_or_should_not_is_refused(admin: Admin, field: str, changed: dict[str, Any]) -> None:
    response = admin("PUT", "/v1/issuers/keycloak", {**KEYCLOAK, **changed})
    assert (response.status_code, response.json()["field"]) == (422, field), response.text
    assert admin("GET", "/v1/issuers/keycloak").status_code == 404


@pytest.mark.parametrize("issuer", ["local", "Okta", "a_b", "a" * 65, "a%2Fb", "%20"])
def test_an_issuer_cannot_pose_as_the_directory_or_as_no_name_at_all(admin: Admin, issuer: str) -> None:
    assert admin("PUT", f"/v1/issuers/{issuer}", KEYCLOAK).status_code in (404, 405, 422)
    assert len(admin("GET", "/v1/issuers").json()["issuers"]) == 1


def test_an_audience_belongs_to_one_tenant(admin: Admin, identity: Identity) -> None:
    other = identity.key(tenant="other")
    assert admin("PUT", "/v1/issuers/keycloak", KEYCLOAK).status_code == 200
    assert admin("PUT", "/v1/issuers/second", KEYCLOAK).json()["code"] == "conflict"
    assert admin("PUT", "/v1/issuers/keycloak", KEYCLOAK, by=other).json()["code"] == "conflict"
    assert admin("PUT", "/v1/issuers/keycloak", {**KEYCLOAK, "audience": "other"}, by=other).status_code == 200


def test_issuers_of_another_tenant_are_not_there(admin: Admin) -> None:
    for method in ("GET", "DELETE"):
        theirs, nobodys = admin(method, "/v1/issuers/idp"), admin(method, "/v1/issuers/none")
        assert (theirs.status_code, theirs.content, dict(theirs.headers)) == (
            404, nobodys.content, dict(nobodys.headers),
        )  # fmt: skip


def test_only_administrators_say_whom_to_trust(admin: Admin, identity: Identity) -> None:
    for scopes in (("directory",), ("sources",), ("ask", "act_as"), ("break_glass",)):
        key = identity.key(*scopes)
        for method, path in (("GET", ""), ("GET", "/okta"), ("PUT", "/okta"), ("DELETE", "/okta")):
            response = admin(method, f"/v1/issuers{path}", KEYCLOAK if method == "PUT" else None, by=key)
            assert response.json()["code"] == "forbidden", (scopes, method, path)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_says_who_made_it_and_when_it_was_used(admin: Admin) -> None:
    made = admin("POST", "/v1/keys", {"name": "intranet", "scopes": ["sources"]}).json()
    assert made["key"].startswith("vouch_")
    assert made["created_by"].startswith("key:")
    assert made["last_used_at"] is None
    assert admin("GET", "/v1/sources", by=made["key"]).status_code == 200
    (listed,) = [key for key in admin("GET", "/v1/keys").json()["keys"] if key["id"] == made["id"]]
    assert listed["last_used_at"] is not None
    assert "key" not in listed
    assert made["key"] not in admin("GET", "/v1/keys").text


def test_making_and_revoking_a_key_is_on_the_chain_and_begins_an_epoch(admin: Admin, identity: Identity) -> None:
    ends = clock.rfc3339(clock.now() + timedelta(days=1))
    made = admin("POST", "/v1/keys", {"name": "x", "scopes": ["ask", "act_as"], "expires_at": ends}).json()
    for _ in range(2):  # the second time there is nothing left to end
        assert admin("DELETE", f"/v1/keys/{made['id']}").status_code == 204
    trail = [entry for entry in _trail(identity) if entry[1] == f"key:{made['id']}"]
    assert [action for action, _, _ in trail] == ["access.key", "access.key"]
    first, second = (detail for _, _, detail in trail)
    assert (first["scopes"], first["expires_at"], first["made"]) == (["act_as", "ask"], ends, True)
    assert second["revoked"] is True
    assert second["epoch"] == first["epoch"] + 1
    assert made["key"] not in str(trail)


def test_emergency_reading_is_not_an_administrators_but_theirs_to_hand_on(admin: Admin, identity: Identity) -> None:
    assert set(SCOPES) - set(ADMINISTRATOR) == {"break_glass", "review"}
    made = admin("POST", "/v1/keys", {"name": "on call", "scopes": ["break_glass"]})
    assert made.status_code == 201
    assert _trail(identity)[-1][2]["scopes"] == ["break_glass"]
    only_admin = identity.key("admin")
    assert admin("POST", "/v1/keys", {"name": "x", "scopes": ["break_glass"]}, by=only_admin).status_code == 201
    response = admin("POST", "/v1/keys", {"name": "x", "scopes": ["act_as"]}, by=only_admin)
    assert response.json()["code"] == "forbidden"
