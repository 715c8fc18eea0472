"""The gitlab connector against answers as GitLab documents them: what it names, where it goes on, what it doubts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.registry import make_connector
from tests.connectors.api import as_json, truncated
from tests.connectors.github.hub import TOKEN, moment, sha
from tests.connectors.gitlab.lab import DEVELOPER, Lab, Project, connector, fetched, scan
from tests.outbound.serving import Reply, serving
from vouch.core.errors import (
    BadConfig,
    CursorExpired,
    DocumentRejected,
    NotFound,
    OutboundRefused,
    SourceRefuses,
    Unavailable,
)
from vouch.core.types import Checkpoint
from vouch.outbound.door import NOWHERE_PRIVATE


@pytest.fixture
def project(gitlab: Lab) -> Project:
    return gitlab.project(7, "acme/handbook", members={1: DEVELOPER})


# -- what is named --


def test_files_issues_merge_requests_and_wiki_pages_are_documents(gitlab: Lab, project: Project) -> None:
    gitlab.push(project, {"leave.md": b"# Leave", "docs/rooms & keys.md": b"# Rooms"})
    gitlab.issue(project, 3, "The  gate\nsticks\u202e")
    gitlab.merge(project, 3, "Mend the gate")
    project.wiki["rooms/hall"] = "Big."
    seen = scan(gitlab)
    assert seen.names == [
        "7/files/docs/rooms & keys.md", "7/files/leave.md", "7/issues/3", "7/merge_requests/3", "7/wiki/rooms/hall",
    ]  # fmt: skip
    file, issue = seen.documents["7/files/docs/rooms & keys.md"], seen.documents["7/issues/3"]
    assert file.uri == "https://gitlab.example.org/acme/handbook/-/blob/main/docs/rooms%20%26%20keys.md"
    assert (file.title, file.mime, file.fingerprint) == ("", "text/markdown", sha(b"# Rooms"))
    assert (issue.title, issue.mime) == ("The gate sticks", "text/markdown")
    assert issue.uri == "https://gitlab.example.org/acme/handbook/-/issues/3"
    assert issue.modified_at == datetime(2026, 11, 2, 12, 20, tzinfo=UTC)
    assert seen.documents["7/wiki/rooms/hall"].uri == "https://gitlab.example.org/acme/handbook/-/wikis/rooms/hall"
    assert fetched(gitlab, "7/wiki/rooms/hall") == "Big."


def test_only_what_is_asked_for_is_read(gitlab: Lab, project: Project) -> None:
    gitlab.push(project, {"a.md": b"a", "b.txt": b"b", ".gitlab/x.md": b"x", "old/c.md": b"c", ".vouch.yaml": b""})
    gitlab.issue(project, 3)
    project.wiki["home"] = "x"
    assert scan(gitlab, read=["issues"]).names == ["7/issues/3"]
    assert not [path for path in gitlab.asked if "repository" in path or "wikis" in path or "merge" in path]
    chosen: dict[str, Any] = {"read": ["files"], "include": ["*.md"], "exclude": ["old/*"]}
    assert scan(gitlab, **chosen).names == ["7/files/a.md"]
    for name in ("7/files/b.txt", "7/files/old/c.md", "7/files/.gitlab/x.md", "7/issues/3", "7/wiki/home"):
        with pytest.raises(NotFound):
            connector(gitlab, **chosen).fetch(name)


def test_an_issue_reads_as_what_was_said_to_everyone_who_may_read_it(gitlab: Lab, project: Project) -> None:
    gitlab.page = 2
    gitlab.issue(
        project, 3, "The gate", "It sticks.\r\n\r\nOften.", labels=["bug"], assignees=[{"id": 5, "username": "e"}]
    )
    gitlab.note(project, ("issues", 3), "Oil it.\0")
    gitlab.note(project, ("issues", 3), "assigned to @e", system=True)
    gitlab.note(project, ("issues", 3), "The lock costs 12.", internal=True)
    gitlab.note(project, ("issues", 3), "Not for all.", internal=False, confidential=True)
    gitlab.note(project, ("issues", 3), "Done.", author=None)
    assert fetched(gitlab, "7/issues/3") == (
        "# The gate\n\nIssue 3, opened, opened by login1 on 2026-11-02. Labels: bug. Assigned to e.\n\n"
        "It sticks.\n\nOften.\n\n"
        "## Comment by login2 on 2026-11-02\n\nOil it.\n\n"
        "## Comment by somebody who has left on 2026-11-02\n\nDone.\n"
    )


def test_a_merge_request_reads_with_what_was_said_of_its_lines(gitlab: Lab, project: Project) -> None:
    gitlab.merge(project, 4, "Mend", state="merged", merged_at="2026-11-03T09:00:00Z")
    gitlab.note(project, ("merge_requests", 4), "Spelling.", position={"new_path": "gate.md"})
    assert fetched(gitlab, "7/merge_requests/4") == (
        "# Mend\n\nMerge request 4, merged on 2026-11-03, opened by login1 on 2026-11-02.\n\nb\n\n"
        "## Comment on gate.md by login2 on 2026-11-02\n\nSpelling.\n"
    )


def test_files_and_pages_are_told_apart_from_what_only_looks_like_one(gitlab: Lab, project: Project) -> None:
    hostile: dict[str, bytes | str | None] = {
        "a\u202eb.md": b"1",
        "../issues": b"2",
        "x" * 10_000: b"3",
        "n\0.md": b"5",
    }
    gitlab.push(project, {"link.md": "leave.md", "sub": None, "a.md": b"a", **hostile})
    project.wiki |= {"..": "x", "a/../../issues": "x", "y" * 10_000: "x", "home": "h"}
    seen = scan(gitlab)
    assert seen.names == ["7/files/a.md", "7/wiki/home"]
    assert sorted(seen.refused.values()) == ["submodule", "symlink", *["unreadable_name"] * 7]
    asked = len(gitlab.asked)
    for name in (*(f"files/{path}" for path in hostile), "wiki/..", "wiki/a/../../issues"):
        with pytest.raises(NotFound):
            connector(gitlab).fetch(f"7/{name}")
    assert len(gitlab.asked) == asked
    gitlab.push(project, {}, *hostile)
    assert scan(gitlab, seen.cursor).deleted == []


def test_a_file_that_is_too_large_or_kept_elsewhere_is_refused(gitlab: Lab, project: Project) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    gitlab.push(project, {"large.bin": b"x" * (2 << 20), "kept.bin": pointer})
    gitlab.issue(project, 1, "A", "x" * 3000)
    wanted = {"7/files/large.bin": "too_large", "7/files/kept.bin": "lfs_pointer", "7/issues/1": "too_large"}
    for name, reason in wanted.items():
        with pytest.raises(DocumentRejected) as refused:
            connector(gitlab, max_file_mb=1, max_thread_kb=1).fetch(name)
        assert refused.value.reason == reason
    assert len(connector(gitlab).fetch("7/files/large.bin").data) == 2 << 20


def test_code_owners_own_files(gitlab: Lab, project: Project) -> None:
    owners = {"@acme/people": "group:people-team"}
    gitlab.push(project, {"CODEOWNERS": b"hr/ @acme/people\n", "hr/a.md": b"a", "b.md": b"b"})
    seen = scan(gitlab, read=["files"], owners=owners)
    assert {n for n, c in seen.documents.items() if c.owner == "group:people-team"} == {"7/files/hr/a.md"}
    gitlab.push(project, {"CODEOWNERS": b"* @acme/people\n"})
    after = scan(gitlab, seen.cursor, read=["files"], owners=owners)
    assert {c.owner for c in after.documents.values()} == {"group:people-team"} and len(after.names) == 3


# -- going on --


def test_a_sync_with_nothing_new_reads_no_tree(gitlab: Lab, project: Project) -> None:
    gitlab.push(project, {"a.md": b"a"})
    for iid in range(1, 6):
        gitlab.issue(project, iid)
        gitlab.merge(project, iid)
    project.wiki["home"] = "x"
    first = scan(gitlab)
    again = scan(gitlab, first.cursor)
    assert again.names == ["7/issues/5", "7/merge_requests/5"] and again.cursor == first.cursor
    assert {n: c.fingerprint for n, c in again.documents.items()}.items() <= {
        n: c.fingerprint for n, c in first.documents.items()
    }.items()
    assert not [path for path in gitlab.asked if "tree" in path]


def test_what_is_pushed_and_what_the_wiki_lost_is_told_at_once(gitlab: Lab, project: Project) -> None:
    gitlab.page = 2
    gitlab.push(project, {"a.md": b"a", "b.md": b"b", "c.md": b"c"})
    project.wiki = {"home": "x", "old": "y", "kept": "z"}
    first = scan(gitlab)
    gitlab.push(project, {"a.md": b"A", "moved.md": b"b"}, "b.md")
    project.wiki = {"home": "X", "kept": "z"}
    after = scan(gitlab, first.cursor)
    assert after.names == ["7/files/a.md", "7/files/moved.md", "7/wiki/home"]
    assert after.deleted == ["7/files/b.md", "7/wiki/old"]


def test_history_that_was_rewritten_has_everything_listed(gitlab: Lab, project: Project) -> None:
    gitlab.push(project, {"a.md": b"a"})
    first = scan(gitlab)
    project.commits.clear()
    gitlab.push(project, {"b.md": b"b"})
    assert isinstance(scan(gitlab, first.cursor).raised, CursorExpired)
    assert isinstance(scan(gitlab, {"repositories": {"7": {"commit": 1}}}).raised, CursorExpired)


def test_an_issue_that_changed_is_named_again(gitlab: Lab, project: Project) -> None:
    gitlab.page = 2
    for iid in range(1, 8):
        gitlab.issue(project, iid)
        gitlab.merge(project, iid)
    first = scan(gitlab)
    assert len(first.names) == 14
    gitlab.note(project, ("issues", 2), "New.")
    gitlab.note(project, ("merge_requests", 3), "New.")
    after = scan(gitlab, first.cursor)
    differ = {n for n, c in after.documents.items() if c.fingerprint != first.documents[n].fingerprint}
    assert differ == {"7/issues/2", "7/merge_requests/3"}
    project.issues[1]["user_notes_count"] = 5  # one was removed, of which the issue is not told
    assert scan(gitlab).documents["7/issues/1"].fingerprint != first.documents["7/issues/1"].fingerprint


def test_an_issue_that_becomes_confidential_is_another_document(gitlab: Lab, project: Project) -> None:
    gitlab.issue(project, 1)
    first = scan(gitlab)
    project.issues[1] |= {"confidential": True, "description": "secret", "updated_at": moment(gitlab.tick())}
    with pytest.raises(NotFound):  # by rules that were read when it was not
        connector(gitlab).fetch("7/issues/1")
    after = scan(gitlab, first.cursor)
    assert (after.names, after.deleted) == (["7/confidential/1"], ["7/issues/1"])
    assert scan(gitlab).deleted == ["7/issues/1"]  # by a whole scan, too, whatever it may delete by itself
    assert "secret" in fetched(gitlab, "7/confidential/1")
    project.issues[1] |= {"confidential": False, "updated_at": moment(gitlab.tick())}
    back = scan(gitlab, after.cursor)
    assert (back.names, back.deleted) == (["7/issues/1"], ["7/confidential/1"])
    with pytest.raises(NotFound):
        connector(gitlab).fetch("7/confidential/1")


def test_a_scan_that_was_interrupted_goes_on_from_its_last_checkpoint(gitlab: Lab, project: Project) -> None:
    gitlab.issue(project, 1)
    first = scan(gitlab)
    for iid in range(2, 900):
        gitlab.issue(project, iid)
    half, seen = None, set()
    for change in connector(gitlab).scan(first.cursor):
        if isinstance(change, Checkpoint):
            half = change.cursor
            break
        seen.add(change.external_id)
    rest = scan(gitlab, half)
    assert half is not None and len(rest.names) < 700
    assert {*seen, *rest.names} >= {f"7/issues/{iid}" for iid in range(1, 900)}


# -- projects --


def test_a_project_that_was_renamed_keeps_its_documents_and_has_them_at_its_new_address(
    gitlab: Lab, project: Project
) -> None:
    gitlab.push(project, {"a.md": b"a", "b.md": b"b"})
    gitlab.issue(project, 1)
    project.wiki["home"] = "x"
    first = scan(gitlab)
    project.path, gitlab.moved = "acme/manual", {"acme/handbook": 7}
    gitlab.push(project, {}, "b.md")
    after = scan(gitlab, first.cursor)
    assert after.names == ["7/files/a.md", "7/issues/1", "7/wiki/home"]
    assert after.deleted == ["7/confidential/1", "7/files/b.md"]  # the first: what the issue is not
    assert after.documents["7/files/a.md"].uri == "https://gitlab.example.org/acme/manual/-/blob/main/a.md"
    assert scan(gitlab, after.cursor).names == ["7/issues/1"]


def test_all_of_a_group_but_what_is_left_out(gitlab: Lab, project: Project) -> None:
    gitlab.page = 2
    for id in range(8, 13):
        gitlab.issue(gitlab.project(id, f"acme/r{id}", archived=id == 9, members={1: 10}), 1)
    gitlab.projects[12].going = "2026-12-01"
    config: dict[str, Any] = {"projects": None, "group": "acme", "read": ["issues"]}
    assert scan(gitlab, **config).names == [f"{id}/issues/1" for id in (10, 11, 8, 9)]
    seen = scan(gitlab, **config, archived=False, skip=["acme/r1*"])
    assert seen.names == ["8/issues/1"]
    del gitlab.projects[8]
    assert isinstance(scan(gitlab, seen.cursor, **config, archived=False, skip=["acme/r1*"]).raised, CursorExpired)


def test_a_project_that_cannot_be_seen_is_told_and_does_not_stop_the_others(gitlab: Lab, project: Project) -> None:
    gitlab.issue(project, 1)
    seen = scan(gitlab, projects=["7", "acme/nowhere"])
    assert (seen.names, seen.refused, seen.raised) == (["7/issues/1"], {"acme/nowhere": "missing"}, None)
    none = scan(gitlab, projects=["acme/nowhere"])
    assert isinstance(none.raised, SourceRefuses) and none.changes == []


def test_parts_that_are_turned_off_and_refs_that_are_not_there_have_nothing(gitlab: Lab, project: Project) -> None:
    assert scan(gitlab).names == []
    gitlab.push(project, {"a.md": b"a"})
    gitlab.issue(project, 1)
    project.wiki["home"] = "x"
    assert scan(gitlab, ref="v2").refused == {"7/files": "missing"}
    first = scan(gitlab)
    project.levels = {"issues": "disabled", "wiki": "disabled", "merge_requests": "disabled"}
    assert isinstance(scan(gitlab, first.cursor).raised, CursorExpired)
    assert scan(gitlab).names == ["7/files/a.md"]


def test_what_is_not_there_or_of_another_kind_is_not_found(gitlab: Lab, project: Project) -> None:
    gitlab.issue(project, 1)
    gitlab.merge(project, 2)
    names = ["issues/9", "issues/2", "merge_requests/1", "files/c.md", "wiki/x", "issues/01", "x/1", "confidential/1"]
    for name in [*(f"7/{name}" for name in names), "8/issues/1", "8/files/a", "07/issues/1"]:
        with pytest.raises(NotFound):
            connector(gitlab).fetch(name)


# -- faults --


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (Reply(429, b"", {"Retry-After": "7"}), 7),
        (Reply(500), 1),
        (truncated([{"iid": 1}]), 1),
        (Reply(200, b'[{"a":'), 1),
    ],
)
def test_what_passes_is_waited_for(
    gitlab: Lab, project: Project, slept: list[float], answer: Reply, pause: float
) -> None:
    gitlab.issue(project, 1)
    gitlab.api.fail("/issues", answer)
    seen = scan(gitlab)
    assert seen.raised is None and seen.names == ["7/issues/1"] and slept == [pause]


def test_a_long_pause_ends_the_scan(gitlab: Lab, project: Project, slept: list[float]) -> None:
    gitlab.api.fail("/issues", Reply(429, b"", {"Retry-After": "3600"}))
    raised = scan(gitlab).raised
    assert isinstance(raised, Unavailable) and raised.extra["retry_after_s"] == 3600 and slept == []
    assert isinstance(scan(gitlab).raised, Unavailable) and gitlab.asked == []


@pytest.mark.parametrize("path", ["/projects/acme", "members", "/issues", "/merge", "/tree", "/commits", "/wikis"])
@pytest.mark.parametrize("answer", [Reply(500), truncated([{"id": 1}]), Reply(200, b"<html>"), as_json({"id": "x"})])
def test_what_does_not_pass_ends_the_scan(gitlab: Lab, project: Project, path: str, answer: Reply) -> None:
    gitlab.push(project, {"a.md": b"a"})
    gitlab.api.fail(path, answer, 100)
    if path == "members" and answer.body == b'{"id": "x"}':
        return  # a scan asks only whether there is an answer; the groups are read for what is in it
    assert isinstance(scan(gitlab).raised, Unavailable)


@pytest.mark.parametrize("path", ["/tree", "/commits", "/issues", "/wikis"])
@pytest.mark.parametrize("status", [403, 404])
def test_a_part_that_is_forbidden_is_told_after_the_others_were_read(
    gitlab: Lab, project: Project, path: str, status: int
) -> None:
    gitlab.push(project, {"a.md": b"a"})
    gitlab.issue(gitlab.project(8, "acme/other", members={1: DEVELOPER}), 1)
    gitlab.api.fail(f"/projects/7.*{path}", as_json({"message": "no"}, status), 100)
    seen = scan(gitlab, projects=["acme/handbook", "acme/other"])
    assert isinstance(seen.raised, DocumentRejected) and seen.raised.reason == "unreached"
    assert "8/issues/1" in seen.names and list(seen.cursor["repositories"]) == ["8"]


def test_a_project_that_goes_while_it_is_read_counts_as_unread(gitlab: Lab, project: Project) -> None:
    gitlab.push(project, {"a.md": b"a"})
    gitlab.api.fail("/projects/7", as_json({"message": "404 Project Not Found"}, 404), 100)
    assert isinstance(scan(gitlab, ref="v2", read=["files"]).raised, DocumentRejected)


def test_a_token_that_ends_in_the_middle_ends_the_scan(gitlab: Lab, project: Project) -> None:
    gitlab.api.fail("/issues", as_json({"message": "401 Unauthorized"}, 401), 100)
    assert isinstance(scan(gitlab).raised, SourceRefuses)


def test_a_token_that_is_not_good_ends_it_at_once(gitlab: Lab, project: Project) -> None:
    raised = scan(gitlab, token="another").raised
    assert isinstance(raised, SourceRefuses) and raised.said == 401 and len(gitlab.asked) == 1


def test_a_next_page_or_a_new_place_elsewhere_is_not_asked_for(gitlab: Lab, project: Project) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        gitlab.api.fail("/issues", as_json([], headers={"Link": f'<{elsewhere.url}/x?page=2>; rel="next"'}))
        assert isinstance(scan(gitlab).raised, DocumentRejected)
        gitlab.api.fail("/projects/acme", as_json({}, 301, {"Location": f"{elsewhere.url}/projects/7"}))
        assert isinstance(scan(gitlab).raised, SourceRefuses) and elsewhere.asked == []


def test_pages_that_go_in_a_circle_are_left(gitlab: Lab, project: Project) -> None:
    config = {"projects": None, "group": "acme"}
    gitlab.api.fail(
        "/groups", as_json([], headers={"Link": f'<{gitlab.api.url}/groups/acme/projects>; rel="next"'}), 100
    )
    assert isinstance(scan(gitlab, **config).raised, Unavailable)


@pytest.mark.parametrize(
    ("field", "config"),
    [
        ("config.base", {"base": "http://169.254.169.254/api/v4"}),
        ("config.base", {"base": "https://user:secret@gitlab.example.org/"}),
        ("config.token", {"token": "two\nlines"}),
        ("config.projects.0", {"projects": ["acme/../x"]}),
        ("config.group", {"group": "/acme", "projects": []}),
        ("config", {"group": "acme"}),
        ("config", {"projects": []}),
        ("config.public", {"public": "anyone"}),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_its_field(field: str, config: dict[str, Any]) -> None:
    whole = {"token": TOKEN, "projects": ["acme/handbook"], "issuer": "gitlab", **config}
    with pytest.raises(BadConfig) as refused:
        make_connector("gitlab", whole, NOWHERE_PRIVATE)
    assert refused.value.field == field and "secret" not in refused.value.detail


def test_more_than_was_agreed_ends_the_scan_and_an_address_inside_is_not_connected_to(
    gitlab: Lab, project: Project
) -> None:
    gitlab.push(project, {f"{n}.md": b"x" for n in range(4)})
    raised = scan(gitlab, max_items=3).raised
    assert isinstance(raised, BadConfig) and raised.field == "config.max_items"
    gitlab.api.asked.clear()
    base = gitlab.api.url.replace("127.0.0.1", "localhost")
    made = make_connector("gitlab", {"base": base, "group": "acme", "issuer": "gitlab"}, NOWHERE_PRIVATE)
    with pytest.raises(OutboundRefused):
        list(made.scan(None))
    assert gitlab.asked == []
