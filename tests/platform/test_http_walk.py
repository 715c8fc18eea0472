"""The REST API as its users call it, in the shapes that are promised to them: from a folder to a cited answer."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.ingestion import made
from tests.platform.conftest import Platform, acting, problem

LEAVE = """# Parental leave

Every parent may take 20 weeks of paid parental leave. 🏨 Requests are made eight weeks ahead in Zürich.

## Part time

Parents may work part time for a year after the leave ends.
"""
TRAVEL = "# Travel\n\nHotels are reimbursed up to 140 euros per night. Trains are booked ten days ahead.\n"
SAFETY = "# Feuer\n\nBei Feuer verlassen alle Personen das Gebäude über die Treppe und sammeln sich am Parkplatz.\n"
HOTEL = "How much is reimbursed for a hotel per night?"
WEEKS = "How many weeks of paid parental leave may a parent take?"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
HIT = {
    "document_id",
    "external_id",
    "version",
    "source_id",
    "title",
    "uri",
    "span",
    "text",
    "score",
    "scores",
    "freshness",
}
CITATION = {"n", "document_id", "external_id", "version", "title", "uri", "span", "quote", "verified", "freshness"}
ANSWER = {"answer_id", "kind", "text", "claims", "citations", "abstention", "usage", "trace_id"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parental leave for the staff alone, travel and safety for everyone, a note for nobody."""
    folder = tmp_path_factory.mktemp("handbook")
    for name, rule, files in (
        ("hr", "access: {allow: [group:staff]}\nowner: user:carol\nreview_every: 180d\n", {"leave.md": LEAVE}),
        (
            "open",
            "access: {allow: [authenticated]}\n",
            {"travel.md": TRAVEL, "feuer.md": SAFETY, "plans.csv": _plans()},
        ),
        ("loose", "", {"note.md": "# Note\n\nThe hotel safe opens with 4711.\n"}),
    ):
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text)
        if rule:
            (folder / name / ".vouch.yaml").write_text(rule)
    return folder


def _plans() -> str:
    out = io.StringIO()
    csv.writer(out).writerows(made.ROWS)
    return out.getvalue()


@pytest.fixture(scope="module")
def handbook(platform: Platform, folder: Path) -> str:
    """The folder's source, synced."""
    source = platform.source(
        "handbook", "filesystem", config={"path": str(folder)}, owner="user:carol",
        freshness={"review_every": "90d", "stale_after": "3650d", "in_search": {"expired": "drop"}}, acl_max_age="24h",
    )  # fmt: skip
    job = platform.synced(source)
    assert job["state"] == "succeeded", job
    return source


# --- sources, jobs ---------------------------------------------------------------------------------


def test_a_source_is_shown_as_it_was_made_and_listed_by_cursor(platform: Platform, handbook: str, folder: Path) -> None:
    shown = platform.ok("GET", f"/v1/sources/{handbook}")
    assert shown["id"] == handbook and UUID.fullmatch(handbook)
    assert (shown["name"], shown["kind"], shown["owner"]) == ("handbook", "filesystem", "user:carol")
    assert shown["config"]["path"] == str(folder)
    assert (shown["freshness"], shown["acl_max_age"]) == (
        {
            "review_every": "90d",
            "stale_after": "3650d",
            "expire_after": None,
            "in_search": {"due": "keep", "stale": "keep", "expired": "drop", "source_gone": "keep"},
        },
        "1d",
    )
    assert shown["documents"] == {"live": 5, "pending": 0, "quarantined": 0, "readable_by_nobody": 1}
    assert TIME.fullmatch(shown["created_at"]) and TIME.fullmatch(shown["acl_read_at"])
    assert shown["last_job"]["state"] == "succeeded"
    assert platform.ok("GET", "/v1/sources/handbook") == shown

    for name in ("a-first", "z-last"):
        platform.source(name)
    names, cursor = [], None
    while True:
        page = platform.ok("GET", "/v1/sources", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        names += [source["name"] for source in page["sources"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert names == sorted(names) and {"a-first", "handbook", "z-last"} <= set(names)


def test_a_source_that_lost_most_of_its_documents_keeps_them_until_that_is_confirmed(
    platform: Platform, tmp_path: Path
) -> None:
    for n in range(22):
        (tmp_path / f"{n}.txt").write_text(f"Note {n}.")
    source = platform.source(
        "guarded", "filesystem", config={"path": str(tmp_path)}, access_schedule="5m", priority="high"
    )
    shown = platform.ok("GET", f"/v1/sources/{source}")
    assert (shown["deletion_guard"], shown["priority"], shown["failing"]) == (0.5, "high", None)
    assert shown["access_schedule"] == "5m" and TIME.fullmatch(shown["next_access_at"])
    job = platform.synced(source)
    assert (job["progress"]["documents"], job["progress"]["done"], job["progress"]["seconds_left"]) == (22, 22, 0)
    for n in range(15):
        (tmp_path / f"{n}.txt").unlink()
    job = platform.synced(source)
    (error,) = job["errors"]
    assert (job["state"], error["reason"], error["deletions"]) == ("failed", "too_many_deletions", 15)
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["live"] == 22
    refused = platform.http.post(f"/v1/sources/{source}/syncs", json={"kind": "access", "confirm_deletions": True})
    problem(refused, 422, "invalid_input", "confirm_deletions")
    asked = platform.ok("POST", f"/v1/sources/{source}/syncs", json={"kind": "full", "confirm_deletions": True})
    job = platform.ended(asked["job_id"])
    assert (job["state"], job["counts"]["deleted"]) == ("succeeded", 15)
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["live"] == 7
    changed = platform.ok("PATCH", f"/v1/sources/{source}", json={"deletion_guard": 0.9, "access_schedule": None})
    assert (changed["deletion_guard"], changed["next_access_at"], changed["priority"]) == (0.9, None, "high")


def test_many_documents_are_pushed_at_once_each_for_itself(platform: Platform) -> None:
    source = platform.source("bulk")
    staff = [{"allow": ["group:staff"]}]
    sent = [
        {"external_id": "a/one.md", "text": "The regatta starts at the north pier.", "access": staff},
        {"external_id": "two", "text": "x", "owner": "carol"},
        {"external_id": "three", "content_base64": base64.b64encode(b"The regatta has forty boats.").decode(),
         "mime": "text/plain", "access": staff},
        {"text": "no id"},
    ]  # fmt: skip
    body = "\n".join([*map(json.dumps, sent), "", "{nope"]).encode()
    response = platform.http.post(f"/v1/sources/{source}/documents", content=body)
    assert response.status_code == 207
    told = response.json()["documents"]
    assert [(one["line"], one["status"], one["external_id"]) for one in told] == [
        (1, 202, "a/one.md"), (2, 422, "two"), (3, 202, "three"), (4, 422, None), (6, 422, None),
    ]  # fmt: skip
    assert [one["problem"]["field"] for one in told if one["problem"]] == ["owner", "external_id", "body"]
    for one in told:
        assert one["job_id"] is None or platform.ended(one["job_id"])["state"] == "succeeded"
    found = platform.search("alice", "regatta", filter={"source": [source]})
    assert {hit["external_id"] for hit in found} == {"a/one.md", "three"}
    again = platform.http.post(f"/v1/sources/{source}/documents", content=body).json()["documents"][0]
    assert platform.ended(again["job_id"])["counts"]["unchanged"] == 1
    for content, status, code in ((b"\n \n", 422, "invalid_input"), (b"{}\n" * 1001, 413, "payload_too_large")):
        refused = platform.http.post(f"/v1/sources/{source}/documents", content=content)
        problem(refused, status, code, "body" if status == 422 else None)
    assert platform.http.post("/v1/sources/no-such/documents", content=body).status_code == 404


def test_connectors_say_what_they_are_configured_with(platform: Platform) -> None:
    kinds = {one["kind"]: one for one in platform.ok("GET", "/v1/connectors")["connectors"]}
    assert {"filesystem", "push"} <= kinds.keys()
    assert "path" in kinds["filesystem"]["config_schema"]["required"]
    assert all(one["description"] for one in kinds.values())


def test_a_source_is_changed_paused_and_deleted_with_all_it_held(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Sundial\n\nThe sundial of the courtyard is repaired in spring.\n")
    (tmp_path / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    source = platform.source("short-lived", "filesystem", config={"path": str(tmp_path)})
    assert platform.synced(source)["counts"]["new"] == 1
    (hit,) = platform.search("bob", "sundial of the courtyard", limit=1)
    changed = platform.ok("PATCH", f"/v1/sources/{source}", json={"schedule": "1h", "state": "paused"})
    assert (changed["schedule"], changed["state"]) == ("1h", "paused") and TIME.fullmatch(changed["next_sync_at"])
    problem(platform.http.post(f"/v1/sources/{source}/syncs", json={"kind": "full"}), 409, "conflict")
    assert platform.ok("PATCH", f"/v1/sources/{source}", json={"schedule": None})["next_sync_at"] is None

    assert platform.http.delete(f"/v1/sources/{source}").status_code == 204
    assert hit["document_id"] not in {one["document_id"] for one in platform.search("bob", "sundial of the courtyard")}
    problem(platform.get("bob", f"/v1/documents/{hit['document_id']}"), 404, "not_found")
    problem(platform.http.get(f"/v1/sources/{source}"), 404, "not_found")
    platform.source("short-lived", "filesystem", config={"path": str(tmp_path)})  # the name is free again


def test_what_search_does_with_what_has_aged_is_changed_and_holds_at_once(platform: Platform) -> None:
    source = platform.source("minutes", freshness={"stale_after": "30d"})
    body = {"text": "The heron room seats nine.", "modified_at": "2020-01-01T00:00:00Z"}
    path = f"/v1/sources/{source}/documents/rooms.md"
    pushed = platform.ok("PUT", path, json={**body, "access": [{"allow": ["user:bob"]}]})
    assert platform.ended(pushed["job_id"])["state"] == "succeeded"

    def found(**in_search: str) -> list[Any]:
        freshness = {"stale_after": "30d", "in_search": in_search}
        shown = platform.ok("PATCH", f"/v1/sources/{source}", json={"freshness": freshness})
        assert shown["freshness"]["in_search"].items() >= in_search.items()
        hits = platform.search("bob", "heron room", filter={"source": [source]})
        return [(hit["freshness"]["state"], hit["demoted"]) for hit in hits]

    assert found() == [("stale", None)]
    assert found(stale="drop") == []
    assert found(stale="demote", expired="drop") == [("stale", "stale")]
    assert found(stale="keep") == [("stale", None)]


def test_a_job_tells_counts_stages_and_errors_and_an_unchanged_folder_costs_nothing(
    platform: Platform, handbook: str
) -> None:
    again = platform.synced(handbook)
    assert (again["state"], again["kind"], again["source_id"]) == ("succeeded", "incremental", handbook)
    assert again["counts"]["seen"] == again["counts"]["unchanged"] == 5
    assert again["counts"]["new"] == again["counts"]["changed"] == again["counts"]["published"] == 0
    assert [stage["name"] for stage in again["stages"]] == ["scan"]
    assert again["errors"] == []
    assert all(TIME.fullmatch(again[at]) for at in ("created_at", "started_at", "finished_at"))
    access = platform.synced(handbook, "access")
    assert (access["kind"], access["state"]) == ("access", "succeeded")


def test_jobs_are_listed_newest_first_by_cursor(platform: Platform, handbook: str) -> None:
    made = [platform.synced(handbook)["job_id"] for _ in range(3)][::-1]
    first = platform.ok("GET", "/v1/jobs", params={"source_id": handbook, "limit": 2})
    assert [job["job_id"] for job in first["jobs"]] == made[:2]
    second = platform.ok("GET", "/v1/jobs", params={"source_id": handbook, "limit": 2, "cursor": first["next_cursor"]})
    assert second["jobs"][0]["job_id"] == made[2]
    assert not {job["job_id"] for job in first["jobs"]} & {job["job_id"] for job in second["jobs"]}


def _events(lines: Iterator[str]) -> list[tuple[str, Any]]:
    """Server-sent events as (event, data), comments left out."""
    found, event, data = [], "message", ""
    for line in lines:
        if line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()
        elif not line and data:
            found.append((event, json.loads(data)))
            event, data = "message", ""
    return found


def test_the_events_of_a_job_go_on_until_it_ends(platform: Platform, tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.md").write_text(f"# Page {n}\n\nPage {n} speaks of item {n * n}.\n")
    source = platform.source("watched", "filesystem", config={"path": str(tmp_path)})
    job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={})["job_id"]
    with platform.http.stream("GET", f"/v1/jobs/{job_id}/events", timeout=240) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = _events(response.iter_lines())
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    name, last = events[-1]
    assert (name, last["state"], last["counts"]["seen"]) == ("end", "succeeded", 30)
    assert last == platform.job(job_id)
    published = [job["counts"]["published"] for _, job in events]
    assert published == sorted(published) and published[-1] == 30
    with platform.http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        assert [name for name, _ in _events(response.iter_lines())] == ["end"]


def test_a_job_is_cancelled_then_taken_up_again_by_retry(platform: Platform, tmp_path: Path) -> None:
    for n in range(60):
        (tmp_path / f"{n}.md").write_text(f"# Chapter {n}\n\n" + f"Chapter {n} is about theme {n * 7}.\n\n" * 4)
    source = platform.source("cancelled", "filesystem", config={"path": str(tmp_path)})
    job_id = platform.ok("POST", f"/v1/sources/{source}/syncs", json={"kind": "full"})["job_id"]
    same = platform.ok("POST", f"/v1/sources/{source}/syncs", json={"kind": "full"})["job_id"]
    assert same == job_id  # one sync of a source at a time
    problem(platform.http.post(f"/v1/sources/{source}/syncs", json={"kind": "access"}), 409, "conflict")
    problem(platform.http.post(f"/v1/jobs/{job_id}/retry"), 409, "conflict")

    cancelled = platform.ok("POST", f"/v1/jobs/{job_id}/cancel")
    assert cancelled["state"] == "cancelled" and TIME.fullmatch(cancelled["finished_at"])
    assert all(stage["open"] == 0 for stage in cancelled["stages"])
    problem(platform.http.post(f"/v1/jobs/{job_id}/cancel"), 409, "conflict")

    assert platform.ok("POST", f"/v1/jobs/{job_id}/retry") == {"job_id": job_id}
    job = platform.ended(job_id)
    assert (job["state"], job["counts"]["quarantined"]) == ("succeeded", 0), job
    platform.synced(source)  # whatever the cancelled scan did not reach
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["live"] == 60
    problem(platform.http.post(f"/v1/jobs/{job_id}/retry"), 409, "conflict")  # nothing failed


# --- pushing ---------------------------------------------------------------------------------------


def test_documents_are_pushed_as_json_replaced_and_deleted(platform: Platform) -> None:
    source = platform.source("wiki", owner="user:carol")
    path = f"/v1/sources/{source}/documents/guides/kiln.md"
    sent = {
        "title": "The kiln", "text": "# Kiln\n\nThe kiln is fired on Thursdays.\n", "mime": "text/markdown",
        "uri": "https://wiki.example/kiln", "owner": "user:dave", "modified_at": "2026-01-02T03:04:05+02:00",
        "access": [{"allow": ["authenticated"], "deny": ["user:mallory"]}],
    }  # fmt: skip
    answer = platform.http.put(path, json=sent)
    assert answer.status_code == 202
    job = platform.ended(answer.json()["job_id"])
    assert (job["kind"], job["state"], job["counts"]["new"]) == ("push", "succeeded", 1)

    (hit,) = platform.search("bob", "when is the kiln fired", limit=1)
    assert (hit["external_id"], hit["title"], hit["version"]) == ("guides/kiln.md", "The kiln", 1)
    assert (hit["uri"], hit["freshness"]["modified_at"]) == ("https://wiki.example/kiln", "2026-01-02T01:04:05Z")
    document = platform.get("bob", f"/v1/documents/{hit['document_id']}").json()
    assert (document["owner"], document["mime"], document["source_id"]) == ("user:dave", "text/markdown", source)

    unchanged = platform.ended(platform.ok("PUT", path, json=sent)["job_id"])
    assert (unchanged["counts"]["unchanged"], unchanged["counts"]["published"]) == (1, 0)
    base64_text = base64.b64encode(b"# Kiln\n\nThe kiln is fired on Saturdays.\n").decode()
    again = {k: v for k, v in sent.items() if k != "text"} | {"content_base64": base64_text}
    assert platform.ended(platform.ok("PUT", path, json=again)["job_id"])["counts"]["changed"] == 1
    (hit,) = platform.search("bob", "when is the kiln fired", limit=1)
    assert hit["version"] == 2 and "Saturdays" in hit["text"]

    deleted = platform.ok("DELETE", path)
    assert deleted["authz_token"]
    assert hit["document_id"] not in {one["document_id"] for one in platform.search("bob", "when is the kiln fired")}
    problem(platform.http.delete(path), 404, "not_found")


@pytest.mark.parametrize(("name", "words"), [("office.pdf", "booked"), ("travel.docx", "trains")])
def test_files_are_pushed_as_multipart(platform: Platform, name: str, words: str) -> None:
    source = platform.source(f"upload-{name}")
    data = {"office.pdf": made.pdf_file, "travel.docx": made.docx_file}[name]()
    job = platform.ok(
        "PUT", f"/v1/sources/{source}/documents/{name}",
        files={"file": (name, data)}, data={"title": f"Uploaded {name}", "access": '[{"allow": ["group:staff"]}]'},
    )  # fmt: skip
    assert platform.ended(job["job_id"])["state"] == "succeeded"
    (hit, *_) = platform.search("alice", words, filter={"source": [source]})
    assert (hit["external_id"], hit["title"]) == (name, f"Uploaded {name}") and words in hit["text"]
    assert platform.search("bob", words, filter={"source": [source]}) == []


def test_a_document_pushed_without_access_is_readable_by_nobody_until_it_is_set(platform: Platform) -> None:
    source = platform.source("silent")
    path = f"/v1/sources/{source}/documents/q"
    job = platform.ended(platform.ok("PUT", path, json={"text": "The quince tree stands by the gate."})["job_id"])
    assert (job["state"], job["counts"]["unreadable"]) == ("succeeded", 1)
    assert platform.ok("GET", f"/v1/sources/{source}")["documents"]["readable_by_nobody"] == 1
    assert platform.search("alice", "quince tree", filter={"source": [source]}) == []
    token = platform.ok("PUT", f"{path}/access", json=[{"allow": ["user:alice"]}])["authz_token"]
    found = platform.http.post(
        "/v1/search", headers={**acting("alice"), "X-Vouch-At-Least": token},
        json={"query": "quince tree", "filter": {"source": [source]}},
    )  # fmt: skip
    assert found.status_code == 200


def test_a_citation_holds_for_the_version_that_it_names(platform: Platform) -> None:
    source = platform.source("versions")
    platform.pushed(source, "bell", "# Bell\n\nThe bell of the chapel rings at seven.\n", "authenticated")
    answer = _checked(platform, "bob", platform.ask("bob", "When does the bell of the chapel ring?"))
    platform.pushed(source, "bell", "# Bell\n\nNews. The bell of the chapel rings at nine.\n", "authenticated")
    (citation,) = answer["citations"]
    assert citation["version"] == 1 and _text(platform, "bob", citation) == citation["quote"]
    kept = platform.get("bob", f"/v1/answers/{answer['answer_id']}").json()
    assert kept["citations"][0]["quote"] == citation["quote"]
    now = _checked(platform, "bob", platform.ask("bob", "When does the bell of the chapel ring?"))
    assert "nine" in now["text"] and now["citations"][0]["version"] == 2


@pytest.mark.parametrize("name", ["a/b c/ü#1?.md", "…/..", "100%", "x" * 1000, " ", "a//b", "🏨", "access", "a+b&c=d"])
def test_external_ids_are_whatever_people_have(platform: Platform, name: str) -> None:
    source = platform.http.post("/v1/sources", json={"name": "names", "kind": "push"})
    assert source.status_code in (201, 409)
    platform.pushed("names", quote(name, safe=""), "The gazebo is green.", "authenticated")
    hits = platform.search(
        "bob", "gazebo", limit=100, filter={"source": [platform.ok("GET", "/v1/sources/names")["id"]]}
    )
    assert [hit["external_id"] for hit in hits] == [name]
    platform.ok("DELETE", f"/v1/sources/names/documents/{quote(name, safe='')}")


def test_many_at_once_lose_nothing_and_double_nothing(platform: Platform) -> None:
    """Pushes of the same documents, changes of the directory and questions, all at the same time."""
    source = platform.source("crowd")

    def write(n: int) -> int:
        body = {"text": f"The weir keeper wrote line {n}.", "access": [{"allow": ["authenticated"]}]}
        answer = platform.http.put(f"/v1/sources/{source}/documents/{n % 3}", json=body)
        assert answer.status_code == 202, answer.text
        return int(platform.ended(answer.json()["job_id"])["state"] == "succeeded")

    def change(n: int) -> int:
        platform.ok("POST", "/v1/directory/groups/staff/members", json={"add": [f"user:temp{n}"]})
        platform.ok("POST", "/v1/directory/groups/staff/members", json={"remove": [f"user:temp{n}"]})
        return len(platform.search("alice", "weir keeper"))

    with ThreadPoolExecutor(8) as pool:
        writes, changes = pool.map(write, range(24)), pool.map(change, range(12))
        assert sum(writes) == 24 and len(list(changes)) == 12
    hits = platform.search("bob", "weir keeper line", limit=100, filter={"source": [source]})
    assert sorted(hit["external_id"] for hit in hits) == ["0", "1", "2"]
    assert platform.verified().clean


# --- search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize("rerank", [True, False])
def test_search_in_each_mode_gives_hits_of_the_promised_shape(
    platform: Platform, handbook: str, mode: str, rerank: bool
) -> None:
    response = platform.post(
        "bob", "/v1/search", query="hotel reimbursed per night", mode=mode, rerank=rerank, filter={"source": [handbook]}
    )
    assert response.headers["cache-control"] == "no-store"
    found = response.json()
    assert found.keys() >= {"hits", "trace_id"}
    hit = found["hits"][0]
    assert hit.keys() >= HIT and "140 euros" in hit["text"]
    assert hit["scores"].keys() == {"dense", "lexical", "fused", "rerank"}
    assert (hit["scores"]["dense"] is not None) == (mode != "lexical")
    assert (hit["scores"]["lexical"] is not None) == (mode != "dense")
    assert (hit["scores"]["rerank"] is not None) == (rerank and platform.settings.reranker != "none")
    assert hit["freshness"].keys() >= {"state", "modified_at", "review_due"}
    assert (hit["source_id"], hit["external_id"]) == (handbook, "open/travel.md")
    scores = [one["score"] for one in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    for one in found["hits"]:
        assert _text(platform, "bob", one) == one["text"]


def _text(platform: Platform, user: str, cited: Any) -> str:
    """The document's text at the span, as the API gives it."""
    span = cited["span"]
    part = platform.get(
        user, f"/v1/documents/{cited['document_id']}/text",
        params={"start": span["start"], "end": span["end"], "version": cited["version"]},
    ).json()  # fmt: skip
    assert part["span"] == span and part["document_id"] == cited["document_id"]
    return str(part["text"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"mime": ["text/csv"]}, {"open/plans.csv"}),
        ({"mime": "text/markdown"}, {"open/travel.md", "open/feuer.md"}),
        ({"language": ["de"]}, {"open/feuer.md"}),
        ({"modified_after": "2001-01-01T00:00:00Z"}, {"open/travel.md", "open/feuer.md", "open/plans.csv"}),
        ({"modified_after": "2999-01-01T00:00:00Z"}, set()),
        ({"source": ["01a1fcd9-a730-7b58-b619-3ad047ed8908"]}, set()),
        ({"mime": ["text/csv"], "language": ["de"]}, set()),
    ],
)
def test_filters_narrow_and_combine(platform: Platform, handbook: str, where: Any, expected: set[str]) -> None:
    hits = platform.search("bob", "hotel plan seats Feuer night", limit=100, filter={"source": [handbook], **where})
    assert {hit["external_id"] for hit in hits} == expected


def test_limit_is_the_most_that_comes(platform: Platform, handbook: str) -> None:
    for limit in (1, 2):
        hits = platform.search("alice", "parental leave hotel", limit=limit, filter={"source": [handbook]})
        assert len(hits) == limit
    hits = platform.search("alice", "parental leave hotel", limit=100, filter={"source": [handbook]})
    assert len({hit["document_id"] for hit in hits}) == 4  # all but the note that nobody may read


# --- ask -------------------------------------------------------------------------------------------


def _checked(platform: Platform, user: str, answer: Any) -> Any:
    """An answer of which every promise of shape and of citation has been checked."""
    assert answer.keys() >= ANSWER and answer["kind"] == "answer" and answer["abstention"] is None
    assert UUID.fullmatch(answer["answer_id"]) and UUID.fullmatch(answer["trace_id"])
    numbers = [citation["n"] for citation in answer["citations"]]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers
    assert {int(n) for n in re.findall(r"\[(\d+)\]", answer["text"])} == set(numbers)
    for claim in answer["claims"]:
        assert claim.keys() >= {"text", "citations", "verdict", "score"}
        assert claim["verdict"] in ("supported", "partial") and claim["citations"]
        assert f"{claim['text']} {''.join(f'[{n}]' for n in claim['citations'])}" in answer["text"]
    for citation in answer["citations"]:
        assert citation.keys() >= CITATION and citation["verified"] is True
        assert _text(platform, user, citation) == citation["quote"]
    return answer


def test_an_answer_cites_what_the_documents_say_character_for_character(platform: Platform, handbook: str) -> None:
    answer = _checked(platform, "alice", platform.ask("alice", WEEKS))
    assert "20 weeks" in answer["text"]
    (citation,) = [c for c in answer["citations"] if "20 weeks" in c["quote"]]
    assert (citation["external_id"], citation["version"]) == ("hr/leave.md", 1)
    assert citation["freshness"]["state"] == "fresh" and TIME.fullmatch(citation["freshness"]["review_due"])
    # Offsets are code points: what follows the picture of four bytes is found where it is said to be.
    ahead = _checked(platform, "alice", platform.ask("alice", "How far ahead are parental leave requests made?"))
    assert any("Zürich" in citation["quote"] for citation in ahead["citations"])


def test_a_row_of_a_table_answers(platform: Platform, handbook: str) -> None:
    answer = _checked(platform, "bob", platform.ask("bob", "What is the price of the Gold plan?"))
    assert made.GOLD in answer["text"]


def test_what_nothing_answers_is_refused_with_a_reason(platform: Platform, handbook: str) -> None:
    refused = platform.ask("alice", "Which submarine does the navy recommend for the harbour?")
    assert refused.keys() >= ANSWER
    assert (refused["kind"], refused["claims"], refused["citations"]) == ("abstention", [], [])
    assert refused["abstention"]["reason"] in ("no_evidence", "low_confidence")
    assert "submarine" in refused["abstention"]["missing"]


def test_a_streamed_answer_is_the_answer_in_parts(platform: Platform, handbook: str) -> None:
    with platform.http.stream(
        "POST", "/v1/ask", headers=acting("bob"), json={"question": HOTEL, "stream": True}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        events = _events(response.iter_lines())
    kinds = [name for name, _ in events]
    assert set(kinds) == {"step", "token", "citation", "answer"} and kinds[-1] == "answer"
    assert kinds.index("token") > max(n for n, kind in enumerate(kinds) if kind == "step")
    steps = [data["name"] for name, data in events if name == "step"]
    stages = "resolve rewrite search fuse recheck rerank recheck demote pack generate verify guard release"
    assert steps == stages.split()
    answer = _checked(platform, "bob", events[-1][1])
    assert "".join(data["text"] for name, data in events if name == "token") == answer["text"]
    assert [data for name, data in events if name == "citation"] == answer["citations"]
    kept = platform.get("bob", f"/v1/answers/{answer['answer_id']}").json()
    assert {name: kept[name] for name in answer} == answer


def test_a_streamed_refusal_and_a_streamed_mistake(platform: Platform, handbook: str) -> None:
    with platform.http.stream(
        "POST", "/v1/ask", headers=acting("bob"), json={"question": "Which submarine?", "stream": True}
    ) as response:
        events = _events(response.iter_lines())
    assert events[-1][0] == "answer" and events[-1][1]["kind"] == "abstention"
    problem(platform.post("bob", "/v1/ask", question=" ", stream=True), 422, "question_empty", "question")


def test_a_follow_up_is_understood_within_its_conversation_alone(platform: Platform, handbook: str) -> None:
    asked = platform.ask("alice", WEEKS, conversation_id="talk-1")
    assert asked["conversation_id"] == "talk-1"
    follow = platform.ask("alice", "And how far ahead are they requested?", conversation_id="talk-1")
    assert _checked(platform, "alice", follow)["citations"][0]["external_id"] == "hr/leave.md"
    rule = platform.get("alice", f"/v1/traces/{follow['trace_id']}").json()["rewrite"]["rule"]
    assert rule == "follow_up"
    talk = platform.get("alice", "/v1/conversations/talk-1").json()
    assert [one["answer_id"] for one in talk["questions"]] == [asked["answer_id"], follow["answer_id"]]
    problem(platform.get("bob", "/v1/conversations/talk-1"), 404, "not_found")


def test_answers_citations_traces_and_feedback_are_read_again(platform: Platform, handbook: str) -> None:
    answer = platform.ask("alice", WEEKS)
    path = f"/v1/answers/{answer['answer_id']}"
    kept = platform.get("alice", path).json()
    assert {name: kept[name] for name in answer} == answer
    assert kept["question"] == WEEKS and TIME.fullmatch(kept["created_at"])
    assert platform.get("alice", f"{path}/citations").json()["citations"] == answer["citations"]
    for verdict in ({"helpful": True}, {"helpful": False, "comment": "It missed part time."}):
        given = platform.post("alice", f"{path}/feedback", **verdict)
        assert (given.status_code, given.content) == (204, b"")

    trace = platform.get("alice", f"/v1/traces/{answer['trace_id']}").json()
    assert (trace["kind"], trace["query"]) == ("ask", WEEKS)
    assert trace["access"].keys() >= {"epoch", "principals_hash"}
    assert {step["name"] for step in trace["steps"]} >= {
        "resolve",
        "search",
        "recheck",
        "generate",
        "verify",
        "release",
    }
    cited = {citation["document_id"] for citation in answer["citations"]}
    assert cited <= {candidate["document_id"] for candidate in trace["candidates"]}
    assert trace["answer"]["answer_id"] == answer["answer_id"]
    found = platform.post("alice", "/v1/search", query="parental leave").json()
    assert platform.get("alice", f"/v1/traces/{found['trace_id']}").json()["kind"] == "search"


def test_documents_and_their_text(platform: Platform, handbook: str) -> None:
    (hit, *_) = platform.search("alice", WEEKS, filter={"source": [handbook]})
    path = f"/v1/documents/{hit['document_id']}"
    document = platform.get("alice", path).json()
    assert document.keys() >= {"document_id", "external_id", "title", "uri", "mime", "version", "freshness", "owner"}
    assert (document["external_id"], document["owner"], document["language"]) == ("hr/leave.md", "user:carol", "en")
    whole = platform.get("alice", f"{path}/text").json()
    assert whole["length"] == len(whole["text"]) and whole["span"] == {"start": 0, "end": whole["length"]}
    assert "🏨" in whole["text"]
    part = platform.get("alice", f"{path}/text", params={"start": 10, "end": 10**9}).json()
    assert part["text"] == whole["text"][10:] and part["span"] == {"start": 10, "end": whole["length"]}
    problem(platform.get("alice", f"{path}/text", params={"version": 2}), 404, "not_found")
    problem(platform.get("alice", f"{path}/text", params={"start": 5, "end": 4}), 422, "invalid_input", "end")


def test_access_is_explained_to_administrators(platform: Platform, handbook: str) -> None:
    (hit, *_) = platform.search("alice", WEEKS, filter={"source": [handbook]})
    for user, decision in (("alice", "allowed"), ("bob", "denied"), ("unknown", "denied")):
        why = platform.ok("GET", "/v1/access/explain", params={"user": f"user:{user}", "document": hit["document_id"]})
        assert (why["user"], why["decision"]) == (f"user:{user}", decision) and why["reasons"]
        (clause,) = why["clauses"]
        assert (clause["allow"], clause["deny"], clause["permits"]) == (["group:staff"], [], user == "alice")
        assert clause["allowed_by"] == ({"group:staff": ["user:alice", "group:staff"]} if user == "alice" else {})
    assert LEAVE.split("\n")[2][:40] not in json.dumps(why)


# --- keys, health ----------------------------------------------------------------------------------


def test_keys_are_made_shown_once_and_revoked(platform: Platform, handbook: str) -> None:
    made_key = platform.http.post("/v1/keys", json={"name": "alice's", "scopes": ["ask"], "user": "user:alice"})
    assert made_key.status_code == 201 and made_key.headers["cache-control"] == "no-store"
    key = made_key.json()
    assert (key["scopes"], key["user"], key["hint"]) == (["ask"], "user:alice", key["key"][-4:])
    listed = platform.ok("GET", "/v1/keys")["keys"]
    assert key["id"] in {one["id"] for one in listed} and key["key"] not in json.dumps(listed)

    hers = {"Authorization": f"Bearer {key['key']}"}
    search = {"json": {"query": "parental leave"}, "headers": hers}
    assert platform.http.post("/v1/search", **search).json()["hits"]  # type: ignore[arg-type]
    problem(platform.http.get("/v1/sources", headers=hers), 403, "forbidden")
    problem(platform.http.post("/v1/search", headers={**hers, **acting("bob")}, json={"query": "x"}), 403, "forbidden")
    assert platform.http.delete(f"/v1/keys/{key['id']}").status_code == 204
    problem(platform.http.post("/v1/search", **search), 401, "unauthenticated")  # type: ignore[arg-type]


def test_a_key_ends_when_it_said_it_would(platform: Platform) -> None:
    ends = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    made_key = platform.ok("POST", "/v1/keys", json={"name": "brief", "scopes": ["sources"], "expires_at": ends})
    headers = {"Authorization": f"Bearer {made_key['key']}"}
    assert platform.http.get("/v1/sources", headers=headers).status_code == 200
    refused = platform.until(lambda: (r := platform.http.get("/v1/sources", headers=headers)).status_code == 401 and r)
    problem(refused, 401, "unauthenticated")


def test_a_key_hands_on_only_what_it_has(platform: Platform) -> None:
    admin = platform.ok("POST", "/v1/keys", json={"name": "keeper", "scopes": ["admin", "ask"]})["key"]
    keeper = httpx.Client(base_url=platform.http.base_url, headers={"Authorization": f"Bearer {admin}"})
    with keeper:
        problem(keeper.post("/v1/keys", json={"name": "more", "scopes": ["ask", "sources"]}), 403, "forbidden")
        reader = {"name": "reader", "scopes": ["ask"], "user": "user:alice"}
        problem(keeper.post("/v1/keys", json=reader), 403, "forbidden")  # admin is not reader
        assert keeper.post("/v1/keys", json={"name": "same", "scopes": ["ask"]}).status_code == 201


def test_health_metrics_and_documentation_are_for_everyone(platform: Platform) -> None:
    with httpx.Client(base_url=platform.http.base_url) as anyone:
        assert anyone.get("/healthz").json() == {"status": "ok"}
        ready = anyone.get("/readyz").json()
        assert ready == {"ready": True, "parts": {"catalog": "ok", "index": "ok", "doorbell": "ok"}}
        assert "vouch_" in anyone.get("/metrics").text
        assert anyone.get("/docs").status_code == 200


def test_the_index_holds_what_the_catalog_says_after_all_this(platform: Platform) -> None:
    assert platform.verified().clean
