"""The audit log of a running platform: what people did is on it, and `vouch audit verify` finds what was done to it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Vouch
from tests.platform.conftest import Platform, acting, problem
from vouch.embedded.addresses import database_url
from vouch.embedded.platform import SCHEDULER

QUESTION = "Where do visitors sign in?"
TEXT = "Visitors sign in at the front desk and wear a badge.\n\nThe kitchen is on the third floor."


@pytest.fixture(scope="module")
def office(platform: Platform) -> str:
    """A document that everyone may read; its id."""
    source = platform.source("office")
    platform.pushed(source, "visitors", TEXT, "authenticated")
    return str(platform.search("alice", "visitors")[0]["document_id"])


@pytest.fixture
def vouch(platform: Platform) -> Vouch:
    return Vouch(platform.settings.data_dir, {"VOUCH_URL": str(platform.http.base_url)} | _key(platform))


def _key(platform: Platform) -> dict[str, str]:
    return {"VOUCH_API_KEY": platform.http.headers["Authorization"].removeprefix("Bearer ")}


def entries(platform: Platform, **wanted: Any) -> list[Any]:
    """All that fit, oldest first; fetched two at a time."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        query = {**wanted, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = platform.ok("GET", "/v1/audit", params=query)
        found += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found[::-1]


def _id(platform: Platform, source: str) -> str:
    (document,) = platform.ok("GET", f"/v1/sources/{source}/documents")["documents"]
    return str(document["document_id"])


def superuser(platform: Platform, *statements: str) -> None:
    with psycopg.connect(database_url(platform.settings), autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER only_added")
        for statement in statements:
            connection.execute(statement)
        connection.execute("ALTER TABLE audit_entry ENABLE TRIGGER only_added")


def test_who_was_shown_what_is_on_the_log(platform: Platform, office: str) -> None:
    (found,) = platform.ok("POST", "/v1/search", headers=acting("bob"), json={"query": "front desk", "limit": 1})[
        "hits"
    ]
    answer = platform.ask("bob", QUESTION)
    empty = platform.ask("bob", "What is the boiling point of tungsten?")
    for path in (
        f"/v1/documents/{office}", f"/v1/documents/{office}/text?start=0&end=8",
        f"/v1/answers/{answer['answer_id']}", f"/v1/answers/{answer['answer_id']}/citations",
        f"/v1/traces/{answer['trace_id']}",
    ):  # fmt: skip
        assert platform.get("bob", path).status_code == 200
    feedback = platform.post("bob", f"/v1/answers/{answer['answer_id']}/feedback", helpful=True)
    assert feedback.status_code == 204
    platform.ok("GET", "/v1/access/explain", params={"user": "user:bob", "document": office})

    log = entries(platform, actor="user:bob")
    assert [entry["action"] for entry in log] == [
        "search", "ask", "ask", "document.read", "text.read", "answer.read", "answer.read", "trace.read",
        "answer.feedback",
    ]  # fmt: skip
    shown = {office: found["version"]}
    assert [entry["detail"].get("documents") for entry in log] == [
        shown, shown, {}, shown, shown, shown, shown, shown, None,
    ]  # fmt: skip
    assert [entry["detail"].get("kind") for entry in log][1:3] == ["answer", "abstention"]
    assert log[2]["subject"] == f"answer:{empty['answer_id']}"
    assert log[4]["detail"]["span"] == [0, 8]
    assert all(entry["detail"]["epoch"] > 0 for entry in log)
    (key,) = {entry["actor"].partition(" via ")[2] for entry in log}
    assert key.startswith("key:")
    told = json.dumps(log)
    for secret in (QUESTION, "front desk", "Visitors", "tungsten"):
        assert secret not in told

    (explained,) = entries(platform, action="access.explain")
    assert (explained["actor"], explained["subject"]) == (key, f"document:{office}")
    assert explained["detail"]["user"] == "user:bob"
    about = [entry["seq"] for entry in entries(platform, document=office, actor="user:bob")]
    assert about == [entry["seq"] for entry in log if entry["detail"].get("documents")]


def test_what_was_administered_is_on_the_log_with_its_key(platform: Platform, tmp_path: Path) -> None:
    source = platform.source("deeds", owner="user:alice")
    platform.ok("PATCH", f"/v1/sources/{source}", json={"acl_max_age": "24h", "data_class": "personal"})
    path = f"/v1/sources/{source}/documents/broken"
    job = platform.ok("PUT", path, json={"content_base64": "JVBERi0x", "mime": "application/pdf"})["job_id"]
    assert platform.ended(job)["state"] == "failed"
    platform.ok("POST", f"/v1/jobs/{job}/retry")
    (pushed,) = entries(platform, action="document.push", document=_id(platform, source))
    assert (pushed["detail"]["job"], pushed["detail"]["version"]) == (job, 1)
    platform.ok("DELETE", f"/v1/sources/{source}")
    folder = platform.source("folder", "filesystem", config={"path": str(tmp_path)})
    synced = platform.synced(folder)["job_id"]
    (started,) = entries(platform, action="sync.start", subject=f"source:{folder}")
    assert started["detail"] == {"job": synced, "kind": "incremental", "confirm_deletions": False}
    assert [entry["action"] for entry in entries(platform, subject=f"source:{source}")] == [
        "source.create", "access.source", "source.change", "source.delete",
    ]  # fmt: skip
    assert [entry["action"] for entry in entries(platform, subject=f"job:{job}")] == ["job.retry"]
    made, _, changed, _ = entries(platform, subject=f"source:{source}")
    assert (made["detail"]["data_class"], changed["detail"]["fields"]) == (None, ["acl_max_age", "data_class"])
    assert (changed["detail"]["data_class"], changed["detail"]["before"]) == ("personal", None)
    assert made["actor"].startswith("key:")
    assert made["seq"] in {entry["seq"] for entry in entries(platform, actor=made["actor"], chain="use")}
    platform.ok("PUT", "/v1/directory/users/erin", json={"name": "Erin"})
    (changed,) = entries(platform, subject="user:erin")
    assert (changed["chain"], changed["action"], changed["actor"]) == ("access", "access.user", made["actor"])


def test_only_administrators_read_it(platform: Platform) -> None:
    made = platform.ok("POST", "/v1/keys", json={"name": "no admin", "scopes": ["ask", "act_as", "sources"]})
    for method, path in (
        ("GET", "/v1/audit"), ("GET", "/v1/audit/head"), ("GET", "/v1/audit/verify"), ("POST", "/v1/audit/verify"),
    ):  # fmt: skip
        response = platform.http.request(
            method, path, headers={"Authorization": f"Bearer {made['key']}"}, json={"heads": []}
        )
        problem(response, 403, "forbidden")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "bm90IG9uZQ"}, "cursor"), ({"cursor": "!"}, "cursor"), ({"limit": 0}, "limit"),
        ({"from": "2026-01-01T00:00:00"}, "from"), ({"chain": "neither"}, "chain"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused(platform: Platform, query: dict[str, Any], field: str) -> None:
    problem(platform.http.get("/v1/audit", params=query), 422, "invalid_input", field)


def test_the_command_verifies_and_names_what_is_broken(
    platform: Platform, office: str, vouch: Vouch, tmp_path: Path
) -> None:
    """Last in this module: afterwards the tenant's log is not whole."""
    file = platform.settings.data_dir / "audit" / "heads.jsonl"
    ours = f"tenant_id = '{platform.tenant}'"
    # The scheduler writes its heads down every minute, and when it starts: the next one is not waited for.
    os.kill(platform.running.supervisor.pids()[SCHEDULER], signal.SIGKILL)
    platform.until(lambda: file.exists() and platform.tenant in file.read_text())
    platform.search("alice", "visitors")
    kept = tmp_path / "heads.jsonl"
    kept.write_text(vouch.ok("audit", "head"))
    assert "search" in vouch.ok("audit", "list", "--actor", "user:alice", "--last", "1h")
    assert "The log is whole." in vouch.ok("audit", "verify")
    found = json.loads(vouch.ok("audit", "verify", "--head", str(kept), "--json"))
    assert (found["whole"], found["broken"]) == (True, [])
    assert found["heads"] >= 3
    assert platform.ok("GET", "/v1/audit/verify")["whole"]
    for wrong in ("", "not a head\n"):
        other = tmp_path / "wrong"
        other.write_text(wrong)
        assert vouch("audit", "verify", "--head", str(other)).returncode == 2

    last = json.loads(vouch.ok("audit", "head", "--json"))[1]
    assert last["chain"] == "use"
    kept.write_text(kept.read_text() + json.dumps(last) + "\n")
    superuser(
        platform,
        f"DELETE FROM audit_entry WHERE {ours} AND chain = 'use' AND seq = {last['seq']}",
        "UPDATE audit_head h SET seq = e.seq, mac = e.mac FROM audit_entry e WHERE e.chain = h.chain"
        f" AND e.tenant_id = h.tenant_id AND h.{ours} AND h.chain = 'use' AND e.seq = {last['seq'] - 1}",
    )
    cut = vouch("audit", "verify", "--head", str(kept))
    assert cut.returncode == 1
    assert f"use {last['seq']}: truncated" in cut.stdout

    superuser(platform, f"UPDATE audit_entry SET subject = 'user:nobody' WHERE {ours} AND chain = 'access' AND seq = 2")
    edited = vouch("audit", "verify", "--json")
    assert edited.returncode == 1
    broken = json.loads(edited.stdout)["broken"]
    assert ("access", 2, "edited") in {(one["chain"], one["seq"], one["what"]) for one in broken}
