"""Bad input over HTTP: refused with a stable code and the field at fault, whatever it is, and nothing of it kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.platform.conftest import Platform, acting, problem

ABSENT = "01a1fcd9-a730-7b58-b619-3ad047ed8908"
JSON = {"Content-Type": "application/json"}
LIMIT = 1024 * 1024


@pytest.fixture(scope="module")
def platform(platform: Platform) -> Platform:
    """With a source to push to; documents of up to 1 MiB are read."""
    platform.source("box")
    return platform


# --- questions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "field"), [("/v1/search", "query"), ("/v1/ask", "question")])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "question_empty"),
        (" \t\n\u200b\u2028", "question_empty"),
        ("\u0000\u0007", "question_empty"),
        ("x" * 4001, "question_too_long"),
        ("ab " * 1333 + "ab", None),  # 4,001 characters with the last: see below
        (None, "invalid_input"),
        (7, "invalid_input"),
        (["x"], "invalid_input"),
    ],
)
def test_questions(platform: Platform, path: str, field: str, text: Any, code: str | None) -> None:
    if code is None:
        text = text[:4000]
        assert platform.post("alice", path, **{field: text}).status_code == 200
    else:
        problem(platform.post("alice", path, **{field: text}), 422, code, field)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"limit": 0}, "invalid_input", "limit"),
        ({"limit": 101}, "invalid_input", "limit"),
        ({"limit": -1}, "invalid_input", "limit"),
        ({"limit": "x"}, "invalid_input", "limit"),
        ({"limit": 1.5}, "invalid_input", "limit"),
        ({"limit": None}, "invalid_input", "limit"),
        ({"filter": {"colour": "red"}}, "unknown_field", "filter.colour"),
        ({"filter": {"mime": 7}}, "invalid_input", "filter.mime"),
        ({"filter": {"mime": [""]}}, "invalid_input", "filter.mime.0"),
        ({"filter": {"source": ["\u200b"]}}, "invalid_input", "filter.source.0"),
        ({"filter": {"mime": ["text/plain"] * 101}}, "invalid_input", "filter.mime"),
        ({"filter": {"modified_after": "yesterday"}}, "invalid_input", "filter.modified_after"),
        ({"filter": {"modified_after": "2026-01-01T00:00:00"}}, "invalid_input", "filter.modified_after"),
        ({"filter": {"modified_after": "0001-01-01T00:00:00+14:00"}}, "invalid_input", "filter.modified_after"),
        ({"filter": {"modified_before": "9999-12-31T23:59:59-14:00"}}, "invalid_input", "filter.modified_before"),
        ({"filter": []}, "invalid_input", "filter"),
        ({"colour": "red"}, "unknown_field", "colour"),
    ],
)
def test_what_goes_with_a_question(platform: Platform, given: Any, code: str, field: str) -> None:
    for path, name in (("/v1/search", "query"), ("/v1/ask", "question")):
        problem(platform.post("alice", path, **{name: "kestrel"}, **given), 422, code, field)


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("/v1/search", {"query": "x", "mode": "psychic"}, "mode"),
        ("/v1/search", {"query": "x", "rerank": "perhaps"}, "rerank"),
        ("/v1/ask", {"question": "x", "stream": "perhaps"}, "stream"),
        ("/v1/ask", {"question": "x", "conversation_id": ""}, "conversation_id"),
        ("/v1/ask", {"question": "x", "conversation_id": "c" * 129}, "conversation_id"),
        ("/v1/ask", {"question": "x", "conversation_id": "a\u0000b"}, "conversation_id"),
        ("/v1/ask", {"question": "x", "profile": "oracle"}, "profile"),
        ("/v1/ask", {"question": "x", "profile": "chat"}, "profile"),  # none is configured here
    ],
)
def test_options_of_search_and_ask(platform: Platform, path: str, given: Any, field: str) -> None:
    problem(platform.post("alice", path, **given), 422, "invalid_input", field)


@pytest.mark.parametrize("query", ["start=-1", "start=x", "end=-1", "version=0", "version=x", "version=9999999999999"])
def test_the_part_of_a_text(platform: Platform, query: str) -> None:
    response = platform.get("alice", f"/v1/documents/{ABSENT}/text?{query}")
    problem(response, 422, "invalid_input", query.partition("=")[0])


def test_feedback(platform: Platform) -> None:
    path = f"/v1/answers/{ABSENT}/feedback"
    problem(platform.post("alice", path), 422, "invalid_input", "helpful")
    problem(platform.post("alice", path, helpful="perhaps"), 422, "invalid_input", "helpful")
    problem(platform.post("alice", path, helpful=True, comment="x" * 2001), 422, "invalid_input", "comment")
    problem(platform.post("alice", path, helpful=True, stars=5), 422, "unknown_field", "stars")
    problem(platform.post("alice", path, helpful=True), 404, "not_found")


# --- ids, cursors, bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [ABSENT, "x", "a%00b", "%F0%9F%8F%A8", "..%5C..", "x" * 3000, "%E2%80%8B"])
def test_ids_of_nothing(platform: Platform, id_: str) -> None:
    calls = [
        ("GET", f"/v1/documents/{id_}"),
        ("GET", f"/v1/documents/{id_}/text"),
        ("GET", f"/v1/answers/{id_}"),
        ("GET", f"/v1/answers/{id_}/citations"),
        ("GET", f"/v1/traces/{id_}"),
        ("GET", f"/v1/conversations/{id_}"),
        ("GET", f"/v1/access/explain?user=user:bob&document={id_}"),
        ("GET", f"/v1/sources/{id_}"),
        ("DELETE", f"/v1/sources/{id_}"),
        ("GET", f"/v1/jobs/{id_}"),
        ("GET", f"/v1/jobs/{id_}/events"),
        ("POST", f"/v1/jobs/{id_}/cancel"),
        ("POST", f"/v1/jobs/{id_}/retry"),
        ("DELETE", f"/v1/keys/{id_}"),
        ("DELETE", f"/v1/sources/box/documents/{id_}"),
        ("DELETE", f"/v1/sources/{id_}/documents/x"),
    ]
    bodies = {platform.http.request(method, path, headers=acting("alice")).content for method, path in calls}
    assert len(bodies) == 1, bodies
    problem(platform.http.get(calls[0][1], headers=acting("alice")), 404, "not_found")
    problem(platform.http.post(f"/v1/sources/{id_}/syncs", json={}), 404, "not_found")
    problem(platform.http.patch(f"/v1/sources/{id_}", json={}), 404, "not_found")
    problem(platform.http.put(f"/v1/sources/{id_}/documents/x", json={"text": "x"}), 404, "not_found")
    problem(platform.http.put(f"/v1/sources/box/documents/{id_}/access", json=[]), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/sources"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
        ("cursor=", "cursor"), ("cursor=!!!", "cursor"), ("cursor=AA", "cursor"), ("cursor=%C3%A9", "cursor"),
        ("cursor=gICA", "cursor"), ("cursor=" + "A" * 401, "cursor"),
    ],
)  # fmt: skip
def test_pages(platform: Platform, path: str, query: str, field: str) -> None:
    problem(platform.http.get(f"{path}?{query}"), 422, "invalid_input", field)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{nope", JSON),
        (b"", JSON),
        (b"", {}),
        (b'"text"', JSON),
        (b"[1]", JSON),
        (b"null", JSON),
        (b'{"query": "\xff"}', JSON),
        (b"[" * 100_000, JSON),
        (b'{"query": "x", "limit": ' + b"9" * 5000 + b"}", JSON),
        (b'{"query": "x"}', {"Content-Type": "text/plain"}),
        (b"query=x", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b'{"query": "x"}', {"Content-Type": "application/xml"}),
    ],
)
def test_bodies_that_are_not_json_of_the_shape(platform: Platform, content: bytes, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", "/v1/search"), ("POST", "/v1/ask"), ("POST", "/v1/sources"), ("POST", "/v1/keys"),
        ("PUT", "/v1/directory/users/u"), ("PUT", "/v1/sources/box/documents/d"),
    ):  # fmt: skip
        response = platform.http.request(method, path, content=content, headers={**acting("alice"), **headers})
        if content == b'{"query": "x"}' and path.endswith("/d"):
            problem(response, 422, "unknown_field", "query")  # a push takes any type but multipart for JSON
        else:
            problem(response, 422, "invalid_input", "body")


def test_methods_and_paths_that_are_not_there(platform: Platform) -> None:
    problem(platform.http.delete("/v1/search"), 405, "method_not_allowed")
    for path in ("/", "/v1", "/v1/nothing", "/v1/documents", "/v2/search"):
        problem(platform.http.get(path), 404, "not_found")


def test_a_body_over_the_bound_is_refused_declared_or_not(platform: Platform) -> None:
    big = json.dumps({"text": "x" * 4 * LIMIT}).encode()
    path = "/v1/sources/box/documents/big"
    problem(platform.http.put(path, content=big, headers=JSON), 413, "payload_too_large")

    def pieces() -> Iterator[bytes]:  # sent in chunks, so no length is declared
        for at in range(0, len(big), 65536):
            yield big[at : at + 65536]

    problem(platform.http.put(path, content=pieces(), headers=JSON), 413, "payload_too_large")
    problem(platform.http.put(path, files={"file": ("big.txt", b"x" * 4 * LIMIT)}), 413, "payload_too_large")
    problem(platform.post("alice", "/v1/search", query="x" * 4 * LIMIT), 413, "payload_too_large")

    refused = platform.http.put(path, json={"text": "x" * (LIMIT + 1)})  # the body is not too large, the document is
    assert problem(refused, 422, "document_rejected")["reason"] == "too_large"
    assert platform.http.delete(path).status_code == 404


# --- documents -----------------------------------------------------------------------------------------

BAD_DOCUMENTS: list[tuple[Any, str, str]] = [
    ({}, "invalid_input", "text"),
    ({"text": "x", "content_base64": "eA=="}, "invalid_input", "text"),
    ({"content_base64": "%%%"}, "invalid_input", "content_base64"),
    ({"content_base64": "eA"}, "invalid_input", "content_base64"),
    ({"content_base64": "é"}, "invalid_input", "content_base64"),
    ({"text": "x", "colour": "red"}, "unknown_field", "colour"),
    ({"text": "x", "title": "t" * 501}, "invalid_input", "title"),
    ({"text": "x", "title": "a\u0000b"}, "invalid_input", "title"),
    ({"text": "x", "uri": "a\u0000b"}, "invalid_input", "uri"),
    ({"text": "x", "mime": "a\u0000b"}, "invalid_input", "mime"),
    ({"text": "x", "supersedes": ["ok", "a\u0000b"]}, "invalid_input", "supersedes.1"),
    ({"text": "x", "owner": "carol"}, "invalid_input", "owner"),
    ({"text": "x", "modified_at": "yesterday"}, "invalid_input", "modified_at"),
    ({"text": "x", "modified_at": "2026-01-01T00:00:00"}, "invalid_input", "modified_at"),
    ({"text": "x", "modified_at": "0001-01-01T00:00:00+14:00"}, "invalid_input", "modified_at"),
    ({"text": "x", "access": {"allow": []}}, "invalid_input", "access"),
    ({"text": "x", "access": [{"allow": ["hr"]}]}, "invalid_input", "access.0.allow"),
    ({"text": "x", "access": [{"allow": ["group:hr"]}, {"deny": ["user:"]}]}, "invalid_input", "access.1.deny"),
    ({"text": "x", "access": [{"allow": ["everyone"]}]}, "invalid_input", "access.0.allow"),
    ({"text": "x", "access": [{"alow": ["group:hr"]}]}, "unknown_field", "access.0.alow"),
    ({"text": "x", "access": [{"allow": "group:hr"}]}, "invalid_input", "access.0.allow"),
    ({"text": "x", "access": [{"allow": ["user:a"]}] * 65}, "invalid_input", "access"),
]


@pytest.mark.parametrize(("body", "code", "field"), BAD_DOCUMENTS)
def test_pushed_documents(platform: Platform, body: Any, code: str, field: str) -> None:
    problem(platform.http.put("/v1/sources/box/documents/bad", json=body), 422, code, field)
    problem(platform.http.delete("/v1/sources/box/documents/bad"), 404, "not_found")  # nothing was kept


@pytest.mark.parametrize("id_", ["a%00b", "a%1Fb", "x" * 1001])
def test_external_ids_that_cannot_be(platform: Platform, id_: str) -> None:
    problem(
        platform.http.put(f"/v1/sources/box/documents/{id_}", json={"text": "x"}), 422, "invalid_input", "external_id"
    )


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"files": {"other": ("a.txt", b"hello")}}, "invalid_input", "file"),
        ({"files": {"title": (None, "no file at all")}}, "invalid_input", "file"),
        ({"files": [("file", ("a.txt", b"1")), ("file", ("b.txt", b"2"))]}, "invalid_input", "body"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"access": "[{nope"}}, "invalid_input", "access"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"access": ""}}, "invalid_input", "access"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"access": '[{"allow": ["hr"]}]'}}, "invalid_input",
         "access.0.allow"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"access": ["[]", "[]"]}}, "invalid_input", "body"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"colour": "red"}}, "unknown_field", "colour"),
        ({"files": {"file": ("a.txt", b"hello")}, "data": {"owner": "carol"}}, "invalid_input", "owner"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "invalid_input", "body"),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data"}}, "invalid_input", "body"),
    ],
)  # fmt: skip
def test_multipart(platform: Platform, parts: Any, code: str, field: str) -> None:
    problem(platform.http.put("/v1/sources/box/documents/bad", **parts), 422, code, field)
    problem(platform.http.delete("/v1/sources/box/documents/bad"), 404, "not_found")


@pytest.fixture(scope="module")
def kept(platform: Platform) -> str:
    """A document that is there: its path. No work on it is left that would change what is compared below."""
    platform.pushed("box", "kept", "kept")
    return "/v1/sources/box/documents/kept"


@pytest.mark.parametrize(
    ("clauses", "code", "field"),
    [
        ([{"allow": ["hr"]}], "invalid_input", "access.0.allow"),
        ([{"allow": ["group:hr"]}, {"deny": ["x y"]}], "invalid_input", "access.1.deny"),
        ([{"allow": ["user:a\u0000"]}], "invalid_input", "allow.0"),
        ([{"permit": ["user:a"]}], "unknown_field", "0.permit"),
        ({"allow": ["user:a"]}, "invalid_input", "body"),
        ([{"allow": ["user:a"]}] * 65, "invalid_input", "body"),
    ],
)
def test_access_lists(platform: Platform, kept: str, clauses: Any, code: str, field: str) -> None:
    problem(platform.http.put(f"{kept}/access", json=clauses), 422, code, field)


# --- sources -------------------------------------------------------------------------------------------

BAD_SOURCES: list[tuple[Any, int, str, str]] = [
    ({"kind": "filesystem", "config": {"path": "/nowhere/at/all"}}, 422, "bad_config", "config.path"),
    ({"kind": "filesystem", "config": {"path": "/etc/hostname"}}, 422, "bad_config", "config.path"),
    ({"kind": "filesystem", "config": {}}, 422, "bad_config", "config.path"),
    ({"kind": "filesystem", "config": {"path": "/tmp/a\u0000b"}}, 422, "invalid_input", "config.path"),
    (
        {"kind": "filesystem", "config": {"path": "/tmp", "include": ["\u0000"]}},
        422,
        "invalid_input",
        "config.include.0",
    ),
    ({"kind": "filesystem", "config": {"path": "/tmp", "depth": 3}}, 422, "bad_config", "config.depth"),
    ({"kind": "push", "config": {"path": "/tmp"}}, 422, "bad_config", "config.path"),
    ({"kind": "telepathy"}, 422, "unknown_field", "kind"),
    ({"kind": "push", "colour": "red"}, 422, "unknown_field", "colour"),
    ({"kind": "push", "name": ""}, 422, "invalid_input", "name"),
    ({"kind": "push", "name": "two words"}, 422, "invalid_input", "name"),
    ({"kind": "push", "name": "box"}, 409, "conflict", "name"),
    ({"kind": "push", "owner": "carol"}, 422, "invalid_input", "owner"),
    ({"kind": "push", "schedule": ""}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "schedule": "soon"}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "schedule": "99 * * * *"}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "schedule": "* * * * * *"}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "schedule": "0 0 30 2 *"}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "schedule": "999999w"}, 422, "invalid_input", "schedule"),
    ({"kind": "push", "access_schedule": "soon"}, 422, "invalid_input", "access_schedule"),
    ({"kind": "push", "deletion_guard": 1.5}, 422, "invalid_input", "deletion_guard"),
    ({"kind": "push", "deletion_guard": "half"}, 422, "invalid_input", "deletion_guard"),
    ({"kind": "push", "priority": "urgent"}, 422, "invalid_input", "priority"),
    ({"kind": "push", "data_class": "Internal"}, 422, "invalid_input", "data_class"),
    ({"kind": "push", "data_class": ""}, 422, "invalid_input", "data_class"),
    ({"kind": "push", "data_class": "c" * 65}, 422, "invalid_input", "data_class"),
    ({"kind": "push", "acl_max_age": "999999w"}, 422, "invalid_input", "acl_max_age"),
    ({"kind": "push", "acl_max_age": "0h"}, 422, "invalid_input", "acl_max_age"),
    ({"kind": "push", "freshness": {"review_every": ""}}, 422, "invalid_input", "freshness.review_every"),
    ({"kind": "push", "freshness": {"stale_after": "a year"}}, 422, "invalid_input", "freshness.stale_after"),
    ({"kind": "push", "freshness": {"expire_after": "never"}}, 422, "invalid_input", "freshness.expire_after"),
    ({"kind": "push", "freshness": {"colour": "red"}}, 422, "unknown_field", "freshness.colour"),
    (
        {"kind": "push", "freshness": {"in_search": {"stale": "hide"}}},
        422,
        "invalid_input",
        "freshness.in_search.stale",
    ),
    (
        {"kind": "push", "freshness": {"in_search": {"fresh": "drop"}}},
        422,
        "unknown_field",
        "freshness.in_search.fresh",
    ),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), BAD_SOURCES)
def test_sources_are_refused_and_nothing_is_kept(
    platform: Platform, body: Any, status: int, code: str, field: str
) -> None:
    before = platform.ok("GET", "/v1/sources", params={"limit": 200})
    problem(platform.http.post("/v1/sources", json={"name": "wrong", **body}), status, code, field)
    assert platform.ok("GET", "/v1/sources", params={"limit": 200}) == before


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"config": {"path": "/nowhere"}}, "bad_config", "config.path"),
        ({"schedule": "soon"}, "invalid_input", "schedule"),
        ({"access_schedule": "* * * * * *"}, "invalid_input", "access_schedule"),
        ({"deletion_guard": -0.1}, "invalid_input", "deletion_guard"),
        ({"priority": "urgent"}, "invalid_input", "priority"),
        ({"data_class": "in house"}, "invalid_input", "data_class"),
        ({"state": "asleep"}, "invalid_input", "state"),
        ({"name": "another"}, "unknown_field", "name"),
        ({"freshness": {"review_every": "999999w"}}, "invalid_input", "freshness.review_every"),
    ],
)
def test_changes_of_a_source(platform: Platform, body: Any, code: str, field: str) -> None:
    before = platform.ok("GET", "/v1/sources/box")
    problem(platform.http.patch("/v1/sources/box", json=body), 422, code, field)
    assert platform.ok("GET", "/v1/sources/box") == before


def test_what_does_not_go_with_the_kind_of_source(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nText.\n")
    files = platform.source("files", "filesystem", config={"path": str(tmp_path)})
    assert platform.synced(files)["state"] == "succeeded"
    for response in (
        platform.http.put(f"/v1/sources/{files}/documents/a.md/access", json=[{"allow": ["user:bob"]}]),
        platform.http.put(f"/v1/sources/{files}/documents/b.md", json={"text": "x"}),
        platform.http.delete(f"/v1/sources/{files}/documents/a.md"),
        platform.http.post("/v1/sources/box/syncs", json={}),
    ):
        problem(response, 409, "conflict")
    problem(platform.http.post(f"/v1/sources/{files}/syncs", json={"kind": "partial"}), 422, "invalid_input", "kind")
    problem(platform.http.post(f"/v1/sources/{files}/syncs", json={"force": True}), 422, "unknown_field", "force")
    assert platform.ok("GET", f"/v1/sources/{files}")["documents"]["live"] == 1


@pytest.mark.parametrize(
    ("rule", "line", "field"),
    [
        ("access: {allow: [group:hr]}\nowner: carol\n", 2, "owner"),
        ("access:\n  allow: [hr]\n", 2, "access.allow"),
        ("acces: {allow: [group:hr]}\n", 1, "acces"),
        ("access: {allow: [group:hr]\n", 2, ".vouch.yaml"),
        ("owner: user:carol\nreview_every: 999999w\n", 2, "review_every"),
        ("inherit: perhaps\n", 1, "inherit"),
    ],
)
def test_a_mistake_in_a_rule_fails_the_job_with_file_line_and_field(
    platform: Platform, tmp_path: Path, rule: str, line: int, field: str
) -> None:
    (tmp_path / "hr").mkdir()
    (tmp_path / "hr" / "a.md").write_text("# A\n\nText.\n")
    (tmp_path / "hr" / ".vouch.yaml").write_text(rule)
    source = platform.source(
        f"rules-{field.strip('.')}-{line}-{len(rule)}", "filesystem", config={"path": str(tmp_path)}
    )
    job = platform.synced(source)
    assert job["state"] == "failed"
    (error,) = job["errors"]
    assert (error["reason"], error["file"], error["line"]) == ("rules_broken", "hr/.vouch.yaml", line)
    assert error["field"] == field and f"hr/.vouch.yaml, line {line}" in error["detail"]
    documents = platform.ok("GET", f"/v1/sources/{source}")["documents"]
    assert (documents["live"], documents["quarantined"]) == (0, 1)

    (tmp_path / "hr" / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    platform.ok("POST", f"/v1/jobs/{job['job_id']}/retry")
    assert platform.ended(job["job_id"])["state"] == "succeeded"
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["live"] == 1


# --- directory, keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("PUT", "users/bad%20id", {"name": "x"}, 422, "invalid_input", "id"),
        ("PUT", "users/a%00b", {"name": "x"}, 422, "invalid_input", "id"),
        ("PUT", "users/x", {"name": ""}, 422, "invalid_input", "name"),
        ("PUT", "users/x", {"name": " "}, 422, "invalid_input", "name"),
        ("PUT", "users/x", {"name": "a\u0000b"}, 422, "invalid_input", "name"),
        ("PUT", "users/x", {"name": "n" * 201}, 422, "invalid_input", "name"),
        ("PUT", "users/x", {"name": "x", "active": "perhaps"}, 422, "invalid_input", "active"),
        ("PUT", "users/x", {"name": "x", "email": "x@y"}, 422, "unknown_field", "email"),
        ("PUT", "groups/x", {"name": "x", "members": ["alice"]}, 422, "invalid_input", "members"),
        ("PUT", "groups/x", {"name": "x", "members": ["authenticated"]}, 422, "invalid_input", "members"),
        ("POST", "groups/staff/members", {"add": ["alice"]}, 422, "invalid_input", "add"),
        ("POST", "groups/staff/members", {"remove": ["a\u0000"]}, 422, "invalid_input", "remove.0"),
        ("POST", "groups/none/members", {"add": ["user:alice"]}, 404, "not_found", None),
        ("DELETE", "users/none", None, 404, "not_found", None),
        ("DELETE", "groups/none", None, 404, "not_found", None),
        ("DELETE", "users/a%00b", None, 404, "not_found", None),
        ("DELETE", "groups/a%00b", None, 404, "not_found", None),
        ("POST", "groups/a%00b/members", {}, 404, "not_found", None),
    ],
)
def test_directory(
    platform: Platform, method: str, path: str, body: Any, status: int, code: str, field: str | None
) -> None:
    problem(platform.http.request(method, f"/v1/directory/{path}", json=body), status, code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"name": "k"}, "invalid_input", "scopes"),
        ({"name": "k", "scopes": []}, "invalid_input", "scopes"),
        ({"name": "k", "scopes": ["ask", "fly"]}, "invalid_input", "scopes"),
        ({"name": " ", "scopes": ["ask"]}, "invalid_input", "name"),
        ({"name": "a\u0000b", "scopes": ["ask"]}, "invalid_input", "name"),
        ({"name": "k", "scopes": ["ask"], "user": "group:hr"}, "invalid_input", "user"),
        ({"name": "k", "scopes": ["ask"], "expires_at": "2000-01-01T00:00:00Z"}, "invalid_input", "expires_at"),
        ({"name": "k", "scopes": ["ask"], "expires_at": "2999-01-01T00:00:00"}, "invalid_input", "expires_at"),
        ({"name": "k", "scopes": ["ask"], "expires_at": "9999-12-31T23:59:59-14:00"}, "invalid_input", "expires_at"),
        ({"name": "k", "scopes": ["ask"], "secret": "mine"}, "unknown_field", "secret"),
    ],
)
def test_keys(platform: Platform, body: Any, code: str, field: str) -> None:
    before = platform.ok("GET", "/v1/keys")
    problem(platform.http.post("/v1/keys", json=body), 422, code, field)
    assert len(platform.ok("GET", "/v1/keys")["keys"]) == len(before["keys"])


@pytest.mark.parametrize(
    ("query", "field"),
    [("user=bob&document=x", "user"), ("user=group:hr&document=x", "user"), ("user=user:bob", "document")],
)
def test_explain(platform: Platform, query: str, field: str) -> None:
    problem(platform.http.get(f"/v1/access/explain?{query}"), 422, "invalid_input", field)


# --- who asks ------------------------------------------------------------------------------------------


def test_the_authorization_header(platform: Platform) -> None:
    good = platform.http.headers["Authorization"].encode()
    typo = good[:-1] + (b"0" if good[-1:] != b"0" else b"1")
    refused: list[list[bytes]] = [
        [], [b""], [b"Bearer"], [good.removeprefix(b"Bearer ")], [b"Basic " + good[7:]], [typo], [b"Bearer vouch_x"],
        [good + b" x"], [b"Bearer \xff\xfe"], [good + b"c3a9"],
        [good, good], [good, b"Bearer x"], [b"Bearer x", good],
    ]  # fmt: skip
    with httpx.Client(base_url=platform.http.base_url) as anyone:
        for values in refused:
            response = anyone.get("/v1/sources", headers=[(b"Authorization", value) for value in values])
            problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == "Bearer"
        small = [(b"authorization", good.replace(b"Bearer", b"bearer"))]
        assert anyone.get("/v1/sources", headers=small).status_code == 200


def test_the_header_that_names_the_user(platform: Platform) -> None:
    def search(*users: bytes) -> httpx.Response:
        return platform.http.post("/v1/search", headers=[(b"X-Vouch-As", user) for user in users], json={"query": "x"})

    assert search(b"user:alice").status_code == 200
    for garbled in (
        b"",
        b"alice",
        b"group:staff",
        b"authenticated",
        b"user:",
        b"user:a b",
        b"USER:alice",
        b"user:\xff",
    ):
        problem(search(garbled), 401, "unauthenticated")
    problem(search(b"user:alice", b"user:bob"), 401, "unauthenticated")
    problem(search(b"user:alice", b"user:alice"), 401, "unauthenticated")
    problem(search(b"user:alice, user:bob"), 401, "unauthenticated")
    problem(search(b"user:unknown"), 401, "unauthenticated")
    problem(search(), 403, "acts_for_nobody")


def test_the_platform_is_in_order_after_all_this(platform: Platform) -> None:
    platform.pushed("box", "last", "The last word is persimmon.", "authenticated")
    assert "persimmon" in platform.search("bob", "what is the last word", limit=1)[0]["text"]
    assert platform.verified().clean


def test_nobody_gets_a_body_read(platform: Platform) -> None:
    """Without a credential the answer is 401 whatever the body is, and comes before the body is taken in."""

    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 65536

    bare = httpx.Client(base_url=platform.http.base_url)
    problem(bare.post("/v1/ask", content=b"{garbage"), 401, "unauthenticated")
    with contextlib.suppress(httpx.WriteError):  # the server closes on us, as it should
        problem(bare.post("/v1/ask", content=endless()), 401, "unauthenticated")
