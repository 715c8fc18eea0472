"""Why, who, what and since when, over HTTP: for administrators alone, page by page, and never any content."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platform.conftest import Platform, acting, problem

FACT = "on the 14th of May"
QUESTION = "When was the first avocet of the year seen?"


@pytest.fixture(scope="module")
def avocet(platform: Platform) -> str:
    """A document that alice reads through her group; its id."""
    source = platform.source("waders")
    platform.pushed(source, "avocet", f"# The avocet\n\nThe first avocet of the year was seen {FACT}.\n", "group:staff")
    platform.pushed(source, "dunlin", "# The dunlin\n\nThe first dunlin came late.\n", "authenticated")
    return str(platform.search("alice", QUESTION)[0]["document_id"])


def _all(platform: Platform, path: str, name: str, **query: Any) -> list[Any]:
    """Every item, a page of one at a time."""
    found: list[Any] = []
    cursor = None
    while True:
        page = platform.ok("GET", path, params={**query, "limit": 1, **({"cursor": cursor} if cursor else {})})
        assert len(page[name]) <= 1
        found += page[name]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_a_document_is_explained_with_ages_and_precise_reasons(platform: Platform, avocet: str) -> None:
    found = platform.ok("GET", "/v1/access/explain", params={"user": "user:bob", "document": avocet})
    assert found["decision"] == "denied"
    assert found["reasons"] == ["clause 0 allows only group:staff, and the user is none of them"]
    assert found["acl"] == found["memberships"] | {"read_at": found["acl"]["read_at"], "age_s": found["acl"]["age_s"]}
    assert found["acl"]["too_old"] is False


def test_readers_and_what_is_readable_page_and_agree(platform: Platform, avocet: str) -> None:
    assert _all(platform, "/v1/access/readers", "readers", document=avocet) == [
        {"user": "user:alice", "through": [{"clause": 0, "principals": ["group:staff"]}]}
    ]
    dunlin = platform.search("bob", "dunlin")[0]["document_id"]
    assert [one["user"] for one in _all(platform, "/v1/access/readers", "readers", document=dunlin)] == [
        "user:alice", "user:bob",
    ]  # fmt: skip
    readable = _all(platform, "/v1/access/readable", "documents", user="user:alice")
    assert {one["document_id"] for one in readable} == {avocet, dunlin}
    assert set(readable[0]) == {"document_id", "external_id", "source_id"}
    nothing = platform.ok("GET", "/v1/access/readable", params={"user": "user:stranger"})
    assert (nothing["documents"], nothing["reasons"]) == ([], ["the user is not in the directory"])


def test_changes_say_who_did_what_and_what_it_did(platform: Platform, avocet: str) -> None:
    def epoch() -> int:
        found = platform.ok("GET", "/v1/access/explain", params={"user": "user:bob", "document": avocet})
        return int(found["epoch"])

    before = epoch()
    platform.ok("POST", "/v1/directory/groups/staff/members", json={"add": ["user:bob"]})
    given = {"from": before, "to": epoch()}
    (change,) = _all(platform, "/v1/access/changes", "changes", **given)
    assert (change["group"], change["member"], change["state"]) == ("group:staff", "user:bob", "added")
    assert change["actor"].startswith("key:") and change["epoch"] == before + 1
    (moved,) = _all(platform, "/v1/access/changes", "moved", **given, user="user:bob")
    assert (moved["change"], moved["document_id"], moved["external_id"]) == ("gained", avocet, "avocet")
    (moved,) = _all(platform, "/v1/access/changes", "moved", **given, document=avocet)
    assert (moved["change"], moved["user"]) == ("gained", "user:bob")
    platform.ok("POST", "/v1/directory/groups/staff/members", json={"remove": ["user:bob"]})
    assert _all(platform, "/v1/access/changes", "moved", **{"from": before}, user="user:bob") == []
    assert len(_all(platform, "/v1/access/changes", "changes", **{"from": before})) == 2


def test_an_answer_is_replayed_without_a_word_of_it(platform: Platform, avocet: str) -> None:
    answer = platform.ask("alice", QUESTION)
    response = platform.http.get(f"/v1/answers/{answer['answer_id']}/replay")
    found = response.json()
    assert (found["then"], found["now"]) == ("allowed", "allowed")
    assert found["documents"][0]["document_id"] == avocet
    assert FACT not in response.text and "avocet" not in response.text
    source = platform.ok("GET", f"/v1/documents/{avocet}", headers=acting("alice"))["source_id"]
    platform.ok("DELETE", f"/v1/sources/{source}/documents/avocet")
    found = platform.ok("GET", f"/v1/answers/{answer['answer_id']}/replay")
    assert (found["then"], found["now"]) == ("allowed", "denied")
    assert "the document is deleted" in found["documents"][0]["now"]["reasons"]


def test_what_cannot_be_asked_is_refused(platform: Platform) -> None:
    get = platform.http.get
    absent = "01a1fcd9-a730-7b58-b619-3ad047ed8908"
    problem(get("/v1/access/readers", params={"document": absent}), 404, "not_found")
    problem(get(f"/v1/answers/{absent}/replay"), 404, "not_found")
    problem(get("/v1/access/readable", params={"user": "group:staff"}), 422, "invalid_input", "user")
    for cursor in ("!", "bm90anNvbg", "WzFd", "IgBcdTAwMDAi"):
        problem(
            get("/v1/access/readable", params={"user": "user:bob", "cursor": cursor}), 422, "invalid_input", "cursor"
        )
        problem(get("/v1/access/changes", params={"from": 1, "cursor": cursor}), 422, "invalid_input", "cursor")
    problem(get("/v1/access/changes", params={"from": 10**9}), 422, "invalid_input", "from")
    problem(get("/v1/access/changes", params={"from": 2, "to": 1}), 422, "invalid_input", "to")
    both = {"from": 1, "user": "user:bob", "document": absent}
    problem(get("/v1/access/changes", params=both), 422, "invalid_input", "document")
    for path in ("/v1/access/readers?document=x", "/v1/access/readable?user=user:bob", "/v1/access/changes?from=1"):
        made = platform.ok("POST", "/v1/keys", json={"name": "reader", "scopes": ["ask", "act_as"]})
        headers = {"Authorization": f"Bearer {made['key']}", **acting("alice")}
        problem(get(path, headers=headers), 403, "forbidden")
