"""Who may read what of a GitLab source: by role and by part, confidential issues apart, nobody where it is not told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.api import as_json, truncated
from tests.connectors.gitlab.lab import DEVELOPER, GUEST, REPORTER, Lab, Project, account, connector, scan
from vouch.core.errors import CursorExpired, SourceRefuses, Unavailable
from vouch.core.types import AccessUnknown, RawClause, SourceAcl

PEOPLE = {"named": {"1": "user:alice", "2": "user:bob", "3": "user:carol"}}
MEMBERS = ("group:gitlab/project.7",)
REPORTERS = ("group:gitlab/reporters.7",)
EVERYONE = ("authenticated",)


@pytest.fixture
def project(gitlab: Lab) -> Project:
    project = gitlab.project(7, "acme/handbook", members={1: GUEST, 2: REPORTER, 3: DEVELOPER})
    gitlab.push(project, {"a.md": b"a"})
    gitlab.issue(project, 1)
    gitlab.issue(project, 2, confidential=True, author=account(1), assignees=[account(4), account(1)])
    gitlab.merge(project, 1)
    project.wiki["home"] = "x"
    return project


def told(lab: Lab, **config: Any) -> set[tuple[str, str]]:
    found = [(m.group, m.member) for m in connector(lab, people=PEOPLE, **config).memberships()]
    assert len(set(found)) == len(found)
    return {(g.removeprefix("group:gitlab/"), m.removeprefix("group:gitlab/")) for g, m in found}


def acls(lab: Lab, **config: Any) -> dict[str, SourceAcl]:
    return {name.removeprefix("7/"): change.acl for name, change in scan(lab, **config).documents.items()}


def first(acl: SourceAcl) -> tuple[str, ...]:
    assert isinstance(acl, tuple)
    return acl[0].allow


def test_reporters_are_members_and_both_are_those_that_are_active(gitlab: Lab, project: Project) -> None:
    gitlab.page = 2
    project.members |= {4: 5, 5: DEVELOPER, 6: 15}
    project.blocked = {5}
    assert told(gitlab) == {
        ("project.7", "reporters.7"), ("project.7", "account.1"), ("project.7", "account.6"),
        ("reporters.7", "account.2"), ("reporters.7", "account.3"),
        ("account.1", "user:alice"), ("account.2", "user:bob"), ("account.3", "user:carol"),
    }  # fmt: skip


def test_a_guest_of_a_private_project_reads_its_issues_and_not_its_code(gitlab: Lab, project: Project) -> None:
    found = acls(gitlab)
    readers = {"files/a.md": REPORTERS, "merge_requests/1": REPORTERS, "issues/1": MEMBERS, "wiki/home": MEMBERS}
    assert {name: first(found[name]) for name in readers} == readers


def test_a_confidential_issue_is_read_by_reporters_and_whom_it_concerns_that_are_members(
    gitlab: Lab, project: Project
) -> None:
    concerned = ("group:gitlab/account.1", "group:gitlab/account.4")
    expected = (
        RawClause(MEMBERS, (), "members of acme/handbook"),
        RawClause((*REPORTERS, *concerned), (), "confidential issue"),
    )
    assert acls(gitlab)["confidential/2"] == expected
    project.issues[2]["author"] = None
    assert acls(gitlab)["confidential/2"] == (
        expected[0], RawClause((*REPORTERS, concerned[1], concerned[0]), (), "confidential issue")
    )  # fmt: skip


@pytest.mark.parametrize("visibility", ["private", "internal", "public"])
def test_a_public_project_is_everyones_only_where_the_configuration_says_so(
    gitlab: Lab, project: Project, visibility: str
) -> None:
    project.visibility = visibility
    closed = acls(gitlab)
    assert not [acl for acl in closed.values() if "authenticated" in first(acl)]
    assert first(closed["files/a.md"]) == (REPORTERS if visibility == "private" else MEMBERS)
    opened = acls(gitlab, public="authenticated")
    if visibility != "public":
        assert opened == closed
        return
    assert {first(acl) for acl in opened.values()} == {EVERYONE}
    secret = opened["confidential/2"]
    assert isinstance(secret, tuple) and secret[1].allow[0] == REPORTERS[0] and "authenticated" not in secret[1].allow


def test_a_part_that_is_for_members_alone_is_so_in_a_public_project(gitlab: Lab, project: Project) -> None:
    project.visibility = "public"
    project.levels = dict.fromkeys(("repository", "issues", "merge_requests", "wiki"), "private")
    found = acls(gitlab, public="authenticated")
    readers = {"files/a.md": REPORTERS, "merge_requests/1": REPORTERS, "issues/1": MEMBERS, "wiki/home": MEMBERS}
    assert {name: first(found[name]) for name in readers} == readers


@pytest.mark.parametrize("change", [{"visibility": "private"}, {"levels": {"repository": "private"}}])
def test_a_project_that_is_made_less_open_is_listed_anew(gitlab: Lab, project: Project, change: dict[str, Any]) -> None:
    project.visibility = "public"
    seen = scan(gitlab, public="authenticated")
    for name, value in change.items():
        setattr(project, name, value)
    assert isinstance(scan(gitlab, seen.cursor, public="authenticated").raised, CursorExpired)


def test_where_the_members_cannot_be_told_nobody_reads_and_the_other_projects_go_on(
    gitlab: Lab, project: Project
) -> None:
    gitlab.issue(gitlab.project(8, "acme/other", members={3: GUEST}), 1)
    config = {"projects": ["acme/handbook", "acme/other"]}
    gitlab.api.fail("/projects/7/members", as_json({"message": "403 Forbidden"}, 403), 100)
    seen = scan(gitlab, **config)
    said = {change.acl for name, change in seen.documents.items() if name.startswith("7/")}
    detail = "Who may read acme/handbook cannot be read: status 403"
    assert said == {AccessUnknown("access_unreadable", detail)}
    assert isinstance(seen.documents["8/issues/1"].acl, tuple)
    assert ("project.8", "account.3") in told(gitlab, **config)
    assert not [m for g, m in told(gitlab, **config) if g in ("project.7", "reporters.7") and m.startswith("account")]


@pytest.mark.parametrize(
    "answer", [as_json({}, 500), truncated([{"id": 1}] * 9), as_json({"message": "x"}), as_json([{"id": "x"}])]
)
def test_a_list_of_members_that_fails_is_no_shorter_list(gitlab: Lab, project: Project, answer: Any) -> None:
    gitlab.page = 1
    gitlab.api.fail("members.*page=2", answer, 100)
    with pytest.raises(Unavailable):
        told(gitlab)


def test_a_token_that_is_refused_is_no_empty_group(gitlab: Lab, project: Project) -> None:
    gitlab.api.fail("members", as_json({"message": "401 Unauthorized"}, 401), 100)
    with pytest.raises(SourceRefuses):
        told(gitlab)
