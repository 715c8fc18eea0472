"""SCIM 2.0 as Okta and Microsoft Entra speak it: sequences of requests after their public documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from tests.platform.conftest import Platform, acting, problem

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PRINCIPAL = "urn:vouch:scim:principal"
_number = count(1)


@dataclass
class Directory:
    """A provider's connection to one issuer's SCIM: bearer key with the scope `directory` alone."""

    platform: Platform
    issuer: str
    http: httpx.Client

    def send(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        if body is None:
            return self.http.request(method, path, params=params)
        headers = {"Content-Type": "application/scim+json; charset=utf-8"}
        return self.http.request(method, path, content=json.dumps(body), params=params, headers=headers)

    def ok(self, method: str, path: str, body: Any = None, status: int = 200, **params: Any) -> Any:
        response = self.send(method, path, body, **params)
        assert response.status_code == status, (method, path, response.status_code, response.text)
        if status == 204:
            return None
        assert response.headers["content-type"] == "application/scim+json"
        return response.json()

    def refused(
        self, status: int, scim_type: str | None, method: str, path: str, body: Any = None, **params: Any
    ) -> Any:
        response = self.send(method, path, body, **params)
        found = response.json()
        assert (response.status_code, found.get("scimType")) == (status, scim_type), response.text
        assert response.headers["content-type"] == "application/scim+json"
        assert (found["schemas"], found["status"], bool(found["detail"])) == ([ERROR], str(status), True)
        return found

    def patch(self, path: str, *operations: Any, status: int | None = None) -> Any:
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return self.ok("PATCH", path, body, status or (204 if path.startswith("/Groups") else 200))

    def user(self, user_name: str, external_id: str | None = None, **given: Any) -> Any:
        body = {"schemas": [CORE_USER], "userName": user_name, "externalId": external_id, **given}
        return self.ok("POST", "/Users", {k: v for k, v in body.items() if v is not None}, 201)

    def group(self, name: str, *members: Any, **given: Any) -> Any:
        body = {"schemas": [CORE_GROUP], "displayName": name, "members": [{"value": m["id"]} for m in members], **given}
        return self.ok("POST", "/Groups", body, 201)

    def members(self, group: Any) -> set[str]:
        return {member["value"] for member in self.ok("GET", f"/Groups/{group['id']}")["members"]}

    def sees(self, user: Any, *allow: str) -> Callable[[], bool]:
        """Whether ``user`` finds a document that ``allow`` may read, now."""
        n = next(_number)
        source = self.platform.source(f"scim{n}")
        self.platform.pushed(source, "notice", f"# Notice {n}\n\nThe canteen opens at nine.\n", *allow)
        name = user[PRINCIPAL]["value"].removeprefix("user:")

        def look() -> bool:
            response = self.platform.http.post(
                "/v1/search",
                json={"query": "When does the canteen open?", "filter": {"source": [source]}},
                headers=acting(name),
            )
            return response.status_code == 200 and bool(response.json()["hits"])

        return look


@pytest.fixture
def scim(platform: Platform) -> Iterator[Directory]:
    """An issuer of its own for each test."""
    issuer = f"idp{next(_number)}"
    platform.ok("PUT", f"/v1/issuers/{issuer}", json={})
    key = platform.ok("POST", "/v1/keys", json={"name": issuer, "scopes": ["directory"]})["key"]
    base = f"{platform.http.base_url}/scim/v2/{issuer}"
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        yield Directory(platform, issuer, http)


# --- the sequences --------------------------------------------------------------------------------------------------


def test_okta_provisions_updates_and_deactivates_a_user(scim: Directory) -> None:
    """Import test, lookup, create, profile push by PUT, deactivation and reactivation by a patch without a path."""
    assert scim.ok("GET", "/Users", startIndex=1, count=2)["totalResults"] == 0
    empty = scim.ok("GET", "/Users", filter='userName eq "isaac.brock@example.com"', startIndex=1, count=100)
    assert empty == {"schemas": [LIST], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []}
    sent = {
        "schemas": [CORE_USER],
        "userName": "Isaac.Brock@example.com",
        "name": {"givenName": "Isaac", "familyName": "Brock"},
        "emails": [{"primary": True, "value": "isaac.brock@example.com", "type": "work"}],
        "displayName": "Isaac Brock",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    response = scim.send("POST", "/Users", sent)
    made = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == made["meta"]["location"] == f"{scim.http.base_url}Users/{made['id']}"
    assert {name: made[name] for name in sent if name not in ("schemas", "groups", "password")} == {
        name: value for name, value in sent.items() if name not in ("schemas", "groups", "password")
    }
    assert made[PRINCIPAL] == {"value": f"user:{scim.issuer}/00ujl29u0le5T6Aj10h7"}
    assert "1mz050nq" not in response.text
    assert made["schemas"][0] == CORE_USER
    assert made["meta"]["resourceType"] == "User"
    assert scim.ok("GET", f"/Users/{made['id']}") == made
    (found,) = scim.ok("GET", "/Users", filter='userName eq "isaac.brock@EXAMPLE.com"')["Resources"]
    assert found == made
    sees = scim.sees(made, made[PRINCIPAL]["value"])
    assert sees()
    pushed = scim.ok("PUT", f"/Users/{made['id']}", {**made, "name": {"givenName": "Isaac", "familyName": "Brook"}})
    assert pushed["name"]["familyName"] == "Brook"
    assert sees()
    off = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert scim.ok("PATCH", f"/Users/{made['id']}", off)["active"] is False
    assert not sees()
    on = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "value": {"active": True}}]}
    assert scim.ok("PATCH", f"/Users/{made['id']}", on)["active"] is True
    assert sees()


def test_okta_pushes_a_group(scim: Directory) -> None:
    """Create with members, add, remove by a filtered path, rename with the id along, replace by PUT, delete."""
    ada, bob, eve = (scim.user(f"{name}@example.com", f"00u{name}") for name in ("ada", "bob", "eve"))
    group = scim.group("Watchers", ada)
    name = group[PRINCIPAL]["value"]
    assert name == f"group:{scim.issuer}/Watchers"
    ada_sees, bob_sees = scim.sees(ada, name), scim.sees(bob, name)
    assert (ada_sees(), bob_sees()) == (True, False)
    path = f"/Groups/{group['id']}"
    add = {"op": "add", "path": "members", "value": [{"value": bob["id"], "display": "bob@example.com"}]}
    scim.patch(path, add)
    assert (ada_sees(), bob_sees()) == (True, True)
    scim.patch(
        path, {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'}, {**add, "value": [{"value": eve["id"]}]}
    )
    assert (ada_sees(), bob_sees()) == (False, True)
    assert scim.members(group) == {bob["id"], eve["id"]}
    scim.patch(path, {"op": "replace", "value": {"id": group["id"], "displayName": "Watchers of birds"}})
    renamed = scim.ok("GET", path)
    assert (renamed["displayName"], renamed[PRINCIPAL]["value"]) == ("Watchers of birds", name)
    replaced = scim.ok(
        "PUT", path, {"schemas": [CORE_GROUP], "displayName": "Watchers", "members": [{"value": ada["id"]}]}
    )
    assert [member["value"] for member in replaced["members"]] == [ada["id"]]
    assert (ada_sees(), bob_sees()) == (True, False)
    scim.ok("DELETE", path, status=204)
    assert not ada_sees()
    scim.refused(404, None, "GET", path)


def test_entra_provisions_updates_and_disables_a_user(scim: Directory) -> None:
    """Connection test with a name nobody has, create, patches with capitals, paths with filters and dots, delete."""
    nobody = scim.ok("GET", "/Users", filter='userName eq "6b5ff9ac-9a54-4d8e-a7a2-d5b1a5f0b5b7"')
    assert nobody["totalResults"] == 0
    made = scim.user(
        "Test_User_dfeef4c5@testuser.com",
        "3a5f1e5c-9b8a-4f5e-9a54-0f6c6f7d6c11",
        active=True,
        emails=[{"primary": True, "type": "work", "value": "Test_User@testuser.com"}],
        name={"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        **{ENTERPRISE: {"department": "Research"}},
    )
    assert ENTERPRISE in made["schemas"]
    path = f"/Users/{made['id']}"
    (found,) = scim.ok("GET", "/Users", filter=f'externalId eq "{made["externalId"]}"')["Resources"]
    assert found["id"] == made["id"]
    changed = scim.patch(
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updated@testuser.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+44 1"},
        {"op": "Replace", "value": {"displayName": "Updated", "name.givenName": "updatedGivenName"}},
    )
    assert changed["emails"] == [{"primary": True, "type": "work", "value": "updated@testuser.com"}]
    assert changed["name"]["familyName"] == "updatedFamilyName"
    assert changed["name"]["givenName"] == "updatedGivenName"
    assert changed[ENTERPRISE] == {"department": "Sales"}
    assert changed["phoneNumbers"] == [{"type": "mobile", "value": "+44 1"}]
    assert changed["displayName"] == "Updated"
    scim.patch(path, {"op": "Replace", "path": "userName", "value": "5b50642d@testuser.com"})
    assert scim.ok("GET", path)[PRINCIPAL] == made[PRINCIPAL]
    sees = scim.sees(made, made[PRINCIPAL]["value"])
    assert sees()
    assert scim.patch(path, {"op": "Replace", "path": "active", "value": "False"})["active"] is False
    assert not sees()
    assert scim.patch(path, {"op": "Replace", "path": "active", "value": "True"})["active"] is True
    assert sees()
    scim.ok("DELETE", path, status=204)
    assert not sees()
    scim.refused(404, None, "GET", path)
    scim.refused(404, None, "DELETE", path)


def test_entra_provisions_a_group(scim: Directory) -> None:
    ada, bob = (scim.user(f"{name}@example.com") for name in ("ada", "bob"))
    made = scim.group("Display Name 1", externalId="8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159")
    assert made[PRINCIPAL]["value"] == f"group:{scim.issuer}/8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"
    found = scim.ok("GET", "/Groups", excludedAttributes="members", filter='displayName eq "display name 1"')
    assert (found["totalResults"], "members" in found["Resources"][0]) == (1, False)
    path = f"/Groups/{made['id']}"
    assert "members" not in scim.ok("GET", path, excludedAttributes="members")
    scim.patch(path, {"op": "Add", "path": "members", "value": [{"$ref": None, "value": ada["id"]}]})
    scim.patch(path, {"op": "Add", "path": "members", "value": [{"value": ada["id"]}, {"value": bob["id"]}]})
    assert scim.members(made) == {ada["id"], bob["id"]}
    scim.patch(path, {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": ada["id"]}]})
    assert scim.members(made) == {bob["id"]}
    scim.patch(path, {"op": "Replace", "path": "displayName", "value": "Renamed"})
    both = 'displayName eq "Renamed" and externalId eq "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"'
    assert scim.ok("GET", "/Groups", filter=both)["totalResults"] == 1
    assert scim.ok("GET", "/Groups", filter=both.replace("Renamed", "Other"))["totalResults"] == 0
    scim.patch(path, {"op": "Replace", "path": "members", "value": [{"value": ada["id"]}]})
    assert scim.members(made) == {ada["id"]}
    scim.patch(path, {"op": "Remove", "path": "members"})
    assert scim.members(made) == set()


# --- what the directory keeps of it ---------------------------------------------------------------------------------


def test_groups_are_nested_and_deletion_ends_what_they_gave(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1")
    inner = scim.group("inner", ada)
    outer = scim.group("outer", inner)
    sees = scim.sees(ada, outer[PRINCIPAL]["value"])
    assert sees()
    assert scim.ok("GET", f"/Groups/{outer['id']}")["members"] == [
        {"value": inner["id"], "display": "inner", "type": "Group", "$ref": inner["meta"]["location"]}
    ]
    scim.ok("DELETE", f"/Groups/{inner['id']}", status=204)
    assert not sees()
    assert scim.members(outer) == set()


def test_a_user_who_is_deleted_and_made_again_has_no_memberships(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1")
    group = scim.group("staff", ada)
    scim.ok("DELETE", f"/Users/{ada['id']}", status=204)
    again = scim.user("ada@example.com", "00u1")
    assert again["id"] != ada["id"]
    assert again[PRINCIPAL] == ada[PRINCIPAL]
    assert scim.members(group) == set()


def test_who_was_made_inactive_stays_so_until_it_is_said_otherwise(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1", active=False)
    assert ada["active"] is False
    body = {"schemas": [CORE_USER], "userName": "ada@example.com", "externalId": "00u1"}
    assert scim.ok("PUT", f"/Users/{ada['id']}", body)["active"] is False
    assert scim.ok("PUT", f"/Users/{ada['id']}", {**body, "active": True})["active"] is True


def test_deactivation_in_the_directory_itself_is_seen(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1")
    name = ada[PRINCIPAL]["value"].removeprefix("user:")
    scim.platform.ok("PUT", f"/v1/directory/users/{name}", json={"name": "Ada", "active": False})
    assert scim.ok("GET", f"/Users/{ada['id']}")["active"] is False
    assert scim.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Dr"})["active"] is False


def test_members_that_the_directory_added_are_left_alone(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1")
    group = scim.group("staff")
    name = group[PRINCIPAL]["value"]
    scim.platform.ok(
        "POST", f"/v1/directory/groups/{name.removeprefix('group:')}/members", json={"add": ["user:alice"]}
    )
    scim.ok("PUT", f"/Groups/{group['id']}", {"displayName": "staff", "members": [{"value": ada["id"]}]})
    source = scim.platform.source(f"kept-{scim.issuer}")
    scim.platform.pushed(source, "x", "The lift is out of order.", name)
    assert scim.platform.search("alice", "lift out of order", filter={"source": [source]})


def test_what_no_principal_can_be_named_after_is_named_by_its_id(scim: Directory) -> None:
    """An e-mail address passes to the next who has it; a name with a space is none."""
    ada, eve, group = scim.user("ada@example.com"), scim.user("eve"), scim.group("Domain Users / EMEA")
    assert ada[PRINCIPAL]["value"] == f"user:{scim.issuer}/{ada['id']}"
    assert eve[PRINCIPAL]["value"] == f"user:{scim.issuer}/eve"
    assert group[PRINCIPAL]["value"] == f"group:{scim.issuer}/{group['id']}"
    assert scim.sees(ada, ada[PRINCIPAL]["value"])()


def test_pages(scim: Directory) -> None:
    made = [scim.user(f"u{n}@example.com")["id"] for n in range(5)]
    page = scim.ok("GET", "/Users", startIndex=2, count=2)
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (5, 2, 2)
    assert [user["id"] for user in page["Resources"]] == made[1:3]
    assert scim.ok("GET", "/Users", count=0)["totalResults"] == 5
    assert scim.ok("GET", "/Users", startIndex=-3, count=1000)["itemsPerPage"] == 5
    assert scim.ok("GET", "/Users", startIndex=6)["Resources"] == []


def test_what_the_service_says_of_itself(scim: Directory) -> None:
    config = scim.ok("GET", "/ServiceProviderConfig")
    assert (config["patch"], config["bulk"]["supported"], config["filter"]["supported"]) == (
        {"supported": True},
        False,
        True,
    )
    assert [kind["endpoint"] for kind in scim.ok("GET", "/ResourceTypes")["Resources"]] == ["/Users", "/Groups"]
    schemas = {schema["id"]: schema for schema in scim.ok("GET", "/Schemas")["Resources"]}
    assert {CORE_USER, CORE_GROUP, PRINCIPAL} == set(schemas)
    assert "userName" in {attribute["name"] for attribute in schemas[CORE_USER]["attributes"]}


# --- refusals -------------------------------------------------------------------------------------------------------


def test_what_is_there_already_is_a_conflict(scim: Directory) -> None:
    ada = scim.user("ada@example.com", "00u1")
    scim.user("bob@example.com", "00u2")
    for body in ({"userName": "ADA@example.com"}, {"userName": "x@example.com", "externalId": "00u1"}):
        scim.refused(409, "uniqueness", "POST", "/Users", body)
    rename = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "userName", "value": "bob@example.com"}]}
    scim.refused(409, "uniqueness", "PATCH", f"/Users/{ada['id']}", rename)
    scim.refused(409, "uniqueness", "PUT", f"/Users/{ada['id']}", {"userName": "bob@example.com"})
    scim.group("staff")
    scim.refused(409, "uniqueness", "POST", "/Groups", {"displayName": "STAFF"})
    assert scim.ok("GET", "/Users")["totalResults"] == 2


@pytest.mark.parametrize(
    "filter",
    ["", "userName", "userName eq", "userName eq ada", 'userName co "a"', 'userName eq "a" or userName eq "b"',
     'not (userName eq "a")', 'emails.value eq "a"', 'userName eq "a" and', 'and userName eq "a"', "userName pr",
     'userName eq "a\\u0000"', 'userName eq "a" ' * 3, " and ".join(['userName eq "a"'] * 6)],
)  # fmt: skip
def test_filters_that_are_not_understood_are_said_to_be(scim: Directory, filter: str) -> None:
    scim.refused(400, "invalidFilter", "GET", "/Users", filter=filter)


@pytest.mark.parametrize(
    ("scim_type", "operation"),
    [
        ("invalidSyntax", {"op": "merge", "path": "active", "value": True}),
        ("invalidSyntax", {"path": "active", "value": True}),
        ("invalidSyntax", "replace"),
        ("noTarget", {"op": "remove"}),
        ("invalidPath", {"op": "replace", "path": "emails[type co 1]", "value": "x"}),
        ("invalidPath", {"op": "replace", "path": "a b", "value": "x"}),
        ("invalidPath", {"op": "replace", "path": 7, "value": "x"}),
        ("invalidPath", {"op": "replace", "path": "userName.part", "value": "x"}),
        ("mutability", {"op": "replace", "path": "id", "value": "x"}),
        ("mutability", {"op": "replace", "path": "meta.created", "value": "x"}),
        ("invalidValue", {"op": "replace", "value": "x"}),
        ("invalidValue", {"op": "replace", "path": "active", "value": "maybe"}),
        ("invalidValue", {"op": "replace", "path": "active", "value": 0}),
        ("invalidValue", {"op": "remove", "path": "userName"}),
        ("invalidValue", {"op": "replace", "path": "userName", "value": ""}),
        ("invalidValue", {"op": "replace", "path": "title", "value": "a\x00b"}),
    ],
    ids=str,
)
def test_patches_that_cannot_be_applied_change_nothing(scim: Directory, scim_type: str, operation: Any) -> None:
    ada = scim.user("ada@example.com", "00u1")
    operations = [{"op": "replace", "path": "displayName", "value": "Changed"}, operation]
    body = {"schemas": [PATCH_OP], "Operations": operations}
    scim.refused(400, scim_type, "PATCH", f"/Users/{ada['id']}", body)
    assert scim.ok("GET", f"/Users/{ada['id']}") == ada


@pytest.mark.parametrize(
    "body",
    [{}, {"userName": ""}, {"userName": 7}, {"userName": "a" * 201}, {"userName": "a\nb"},
     {"userName": "a", "externalId": "ada@example.com"}, {"userName": "a", "externalId": "../x"},
     {"userName": "a", "active": "perhaps"}, {"userName": "a", "title": "half \ud800"}],
    ids=ascii,
)  # fmt: skip
def test_users_that_cannot_be_are_refused(scim: Directory, body: Any) -> None:
    scim.refused(400, "invalidValue", "POST", "/Users", body)
    assert scim.ok("GET", "/Users")["totalResults"] == 0


def test_bodies_are_bounded_and_have_to_be_json(scim: Directory) -> None:
    scim.refused(413, None, "POST", "/Users", {"userName": "a", "title": "x" * 40_000})
    response = scim.http.post("/Users", content=b"{", headers={"Content-Type": "application/scim+json"})
    assert (response.status_code, response.json()["scimType"]) == (400, "invalidSyntax")
    scim.refused(400, "invalidSyntax", "POST", "/Users", ["a"])


def test_members_have_to_be_there(scim: Directory) -> None:
    scim.refused(400, "invalidValue", "POST", "/Groups", {"displayName": "staff", "members": [{"value": "none"}]})
    scim.refused(400, "invalidValue", "POST", "/Groups", {"displayName": "staff", "members": ["none"]})
    assert scim.ok("GET", "/Groups")["totalResults"] == 0


def test_one_issuer_knows_nothing_of_another(scim: Directory, platform: Platform) -> None:
    ada = scim.user("ada@example.com", "00u1")
    issuer = f"idp{next(_number)}"
    platform.ok("PUT", f"/v1/issuers/{issuer}", json={})
    headers = {"Authorization": scim.http.headers["authorization"]}
    with httpx.Client(base_url=f"{platform.http.base_url}/scim/v2/{issuer}", headers=headers) as http:
        other = Directory(platform, issuer, http)
        assert other.ok("GET", "/Users")["totalResults"] == 0
        absent = other.refused(404, None, "GET", "/Users/none")
        for method in ("GET", "DELETE"):
            assert other.refused(404, None, method, f"/Users/{ada['id']}") == absent
        other.refused(400, "invalidValue", "POST", "/Groups", {"displayName": "x", "members": [{"value": ada["id"]}]})
        assert other.user("ada@example.com", "00u1")[PRINCIPAL] != ada[PRINCIPAL]


def test_an_issuer_that_is_not_there_or_not_trusted_provisions_nobody(scim: Directory, platform: Platform) -> None:
    platform.ok("PUT", f"/v1/issuers/{scim.issuer}", json={"enabled": False})
    scim.refused(404, None, "GET", "/Users")
    scim.refused(404, None, "POST", "/Users", {"userName": "ada@example.com"})


def test_groups_come_by_one_way_alone(scim: Directory, platform: Platform) -> None:
    tokens = {"url": "https://id.example.org", "audience": scim.issuer}
    scim.group("staff")
    response = platform.http.put(f"/v1/issuers/{scim.issuer}", json={**tokens, "groups_claim": "groups"})
    problem(response, 409, "conflict")
    platform.ok("PUT", f"/v1/issuers/{scim.issuer}", json=tokens)
    issuer = f"idp{next(_number)}"
    platform.ok("PUT", f"/v1/issuers/{issuer}", json={**tokens, "audience": issuer, "groups_claim": "groups"})
    headers = {"Authorization": scim.http.headers["authorization"]}
    with httpx.Client(base_url=f"{platform.http.base_url}/scim/v2/{issuer}", headers=headers) as http:
        other = Directory(platform, issuer, http)
        other.refused(409, "uniqueness", "POST", "/Groups", {"displayName": "staff"})
        other.user("ada@example.com")


def test_the_key_needs_the_scope_directory(scim: Directory, platform: Platform) -> None:
    key = platform.ok("POST", "/v1/keys", json={"name": "x", "scopes": ["admin", "sources", "ask"]})["key"]
    for headers, status in (({"Authorization": f"Bearer {key}"}, 403), ({"Authorization": "Bearer x"}, 401)):
        response = httpx.get(f"{scim.http.base_url}Users", headers=headers)
        assert (response.status_code, response.json()["schemas"]) == (status, [ERROR])
    response = httpx.get(f"{scim.http.base_url}Users")
    problem(response, 401, "unauthenticated")
