"""Files that cannot be read: kept apart with their reason, seen nowhere, and the rest goes on."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import msoffcrypto.format.ooxml
import pytest

from tests.ingestion import made
from tests.platform.conftest import Platform, problem


def _encrypted_docx() -> bytes:
    buffer = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(made.docx_file())).encrypt("secret", buffer)
    return buffer.getvalue()


BAD = {
    "noise.txt": (bytes(random.Random(7).choices(range(1, 32), k=4000)), "unreadable"),
    "empty.md": (b" \n", "empty"),
    "locked.pdf": (made.encrypted_pdf_file(), "encrypted"),
    "locked.docx": (_encrypted_docx(), "encrypted"),
    "half.pdf": (made.pdf_file()[:-40], "truncated"),
    "half.docx": (made.docx_file()[:-400], "truncated"),
    "picture.pdf": (made.PNG, "mislabelled"),
    "office.docx": (made.pdf_file(), "mislabelled"),
    "photo.png": (made.PNG, "unsupported"),
    "scan.pdf": (made.picture_pdf_file(), "no_text"),
}
GOOD = "# Rowing\n\nThe rowing club meets at the east jetty on Sundays.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    (folder / "good.md").write_text(GOOD)
    (folder / "office.pdf").write_bytes(made.pdf_file())
    (folder / "link.md").symlink_to("/etc/hostname")
    return folder


@pytest.fixture(scope="module")
def source(platform: Platform, folder: Path) -> str:
    return platform.source("files", "filesystem", config={"path": str(folder)})


@pytest.fixture(scope="module")
def job(platform: Platform, source: str) -> Any:
    return platform.synced(source)


def _documents(platform: Platform, source: str, **query: Any) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = platform.ok("GET", f"/v1/sources/{source}/documents", params={"limit": 4, **query, **cursor})
        found += page["documents"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_the_job_names_each_file_and_its_reason(platform: Platform, job: Any) -> None:
    assert job["state"] == "succeeded"  # a bad file is no failure of the sync
    assert job["counts"]["quarantined"] == len(BAD)
    assert job["counts"]["refused"] == 1
    assert job["counts"]["published"] == 2
    errors = {error["external_id"]: error for error in job["errors"]}
    assert {name: errors[name]["reason"] for name in BAD} == {name: reason for name, (_, reason) in BAD.items()}
    assert errors["link.md"]["reason"] == "symlink"
    assert errors.keys() == BAD.keys() | {"link.md"}
    for name in BAD:
        assert errors[name]["detail"] and errors[name]["stage"] == "parse" and errors[name]["attempts"] == 1
    failed = {stage["name"]: stage["failed"] for stage in job["stages"]}
    assert failed["parse"] == len(BAD) and failed["publish"] == 0


def test_the_source_goes_on_saying_so_after_later_syncs(platform: Platform, source: str, job: Any) -> None:
    again = platform.synced(source)
    assert (again["counts"]["unchanged"], again["counts"]["quarantined"]) == (len(BAD) + 2, 0)
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"] == {
        "live": 2, "pending": 0, "quarantined": len(BAD), "readable_by_nobody": 0,
    }  # fmt: skip
    bad = _documents(platform, source, state="quarantined")
    assert {one["external_id"]: one["problem"]["reason"] for one in bad} == {
        n: reason for n, (_, reason) in BAD.items()
    }
    assert all(one["version"] is None and one["state"] == "quarantined" for one in bad)
    everything = _documents(platform, source)
    assert [one["external_id"] for one in everything] == sorted(one["external_id"] for one in everything)
    assert len(everything) == len(BAD) + 2
    assert [one["external_id"] for one in _documents(platform, source, state="live")] == ["good.md", "office.pdf"]
    problem(platform.http.get(f"/v1/sources/{source}/documents?state=lost"), 422, "invalid_input", "state")
    problem(platform.http.get(f"/v1/sources/{source}/documents?cursor=AA"), 422, "invalid_input", "cursor")


def test_what_is_quarantined_is_seen_nowhere_and_the_rest_is_found(platform: Platform, source: str, job: Any) -> None:
    hits = platform.search("alice", "rowing club office guide picture secret", limit=100, filter={"source": [source]})
    assert {hit["external_id"] for hit in hits} == {"good.md", "office.pdf"}
    assert "east jetty" in platform.ask("bob", "Where does the rowing club meet?")["text"]
    for one in _documents(platform, source, state="quarantined"):
        problem(platform.get("alice", f"/v1/documents/{one['document_id']}"), 404, "not_found")
        problem(platform.get("alice", f"/v1/documents/{one['document_id']}/text"), 404, "not_found")
    assert platform.verified().clean


def test_a_file_put_right_is_read_and_one_gone_wrong_keeps_its_good_version(
    platform: Platform, source: str, job: Any, folder: Path
) -> None:
    (folder / "empty.md").write_text("# Regatta\n\nThe regatta starts at noon.\n")
    (folder / "good.md").write_bytes(made.PNG)
    again = platform.synced(source)
    assert (again["counts"]["changed"], again["counts"]["published"], again["counts"]["quarantined"]) == (2, 1, 1)
    reasons = {error["external_id"]: error["reason"] for error in again["errors"]}
    assert reasons == {"good.md": "mislabelled", "link.md": "symlink"}
    assert "noon" in json.dumps(platform.search("bob", "When does the regatta start?", limit=1))
    assert "east jetty" in json.dumps(platform.search("bob", "Where does the rowing club meet?", limit=1))
    shown = {one["external_id"]: one for one in _documents(platform, source)}
    assert shown["empty.md"]["problem"] is None and shown["empty.md"]["state"] == "live"
    assert shown["good.md"]["problem"]["reason"] == "mislabelled"
    assert (shown["good.md"]["state"], shown["good.md"]["version"]) == ("live", 1)
    (folder / "good.md").write_text(GOOD)
    assert platform.synced(source)["state"] == "succeeded"
    assert {one["external_id"]: one["problem"] for one in _documents(platform, source)}["good.md"] is None


def test_a_retry_tries_the_bad_ones_alone(platform: Platform, source: str, job: Any) -> None:
    platform.ok("POST", f"/v1/jobs/{job['job_id']}/retry")
    again = platform.ended(job["job_id"])
    assert again["state"] == "succeeded"
    still = {error["external_id"] for error in again["errors"]} - {"link.md"}
    assert still == BAD.keys() - {"empty.md"}


def test_a_bad_push_fails_its_job_and_shows_nothing(platform: Platform) -> None:
    pushed = platform.source("pushes")
    job = platform.ok(
        "PUT", f"/v1/sources/{pushed}/documents/x.pdf", files={"file": ("x.pdf", BAD["half.pdf"][0])},
        data={"access": '[{"allow": ["authenticated"]}]'},
    )  # fmt: skip
    ended = platform.ended(job["job_id"])
    (error,) = ended["errors"]
    assert (ended["state"], error["external_id"], error["reason"]) == ("failed", "x.pdf", "truncated")
    assert platform.search("alice", "office guide", filter={"source": [pushed]}) == []


def test_a_folder_without_rules_is_ingested_counted_and_readable_by_nobody(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "plan.md").write_text("# Plan\n\nThe lighthouse is painted in August.\n")
    (tmp_path / "ruled").mkdir()
    (tmp_path / "ruled" / "plan.md").write_text("# Plan\n\nThe pier is painted in July.\n")
    (tmp_path / "ruled" / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    source = platform.source("loose", "filesystem", config={"path": str(tmp_path)})
    job = platform.synced(source)
    assert (job["state"], job["counts"]["published"], job["counts"]["unreadable"]) == ("succeeded", 2, 1)
    assert job["errors"] == []
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["readable_by_nobody"] == 1
    loose = {one["external_id"]: one for one in _documents(platform, source)}["loose/plan.md"]
    assert loose["readable_by_nobody"] and loose["state"] == "live"
    for user in ("alice", "bob"):
        hits = platform.search(user, "painted in August", filter={"source": [source]})
        assert {hit["external_id"] for hit in hits} == {"ruled/plan.md"}
        problem(platform.get(user, f"/v1/documents/{loose['document_id']}"), 404, "not_found")
    why = platform.ok("GET", "/v1/access/explain", params={"user": "user:alice", "document": loose["document_id"]})
    assert why["decision"] == "denied" and "nobody" in why["reasons"][0]

    (tmp_path / "loose" / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    access = platform.synced(source, "access")
    assert (access["counts"]["access_changed"], access["counts"]["unreadable"]) == (1, 0)
    assert "August" in json.dumps(platform.search("alice", "lighthouse painted", filter={"source": [source]}))
    assert "August" not in json.dumps(platform.search("bob", "lighthouse painted", filter={"source": [source]}))


def test_a_deny_that_nobody_can_map_closes_its_folder_alone_and_is_shown(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "shut").mkdir()
    (tmp_path / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    (tmp_path / "open" / "a.md").write_text("# Ferry\n\nThe ferry crosses at dawn.\n")
    (tmp_path / "shut" / "b.md").write_text("# Ferry\n\nThe ferry rests at dusk.\n")
    source = platform.source("ferry", "filesystem", config={"path": str(tmp_path)})
    platform.synced(source)
    (tmp_path / "shut" / ".vouch.yaml").write_text("access: {allow: [group:staff], deny: [group:okta/leavers]}\n")
    job = platform.synced(source, "access")
    assert (job["state"], job["counts"]["quarantined"]) == ("succeeded", 1)
    (error,) = job["errors"]
    assert (error["external_id"], error["reason"]) == ("shut/b.md", "deny_unmapped")
    assert "group:okta/leavers" in error["detail"]
    (shut,) = _documents(platform, source, state="quarantined")
    assert shut["problem"] == {"reason": "deny_unmapped", "detail": error["detail"]}
    assert (shut["state"], shut["version"], shut["readable_by_nobody"]) == ("quarantined", 1, True)
    assert [one["external_id"] for one in _documents(platform, source, state="live")] == ["open/a.md"]
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"] == {
        "live": 1, "pending": 0, "quarantined": 1, "readable_by_nobody": 0,
    }  # fmt: skip
    hits = platform.search("alice", "When does the ferry cross or rest?", filter={"source": [source]})
    assert {hit["external_id"] for hit in hits} == {"open/a.md"}
    problem(platform.get("alice", f"/v1/documents/{shut['document_id']}"), 404, "not_found")
    why = platform.ok("GET", "/v1/access/explain", params={"user": "user:alice", "document": shut["document_id"]})
    assert why["decision"] == "denied" and "group:okta/leavers" in why["reasons"][0]

    (tmp_path / "shut" / ".vouch.yaml").write_text("access: {allow: [group:staff], deny: [group:leavers]}\n")
    again = platform.synced(source, "access")
    assert (again["counts"]["quarantined"], again["errors"]) == (0, [])
    # What is granted is found once the index has followed, which no job waits for.
    platform.until(
        lambda: "dusk" in json.dumps(platform.search("alice", "When does the ferry rest?", filter={"source": [source]}))
    )


def test_the_access_of_a_folder_of_pushed_documents_changes_at_once(platform: Platform) -> None:
    source = platform.source("bulk")
    for name in ("handbook/leave.md", "handbook/pay.md", "notes.md"):
        platform.pushed(source, name, f"The gardener waters the {name} orchids.", "group:staff")
    path = f"/v1/sources/{source}/access"
    done = platform.ok("PUT", path, params={"prefix": "handbook/"}, json=[{"allow": ["user:bob"]}])
    assert done["documents"] == 2

    def seen(user: str) -> set[str]:
        headers = {"headers": {"X-Vouch-At-Least": done["authz_token"], "X-Vouch-As": f"user:{user}"}}
        body = {"query": "Who waters the orchids?", "filter": {"source": [source]}}
        return {hit["external_id"] for hit in platform.ok("POST", "/v1/search", json=body, **headers)["hits"]}

    assert seen("alice") == {"notes.md"}
    assert platform.until(lambda: "handbook/pay.md" in seen("bob"))
    assert seen("bob") >= {"handbook/leave.md", "handbook/pay.md"}
    assert platform.ok("PUT", path, params={"prefix": "nothing"}, json=[])["documents"] == 0
    clause = [{"allow": ["bob"]}]
    problem(platform.http.put(path, params={"prefix": "h"}, json=clause), 422, "invalid_input", "access.0.allow")
    problem(platform.http.put(path, json=[]), 422, "invalid_input", "prefix")
    problem(platform.http.put(path, params={"prefix": "a\x00"}, json=[]), 422, "invalid_input", "prefix")
    assert seen("alice") == {"notes.md"}, "what is refused changes nothing"


def test_a_push_with_a_bad_principal_is_refused_by_field_and_stores_nothing(platform: Platform) -> None:
    source = platform.source("refused")
    for clause, field in (
        ({"allow": ["authenticated"], "deny": ["mallory"]}, "access.1.deny"),
        ({"allow": ["alice@example.org"]}, "access.1.allow"),
        ({"allow": ["user:alice@example.org"]}, "access.1.allow"),
        ({"allow": ["team:hr"]}, "access.1.allow"),
    ):
        body = {"text": "The vault is behind the mirror.", "access": [{"allow": ["authenticated"]}, clause]}
        sent = platform.http.put(f"/v1/sources/{source}/documents/x", json=body)
        problem(sent, 422, "invalid_input", field)
    assert _documents(platform, source) == []
