"""The github connector against answers as GitHub documents them: what it names, and from where it goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.connectors.api import as_json
from tests.connectors.github.hub import Hub, Repo, connector, fetched, moment, scan, sha, user
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Checkpoint, RawClause

READERS = (RawClause(("group:github/repo.7",), (), "collaborators of acme/handbook"),)


@pytest.fixture
def repo(github: Hub) -> Repo:
    return github.repo(7, "acme/handbook", collaborators={1: True})


# -- what is named --


def test_files_issues_pulls_and_discussions_are_documents_of_the_repositorys_readers(github: Hub, repo: Repo) -> None:
    github.push(repo, {"leave.md": b"# Leave", "docs/rooms & keys.md": b"# Rooms"})
    github.issue(repo, 3, "The  gate\nsticks\u202e", labels=[{"name": "bug"}])
    github.pull(repo, 4, "Mend the gate")
    github.discuss(repo, 5, "Who has the key?", "Asking.")
    seen = scan(github)
    assert seen.names == [
        "7/discussions/5", "7/files/docs/rooms & keys.md", "7/files/leave.md", "7/issues/3", "7/pulls/4",
    ]  # fmt: skip
    assert {change.acl for change in seen.documents.values()} == {READERS}
    file, issue = seen.documents["7/files/docs/rooms & keys.md"], seen.documents["7/issues/3"]
    assert file.uri == "https://github.example.org/acme/handbook/blob/main/docs/rooms%20%26%20keys.md"
    assert (file.title, file.mime, file.fingerprint) == ("", "text/markdown", sha(b"# Rooms"))
    assert (issue.title, issue.mime) == ("The gate sticks", "text/markdown")
    assert issue.uri == "https://github.example.org/acme/handbook/issues/3"
    assert issue.modified_at == datetime(2026, 11, 2, 12, 20, tzinfo=UTC)


def test_only_what_is_asked_for_is_read(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a.md": b"a", "b.txt": b"b", ".github/x.md": b"x", "old/c.md": b"c", ".vouch.yaml": b""})
    github.issue(repo, 3)
    github.pull(repo, 4)
    assert scan(github, read=["issues"]).names == ["7/issues/3"]
    assert scan(github, read=["pulls"]).names == ["7/pulls/4"]
    assert not [path for path in github.asked if "/git/" in path or "graphql" in path]
    chosen: dict[str, Any] = {"read": ["files"], "include": ["*.md"], "exclude": ["old/*"]}
    assert scan(github, **chosen).names == ["7/files/a.md"]
    assert scan(github, **chosen, hidden=True).names == ["7/files/.github/x.md", "7/files/a.md"]
    for name in ("7/files/b.txt", "7/files/old/c.md", "7/files/.github/x.md", "7/issues/3"):
        with pytest.raises(NotFound):
            connector(github, **chosen).fetch(name)


def test_an_issue_reads_as_what_was_said_in_order(github: Hub, repo: Repo) -> None:
    more = {"labels": [{"name": "bug"}, "leave"], "assignees": [user(5)], "user": None, "state": "closed"}
    github.issue(repo, 3, "The gate", "It sticks.\r\n\r\nOften.", **more)
    github.comment(repo, 3, "Oil it.\0")
    github.comment(repo, 3, "Done.", by=9)
    assert fetched(github, "7/issues/3") == (
        "# The gate\n\n"
        "Issue 3, closed, opened by somebody who has left on 2026-11-02. Labels: bug, leave. Assigned to login5.\n\n"
        "It sticks.\n\nOften.\n\n"
        "## Comment by login2 on 2026-11-02\n\nOil it.\n\n"
        "## Comment by login9 on 2026-11-02\n\nDone.\n"
    )


def test_a_pull_request_reads_with_its_reviews_but_those_nobody_else_sees(github: Hub, repo: Repo) -> None:
    github.pull(repo, 4, "Mend the gate", pull_request={"merged_at": "2026-11-03T09:00:00Z"}, state="closed")
    github.comment(repo, 4, "Which oil?")
    github.comment(repo, 4, "Spelling.", path="gate.md")
    late, own = moment(github.tick()), {"user": user(6), "submitted_at": None}
    repo.reviews[4] = [
        {"id": 1, "state": "CHANGES_REQUESTED", "body": "See above.", "user": user(5), "submitted_at": late},
        {"id": 2, "state": "COMMENTED", "body": "", "user": user(5), "submitted_at": late},
        {"id": 3, "state": "PENDING", "body": "A draft of mine.", **own},
    ]
    assert fetched(github, "7/pulls/4") == (
        "# Mend the gate\n\nPull request 4, merged on 2026-11-03, opened by login1 on 2026-11-02.\n\nb\n\n"
        "## Comment by login2 on 2026-11-02\n\nWhich oil?\n\n"
        "## Comment on gate.md by login2 on 2026-11-02\n\nSpelling.\n\n"
        "## Review, changes requested, by login5 on 2026-11-02\n\nSee above.\n"
    )


def test_a_discussion_reads_whole_however_many_pages_it_has(github: Hub, repo: Repo) -> None:
    github.page = 2
    said = [(f"c{n}", [f"r{n}{m}" for m in range(5)]) for n in range(5)]
    github.discuss(repo, 5, "Keys", "Who has them?", *said)
    text = fetched(github, "7/discussions/5")
    assert text.startswith(
        "# Keys\n\nDiscussion 5, answered, opened by carol on 2026-11-02. Category: Q&A.\n\nWho has them?\n\n"
        "## Answer by dave on 2026-11-02\n\nc0\n\n### Reply by somebody who has left on 2026-11-02\n\nr00\n\n"
    )
    assert [line for line in text.splitlines() if line[:1] in ("c", "r")] == [t for c, r in said for t in (c, *r)]


def test_files_are_told_apart_from_what_only_looks_like_one(github: Hub, repo: Repo) -> None:
    hostile = {"a\u202eb.md": b"1", "../issues/1": b"2", "x" * 10_000: b"3", "a/./b": b"4", "nul\0.md": b"5"}
    github.push(repo, {"link.md": "leave.md", "sub": None, "big.bin": b"x" * (1 << 20) + b"y", "a.md": b"a", **hostile})
    seen = scan(github, read=["files"], max_file_mb=1)
    assert seen.names == ["7/files/a.md"]
    named = {name: reason for name, reason in seen.refused.items() if not name.startswith("7/unreadable/")}
    assert named == {"7/files/link.md": "symlink", "7/files/sub": "submodule", "7/files/big.bin": "too_large"}
    assert [*seen.refused.values()].count("unreadable_name") == len(hostile)
    assert all(name.isprintable() and len(name) < 100 for name in seen.refused)
    asked = len(github.asked)
    for name in hostile:
        with pytest.raises(NotFound):
            connector(github).fetch(f"7/files/{name}")
    assert len(github.asked) == asked
    github.push(repo, {"b.md": b"b"}, *hostile)
    assert scan(github, seen.cursor, read=["files"]).deleted == []


def test_a_large_file_comes_whole_and_one_kept_elsewhere_does_not(github: Hub, repo: Repo) -> None:
    large = bytes(range(256)) * (5 << 10)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    github.push(repo, {"large.bin": large, "kept.bin": pointer, "empty.md": b""})
    assert connector(github).fetch("7/files/large.bin").data == large
    assert connector(github).fetch("7/files/empty.md").data == b""
    with pytest.raises(DocumentRejected) as refused:
        connector(github).fetch("7/files/kept.bin")
    assert refused.value.reason == "lfs_pointer"
    with pytest.raises(DocumentRejected) as refused:
        connector(github, max_file_mb=1).fetch("7/files/large.bin")
    assert refused.value.reason == "too_large"


def test_a_tree_that_github_cuts_off_is_read_folder_by_folder(github: Hub, repo: Repo) -> None:
    repo.truncates = 3
    files = {f"{a}/{b}/{n}.md": b"x" for a in "ab" for b in "cd" for n in range(2)}
    github.push(repo, {**files, "top.md": b"t"})
    assert scan(github, read=["files"]).names == sorted(f"7/files/{path}" for path in [*files, "top.md"])
    repo.truncates = 0
    assert isinstance(scan(github, read=["files"]).raised, DocumentRejected)


def test_code_owners_own_files(github: Hub, repo: Repo) -> None:
    owners = {"@acme/people": "group:people-team"}
    github.push(repo, {"CODEOWNERS": b"hr/ @acme/people\n", "hr/a.md": b"a", "b.md": b"b"})
    seen = scan(github, read=["files"], owners=owners)
    assert {n: c.owner for n, c in seen.documents.items()} == {
        "7/files/CODEOWNERS": None, "7/files/b.md": None, "7/files/hr/a.md": "group:people-team"
    }  # fmt: skip
    github.push(repo, {"CODEOWNERS": b"* @acme/people\n"})
    after = scan(github, seen.cursor, read=["files"], owners=owners)
    assert {c.owner for c in after.documents.values()} == {"group:people-team"} and len(after.names) == 3


# -- going on --


def test_a_sync_with_nothing_new_reads_no_file_and_names_what_is_hardly_past(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a.md": b"a"})
    for number in range(1, 6):
        github.issue(repo, number)
    first = scan(github)
    again = scan(github, first.cursor)
    assert again.names == ["7/issues/5"] and again.cursor == first.cursor
    assert again.documents["7/issues/5"] == first.documents["7/issues/5"]
    assert not [path for path in github.asked if "/git/" in path or "commits" in path]


def test_what_is_pushed_is_told_by_the_difference_of_two_trees(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a.md": b"a", "b.md": b"b", "c.md": b"c"})
    first = scan(github, read=["files"])
    github.push(repo, {"a.md": b"A", "moved.md": b"b"}, "b.md")
    after = scan(github, first.cursor, read=["files"])
    assert (after.names, after.deleted) == (["7/files/a.md", "7/files/moved.md"], ["7/files/b.md"])
    github.push(repo, {}, "a.md", "c.md", "moved.md")
    assert scan(github, after.cursor, read=["files"]).deleted == ["7/files/a.md", "7/files/c.md", "7/files/moved.md"]


def test_a_push_in_the_second_of_the_last_one_is_not_missed(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a.md": b"a"})
    repo.pushed = datetime.now(UTC).replace(microsecond=0)
    first = scan(github, read=["files"])
    repo.files["a.md"] = b"A"
    github.head(repo)
    assert scan(github, first.cursor, read=["files"]).names == ["7/files/a.md"]


def test_history_that_was_rewritten_has_everything_listed(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a.md": b"a"})
    first = scan(github)
    repo.trees.clear()
    github.push(repo, {"b.md": b"b"})
    assert isinstance(scan(github, first.cursor).raised, CursorExpired)


@pytest.mark.parametrize("cursor", [{"commit": "x"}, {"repositories": {"x": {}}}, {"repositories": {"7": {"tree": 1}}}])
def test_a_cursor_of_another_form_has_everything_listed(github: Hub, repo: Repo, cursor: dict[str, Any]) -> None:
    assert isinstance(scan(github, cursor).raised, CursorExpired)


def test_an_issue_that_changed_or_was_commented_on_is_named_again(github: Hub, repo: Repo) -> None:
    for number in range(1, 6):
        github.issue(repo, number)
    github.comment(repo, 5, "first")
    first = scan(github)
    github.issue(repo, 2, "Another title")
    github.comment(repo, 3, "New.")
    after = scan(github, first.cursor)
    assert after.names == ["7/issues/2", "7/issues/3", "7/issues/5"]
    differ = {n for n, c in after.documents.items() if c.fingerprint != first.documents[n].fingerprint}
    assert differ == {"7/issues/2", "7/issues/3"}


def test_a_comment_that_was_edited_is_noticed_though_its_issue_is_not_updated(github: Hub, repo: Repo) -> None:
    for number in range(1, 4):
        github.issue(repo, number)
    github.pull(repo, 4)
    comment, line = github.comment(repo, 1, "first"), github.comment(repo, 4, "typo", path="a.md")
    github.issue(repo, 9)
    first = scan(github)
    github.edit(repo, comment, "second")
    github.edit(repo, line, "typos")
    after = scan(github, first.cursor)
    assert {n for n, c in after.documents.items() if c.fingerprint != first.documents[n].fingerprint} == {
        "7/issues/1", "7/pulls/4"
    }  # fmt: skip
    whole = scan(github)
    assert {n: whole.documents[n].fingerprint for n in after.names} == {
        n: c.fingerprint for n, c in after.documents.items()
    }
    assert after.documents["7/issues/1"].modified_at == datetime(2026, 11, 2, 13, 20, tzinfo=UTC)


def test_a_comment_that_was_removed_is_noticed_by_a_whole_scan(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1)
    comment = github.comment(repo, 1, "first")
    first = scan(github)
    del repo.comments[comment]
    repo.threads[1]["comments"] -= 1
    assert scan(github).documents["7/issues/1"].fingerprint != first.documents["7/issues/1"].fingerprint


def test_discussions_are_told_newest_first_up_to_the_cursor(github: Hub, repo: Repo) -> None:
    github.page = 2
    for number in range(1, 8):
        github.discuss(repo, number, "Keys", "b")
    first = scan(github)
    assert len(first.names) == 7
    repo.discussions[2] |= {"title": "Locks", "updatedAt": moment(github.tick())}
    after = scan(github, first.cursor)
    assert after.names == ["7/discussions/2", "7/discussions/7"]
    assert github.asked.count("POST /graphql") == 3  # the newest; a page of two; the page that goes past the cursor


def test_a_discussion_that_was_late_to_be_seen_is_told(github: Hub, repo: Repo) -> None:
    for number in range(1, 4):
        github.discuss(repo, number, "Keys", "b")
    first = scan(github)
    repo.discussions[1]["updatedAt"] = moment(github.clock - timedelta(seconds=60))
    assert scan(github, first.cursor).names == ["7/discussions/1", "7/discussions/3"]


def test_a_scan_that_was_interrupted_goes_on_from_its_last_checkpoint(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1)
    first = scan(github)
    for number in range(2, 1300):
        github.issue(repo, number)
    seen: list[str] = []
    half = None
    for change in connector(github).scan(first.cursor):
        if isinstance(change, Checkpoint):
            half = change.cursor
            break
        seen.append(change.external_id)
    rest = scan(github, half)
    assert half is not None and len(seen) == 500 and len(rest.names) < 810
    assert {*seen, *rest.names} == {f"7/issues/{number}" for number in range(1, 1300)}


def test_rows_that_move_while_they_are_listed_are_not_passed_over(github: Hub, repo: Repo) -> None:
    github.page = 3
    for number in range(1, 13):
        github.issue(repo, number)
    early = [lambda: repo.threads.pop(1), lambda: repo.threads.pop(2), lambda: github.issue(repo, 4, "Anew")]
    nothing = [lambda: None, lambda: None, lambda: None]  # collaborators, the comments, those on changes
    github.shifts = [*nothing, *early]
    first = scan(github, read=["issues", "pulls"])
    assert {f"7/issues/{number}" for number in range(3, 13)} <= set(first.names)
    assert first.documents["7/issues/4"].title == "Anew" or "7/issues/4" in scan(github, first.cursor).names


def test_what_changes_after_it_was_told_is_told_by_the_next_scan(github: Hub, repo: Repo) -> None:
    github.page = 3
    for number in range(1, 8):
        github.issue(repo, number)

    def change() -> None:
        github.issue(repo, 1, "Anew")
        github.issue(repo, 20)  # an hour later, and so far past what the next scan goes back

    github.clock += timedelta(hours=1)
    github.shifts = [lambda: None, lambda: None, change]
    first = scan(github, read=["issues"])
    assert "7/issues/20" in first.names and first.documents["7/issues/1"].title == "A"
    assert scan(github, first.cursor, read=["issues"]).documents["7/issues/1"].title == "Anew"


def test_a_whole_scan_and_one_from_a_cursor_say_the_same_of_an_issue(github: Hub, repo: Repo) -> None:
    for number in (1, 2):
        github.issue(repo, number)
        github.comment(repo, number, "first")
    first = scan(github)
    repo.threads[1] |= {"title": "Another", "updated_at": moment(github.tick())}
    assert scan(github, first.cursor).documents["7/issues/1"] == scan(github).documents["7/issues/1"]


def test_many_changes_of_one_moment_are_all_told(github: Hub, repo: Repo) -> None:
    github.page = 3
    for number in range(1, 12):
        github.issue(repo, number)
        repo.threads[number]["updated_at"] = moment(github.clock if number == 11 else datetime(2026, 11, 2, tzinfo=UTC))
    assert len(scan(github, read=["issues"]).names) == 11


# -- repositories --


def test_a_repository_that_was_renamed_keeps_its_documents_and_has_them_at_its_new_address(
    github: Hub, repo: Repo
) -> None:
    github.push(repo, {"a.md": b"a", "b.md": b"b"})
    github.issue(repo, 1)
    first = scan(github)
    repo.name, github.moved = "acme/manual", {"acme/handbook": 7}
    repo.files.pop("b.md")
    github.push(repo, {})
    after = scan(github, first.cursor)
    assert (after.names, after.deleted) == (["7/files/a.md", "7/issues/1"], ["7/files/b.md"])
    assert after.documents["7/files/a.md"].uri == "https://github.example.org/acme/manual/blob/main/a.md"
    assert after.documents["7/files/a.md"].fingerprint == first.documents["7/files/a.md"].fingerprint
    assert scan(github, after.cursor).names == ["7/issues/1"]


def test_all_of_an_organisation_but_what_is_left_out(github: Hub, repo: Repo) -> None:
    github.page = 2
    for id in range(8, 13):
        github.issue(github.repo(id, f"acme/r{id}", archived=id == 9, collaborators={1: True}), 1)
    config: dict[str, Any] = {"repositories": None, "organisation": "acme", "read": ["issues"]}
    assert scan(github, **config).names == [f"{id}/issues/1" for id in (10, 11, 12, 8, 9)]
    assert scan(github, **config, archived=False, skip=["acme/r1*"]).names == ["8/issues/1"]


def test_a_repository_that_is_new_is_read_and_one_that_is_gone_has_everything_listed(github: Hub, repo: Repo) -> None:
    config: dict[str, Any] = {"repositories": None, "organisation": "acme", "read": ["issues"]}
    github.issue(repo, 1)
    first = scan(github, **config)
    github.issue(github.repo(8, "acme/new", collaborators={1: True}), 1)
    second = scan(github, first.cursor, **config)
    assert "8/issues/1" in second.names
    del github.repos[8]
    assert isinstance(scan(github, second.cursor, **config).raised, CursorExpired)
    assert scan(github, **config).names == ["7/issues/1"]


def test_a_repository_that_cannot_be_seen_is_told_and_does_not_stop_the_others(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1)
    seen = scan(github, repositories=["acme/handbook", "acme/nowhere"])
    assert (seen.names, seen.refused, seen.raised) == (["7/issues/1"], {"acme/nowhere": "missing"}, None)
    none = scan(github, repositories=["acme/nowhere"])
    assert isinstance(none.raised, SourceRefuses) and none.changes == []


def test_a_repository_without_commits_or_without_the_ref_has_no_files(github: Hub, repo: Repo) -> None:
    assert scan(github).names == []
    github.push(repo, {"a.md": b"a"})
    assert scan(github, ref="v2").refused == {"7/files": "missing"}
    github.push(repo, {}, "a.md")
    repo.trees = {"4b825dc642cb6eb9a060e54bf8d69288fbee4904": {}}
    assert scan(github).names == []


# -- what is fetched --


def test_what_was_deleted_moved_or_is_of_another_kind_is_not_found(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a/b.md": b"b"})
    github.issue(repo, 1)
    github.pull(repo, 2)
    repo.gone.add(3)
    names = [
        "issues/3",
        "issues/9",
        "issues/2",
        "pulls/1",
        "files/a",
        "files/c.md",
        "discussions/9",
        "issues/01",
        "x/1",
    ]
    for name in [*(f"7/{name}" for name in names), "8/issues/1", "8/files/a/b.md", "8/discussions/1", "07/issues/1"]:
        with pytest.raises(NotFound):
            connector(github).fetch(name)


def test_an_issue_that_went_to_another_repository_is_gone_here(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1)
    there = f"{github.api.url}/repositories/8/issues/4"
    github.api.fail("/issues/1", as_json({"url": there}, 301, {"Location": there}))
    with pytest.raises(NotFound):
        connector(github).fetch("7/issues/1")


def test_a_thread_that_is_too_long_is_refused(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1, "A", "x" * 3000)
    with pytest.raises(DocumentRejected) as refused:
        connector(github, max_thread_kb=1).fetch("7/issues/1")
    assert refused.value.reason == "too_large"


def test_more_than_was_agreed_ends_the_scan(github: Hub, repo: Repo) -> None:
    github.push(repo, {f"{n}.md": b"x" for n in range(4)})
    for config in ({"max_items": 3, "read": ["files"]}, {"max_items": 3}):
        raised = scan(github, **config).raised
        assert isinstance(raised, BadConfig) and raised.field == "config.max_items"
