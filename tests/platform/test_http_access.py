"""Who may see what, over HTTP: one answer for forbidden and missing, and revocation that holds for the next request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from tests.platform.conftest import Platform, acting, problem
from vouch.catalog.epoch import token as token_of

ABSENT = "01a1fcd9-a730-7b58-b619-3ad047ed8908"
_number = count(1)


@dataclass
class Secret:
    """A document that alice may read by way of her group, and all she has got from it."""

    platform: Platform
    source: str
    external_id: str
    group: str
    question: str
    fact: str
    document_id: str
    answer: Any

    @property
    def path(self) -> str:
        return f"/v1/sources/{self.source}/documents/{self.external_id}"

    def reads(self) -> list[httpx.Response]:
        """Every way to the document, and to what was made from it."""
        get = self.platform.get
        return [
            get("alice", f"/v1/documents/{self.document_id}"),
            get("alice", f"/v1/documents/{self.document_id}/text"),
            get("alice", f"/v1/answers/{self.answer['answer_id']}"),
            get("alice", f"/v1/answers/{self.answer['answer_id']}/citations"),
            self.platform.post("alice", f"/v1/answers/{self.answer['answer_id']}/feedback", helpful=True),
        ]

    def is_gone(self) -> None:
        """Nothing of it is shown to alice, by the very next requests."""
        for response in self.reads():
            problem(response, 404, "not_found")
        assert self.fact not in json.dumps(self.platform.search("alice", self.question))
        again = self.platform.ask("alice", self.question)
        assert self.fact not in json.dumps(again) and self.document_id not in json.dumps(again)
        trace = self.platform.get("alice", f"/v1/traces/{self.answer['trace_id']}").json()
        assert trace["answer"] is None and trace["passages"] == []
        assert self.document_id not in json.dumps(trace) and self.fact not in json.dumps(trace)


@pytest.fixture
def secret(platform: Platform) -> Secret:
    """Each test has its own: a document about another bird, asked about before anything is revoked."""
    n = next(_number)
    bird = ("kestrel", "bittern", "wheatear", "dunnock", "redpoll", "fulmar", "gannet", "plover")[n % 8]
    group, fact = f"watchers{n}", f"on the {n + 20}th of March"
    platform.ok("PUT", f"/v1/directory/groups/inner{n}", json={"name": "Inner", "members": ["user:alice"]})
    platform.ok("PUT", f"/v1/directory/groups/{group}", json={"name": "Outer", "members": [f"group:inner{n}"]})
    source = platform.source(f"birds{n}")
    platform.pushed(source, bird, f"# The {bird}\n\nThe first {bird} of the year was seen {fact}.\n", f"group:{group}")
    question = f"When was the first {bird} of the year seen?"
    (hit, *_) = platform.search("alice", question)
    made = Secret(platform, source, bird, group, question, fact, hit["document_id"], platform.ask("alice", question))
    assert made.answer["kind"] == "answer" and fact in made.answer["text"]
    assert [response.status_code for response in made.reads()] == [200, 200, 200, 200, 204]
    return made


# --- revocation --------------------------------------------------------------------------------------


def _leave_the_group(secret: Secret) -> Any:
    inner = secret.group.replace("watchers", "inner")
    return secret.platform.ok("POST", f"/v1/directory/groups/{inner}/members", json={"remove": ["user:alice"]})


def _cut_the_nesting(secret: Secret) -> Any:
    return secret.platform.ok("PUT", f"/v1/directory/groups/{secret.group}", json={"name": "Outer", "members": []})


def _delete_the_group(secret: Secret) -> Any:
    return secret.platform.ok("DELETE", f"/v1/directory/groups/{secret.group}")


def _replace_access(secret: Secret) -> Any:
    return secret.platform.ok("PUT", f"{secret.path}/access", json=[{"allow": ["user:bob"]}])


def _deny(secret: Secret) -> Any:
    clauses = [{"allow": [f"group:{secret.group}"]}, {"allow": ["authenticated"], "deny": ["user:alice"]}]
    return secret.platform.ok("PUT", f"{secret.path}/access", json=clauses)


def _withdraw_access(secret: Secret) -> Any:
    return secret.platform.ok("PUT", f"{secret.path}/access", json=[])


def _push_anew_for_nobody(secret: Secret) -> Any:
    return secret.platform.ok("PUT", secret.path, json={"text": f"Seen {secret.fact}, says the older one."})


def _delete(secret: Secret) -> Any:
    return secret.platform.ok("DELETE", secret.path)


@pytest.mark.parametrize(
    "revoke",
    [
        _leave_the_group, _cut_the_nesting, _delete_the_group, _replace_access, _deny, _withdraw_access,
        _push_anew_for_nobody, _delete,
    ],
)  # fmt: skip
def test_revocation_holds_for_the_very_next_request(secret: Secret, revoke: Callable[[Secret], Any]) -> None:
    assert revoke(secret)["authz_token"]
    secret.is_gone()


def test_a_deleted_source_takes_everything_along(secret: Secret) -> None:
    assert secret.platform.http.delete(f"/v1/sources/{secret.source}").status_code == 204
    secret.is_gone()


def test_what_is_granted_again_is_there_again(secret: Secret) -> None:
    _leave_the_group(secret)
    secret.is_gone()
    inner = secret.group.replace("watchers", "inner")
    secret.platform.ok("POST", f"/v1/directory/groups/{inner}/members", json={"add": ["user:alice"]})
    assert [response.status_code for response in secret.reads()] == [200, 200, 200, 200, 204]
    assert secret.fact in json.dumps(secret.platform.search("alice", secret.question))


def test_a_user_who_is_not_active_is_nobody(platform: Platform, secret: Secret) -> None:
    platform.ok("PUT", "/v1/directory/users/alice", json={"name": "Alice", "active": False})
    try:
        for response in [
            *secret.reads(),
            platform.post("alice", "/v1/search", query=secret.question),
            platform.post("alice", "/v1/ask", question=secret.question),
            platform.get("alice", f"/v1/traces/{secret.answer['trace_id']}"),
        ]:
            problem(response, 401, "unauthenticated")
    finally:
        platform.ok("PUT", "/v1/directory/users/alice", json={"name": "Alice"})
    assert platform.get("alice", f"/v1/documents/{secret.document_id}").status_code == 200


def test_a_deleted_user_loses_their_memberships_too(platform: Platform) -> None:
    platform.ok("PUT", "/v1/directory/users/eve", json={"name": "Eve"})
    platform.ok("PUT", "/v1/directory/groups/brief", json={"name": "Brief", "members": ["user:eve"]})
    platform.pushed(platform.source("brief"), "b", "The brief passphrase is heliotrope.", "group:brief")
    assert platform.search("eve", "brief passphrase")
    platform.ok("DELETE", "/v1/directory/users/eve")
    problem(platform.post("eve", "/v1/search", query="brief passphrase"), 401, "unauthenticated")
    platform.ok("PUT", "/v1/directory/users/eve", json={"name": "Another Eve"})
    assert platform.search("eve", "brief passphrase") == []


# --- what may not be seen is not there ---------------------------------------------------------------


def _without_ids(answer: Any) -> Any:
    """An answer less what is another with every request."""
    return {name: value for name, value in answer.items() if name not in ("answer_id", "trace_id")}


def test_a_forbidden_topic_reads_like_an_absent_one(platform: Platform) -> None:
    """The words differ only in the topic: everything else of bob's two answers is the same, byte for byte."""
    source = platform.source("topics")
    platform.pushed(source, "zephyr", "# Zephyr\n\nProject zephyr is launched in Oslo in June.\n", "group:staff")
    platform.pushed(
        source, "open", "# Projects\n\nEvery project is launched after a review by two people.\n", "authenticated"
    )
    asked = "Where is project {} launched?"
    assert "Oslo" in platform.ask("alice", asked.format("zephyr"))["text"]
    forbidden, absent = (platform.ask("bob", asked.format(name)) for name in ("zephyr", "quokka"))
    assert forbidden["kind"] == absent["kind"] == "abstention"
    assert json.dumps(_without_ids(forbidden)).replace("zephyr", "quokka") == json.dumps(_without_ids(absent))
    traces = [platform.get("bob", f"/v1/traces/{one['trace_id']}").json() for one in (forbidden, absent)]
    assert [set(trace) for trace in traces] == [set(traces[0])] * 2
    assert {one["document_id"] for one in traces[0]["candidates"]} == {
        one["document_id"] for one in traces[1]["candidates"]
    }
    assert traces[0]["refused"] == traces[1]["refused"] == []


def test_scores_do_not_tell_of_what_may_not_be_seen(platform: Platform) -> None:
    """A word's weight is counted over what the asker may read, so hidden documents move no score."""
    source = platform.source("scores")
    platform.pushed(source, "seen", "The marmalade recipe needs oranges.", "authenticated")
    before = platform.search("bob", "marmalade recipe", mode="lexical", rerank=False)
    for n in range(3):
        platform.pushed(source, f"hidden{n}", f"Secret marmalade recipe number {n}.", "group:staff")
    assert platform.search("bob", "marmalade recipe", mode="lexical", rerank=False) == before
    assert len(platform.search("alice", "marmalade recipe", mode="lexical", rerank=False)) == len(before) + 3


def test_forbidden_and_missing_objects_give_the_same_bytes_and_headers(platform: Platform, secret: Secret) -> None:
    answer, trace = secret.answer["answer_id"], secret.answer["trace_id"]
    for path, there in (
        ("/v1/documents/{}", secret.document_id),
        ("/v1/documents/{}/text", secret.document_id),
        ("/v1/answers/{}", answer),
        ("/v1/answers/{}/citations", answer),
    ):
        forbidden, missing = (platform.get("bob", path.format(id_)) for id_ in (there, ABSENT))
        problem(forbidden, 404, "not_found")
        assert forbidden.content == missing.content, path
        assert _headers(forbidden) == _headers(missing), path
    for id_ in (answer, ABSENT):
        said = platform.post("bob", f"/v1/answers/{id_}/feedback", helpful=False)
        assert problem(said, 404, "not_found") == missing.json()
    # bob's own key, without the scope admin: an administrator's sees how a question went, though no content.
    with _client(platform, scopes=["ask"], user="user:bob") as bob:
        forbidden, missing = (bob.get(f"/v1/traces/{id_}") for id_ in (trace, ABSENT))
        problem(forbidden, 404, "not_found")
        assert forbidden.content == missing.content and _headers(forbidden) == _headers(missing)
    for path in (f"/v1/jobs/{ABSENT}", f"/v1/jobs/{ABSENT}/events", f"/v1/sources/{ABSENT}", "/v1/jobs/%00"):
        assert problem(platform.http.get(path), 404, "not_found") == missing.json()


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "date"}


def _client(platform: Platform, **key: Any) -> httpx.Client:
    made = platform.ok("POST", "/v1/keys", json={"name": "a key of its own", **key})["key"]
    return httpx.Client(base_url=platform.http.base_url, headers={"Authorization": f"Bearer {made}"}, timeout=30)


def test_an_administrator_reads_no_content(platform: Platform, secret: Secret) -> None:
    """The key has every scope. Acting for nobody it reads nothing, and of a trace sees only how it went."""
    http = platform.http
    for response in (
        http.post("/v1/search", json={"query": secret.question}),
        http.post("/v1/ask", json={"question": secret.question}),
        http.get(f"/v1/documents/{secret.document_id}"),
        http.get(f"/v1/documents/{secret.document_id}/text"),
        http.get(f"/v1/documents/{ABSENT}"),
        http.get(f"/v1/answers/{secret.answer['answer_id']}"),
        http.get(f"/v1/answers/{secret.answer['answer_id']}/citations"),
        http.post(f"/v1/answers/{secret.answer['answer_id']}/feedback", json={"helpful": True}),
        http.get("/v1/conversations/any"),
    ):
        problem(response, 403, "acts_for_nobody")
    trace = http.get(f"/v1/traces/{secret.answer['trace_id']}").json()
    assert trace["steps"] and trace["refused"] == []
    assert trace["query"] is None and trace["answer"] is None and trace["candidates"] is None
    assert secret.fact not in json.dumps(trace) and secret.external_id not in json.dumps(trace)


@pytest.mark.parametrize(
    ("scope", "calls"),
    [
        ("ask", [("POST", "/v1/search", {"query": "x"}), ("GET", f"/v1/documents/{ABSENT}", None)]),
        ("sources", [("GET", "/v1/sources", None), ("POST", f"/v1/jobs/{ABSENT}/retry", None)]),
        ("directory", [("PUT", "/v1/directory/users/zoe", {"name": "Zoe"})]),
        ("admin", [("GET", "/v1/keys", None), ("GET", f"/v1/access/explain?user=user:bob&document={ABSENT}", None)]),
    ],
)
def test_each_scope_opens_its_own_routes_alone(
    platform: Platform, scope: str, calls: list[tuple[str, str, Any]]
) -> None:
    others = sorted({"ask", "sources", "directory", "admin", "reports", "evals"} - {scope})
    with _client(platform, scopes=[*others, "act_as"]) as without:
        for method, path, body in calls:
            problem(without.request(method, path, json=body, headers=acting("bob")), 403, "forbidden")
    with _client(platform, scopes=[scope, "act_as"]) as having:
        for method, path, body in calls:
            assert having.request(method, path, json=body, headers=acting("bob")).status_code != 403
    with _client(platform, scopes=[scope]) as alone:
        for method, path, body in calls:
            problem(alone.request(method, path, json=body, headers=acting("bob")), 403, "forbidden")  # no act_as


def test_another_asks_trace_is_shown_to_nobody_else(platform: Platform, secret: Secret) -> None:
    with _client(platform, scopes=["ask"], user="user:alice") as alice:
        trace = alice.get(f"/v1/traces/{secret.answer['trace_id']}").json()
    assert trace["query"] == secret.question and trace["refused"] is None


# --- tokens of access states -------------------------------------------------------------------------


def _at_least(platform: Platform, token: str) -> httpx.Response:
    headers = [(b"X-Vouch-As", b"user:alice"), (b"X-Vouch-At-Least", token.encode())]
    return platform.http.post("/v1/search", headers=headers, json={"query": "kestrel"})


def test_a_token_is_honoured_refused_when_ahead_and_refused_when_it_is_none(platform: Platform) -> None:
    token = platform.ok("PUT", "/v1/directory/users/bob", json={"name": "Bob"})["authz_token"]
    assert _at_least(platform, token).status_code == 200
    key, tenant = platform.settings.audit_key, platform.settings.tenant
    ahead = token_of(key, tenant, 10**9)
    answer = _at_least(platform, ahead)
    problem(answer, 409, "state_not_reached")
    assert answer.headers["retry-after"]
    forged = token_of(b"another key", tenant, 1)  # else the epoch could be found by trying numbers
    for garbage in ("garbage", "", "!!!", "AAAA", f"{token}*", token_of(key, "another", 1), forged, "é"):
        problem(_at_least(platform, garbage), 422, "invalid_input", "X-Vouch-At-Least")


def test_every_write_of_access_gives_a_later_state(platform: Platform, secret: Secret) -> None:
    def writes() -> Iterator[Any]:
        ok = platform.ok
        yield ok("PUT", "/v1/directory/users/zack", json={"name": "Zack"})
        yield ok("PUT", "/v1/directory/groups/late", json={"name": "Late"})
        yield ok("POST", "/v1/directory/groups/late/members", json={"add": ["user:zack"]})
        yield ok("PUT", f"{secret.path}/access", json=[{"allow": ["group:late"]}])
        yield ok("DELETE", secret.path)
        yield ok("DELETE", "/v1/directory/groups/late")
        yield ok("DELETE", "/v1/directory/users/zack")

    epochs = []
    for written in writes():
        assert _at_least(platform, written["authz_token"]).status_code == 200
        found = platform.post("alice", "/v1/search", query="kestrel").json()
        epochs.append(platform.get("alice", f"/v1/traces/{found['trace_id']}").json()["access"]["epoch"])
    assert epochs == sorted(set(epochs))


def test_another_issuers_users_are_their_own(platform: Platform) -> None:
    platform.ok("PUT", "/v1/directory/users/okta/00u1", json={"name": "From elsewhere"})
    platform.pushed(platform.source("okta"), "o", "The turnstile code is violet.", "user:okta/00u1")
    assert platform.search("okta/00u1", "turnstile code")
    platform.ok("PUT", "/v1/directory/users/00u1", json={"name": "From here, same id"})
    assert not re.search("violet", json.dumps(platform.search("00u1", "turnstile code")))


def test_the_index_holds_what_the_catalog_says_after_all_this(platform: Platform) -> None:
    assert platform.verified().clean
