"""Who may read what of a GitHub source: what GitHub says, nobody where it does not, and everyone only when told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.api import as_json, truncated
from tests.connectors.github.hub import Hub, Repo, connector, scan
from tests.connectors.seen import members
from vouch.core.errors import CursorExpired, SourceRefuses, Unavailable
from vouch.core.types import AccessUnknown, RawClause, SourceAcl

PEOPLE = {"named": {"1": "user:alice", "2": "user:bob", "3": "user:carol"}}
FORBIDDEN = as_json({"message": "Must have push access to view repository collaborators."}, 403)


@pytest.fixture
def repo(github: Hub) -> Repo:
    repo = github.repo(7, "acme/handbook", collaborators={1: True, 2: True})
    github.issue(repo, 1)
    return repo


def told(hub: Hub, **config: Any) -> set[tuple[str, str]]:
    found = [(m.group, m.member) for m in connector(hub, people=PEOPLE, **config).memberships()]
    assert len(set(found)) == len(found)
    return {(g.removeprefix("group:github/"), m.removeprefix("group:github/")) for g, m in found}


def acl(hub: Hub, id: int = 7, **config: Any) -> SourceAcl:
    return scan(hub, **config).documents[f"{id}/issues/1"].acl


def test_a_repositorys_group_holds_the_accounts_that_github_lets_read_it(github: Hub, repo: Repo) -> None:
    github.page = 2
    repo.collaborators = {1: True, 2: True, 3: False, 4: True, 5: True}
    accounts = {("account.1", "user:alice"), ("account.2", "user:bob")}
    assert told(github) == accounts | {("repo.7", f"account.{id}") for id in (1, 2, 4, 5)}


def test_who_loses_the_repository_leaves_its_group_and_no_rule_changes(github: Hub, repo: Repo) -> None:
    before, seen = acl(github), scan(github)
    del repo.collaborators[2]
    assert told(github) == {("repo.7", "account.1"), ("account.1", "user:alice")}
    assert acl(github) == before == (RawClause(("group:github/repo.7",), (), "collaborators of acme/handbook"),)
    assert scan(github, seen.cursor).raised is None


def test_robots_are_nobody(github: Hub, repo: Repo) -> None:
    bot = {"id": 2, "login": "login2", "type": "Bot", "permissions": {"pull": True}}
    github.api.fail("collaborators", as_json([bot, {**bot, "id": 3, "type": "User", "permissions": {}}]))
    assert told(github) == set()


@pytest.mark.parametrize("visibility", ["public", "internal", "private"])
def test_a_public_repository_is_everyones_only_where_the_configuration_says_so(
    github: Hub, repo: Repo, visibility: str
) -> None:
    repo.visibility = visibility
    said = acl(github)
    assert isinstance(said, tuple) and "authenticated" not in said[0].allow
    opened = acl(github, public="authenticated")
    if visibility == "public":
        assert opened == (RawClause(("authenticated",), (), "config.public"),)
        assert told(github, public="authenticated") == set()
    else:
        assert opened == said


def test_a_repository_that_is_made_private_is_taken_from_everyone(github: Hub, repo: Repo) -> None:
    repo.visibility = "public"
    seen = scan(github, public="authenticated")
    repo.visibility = "private"
    assert isinstance(scan(github, seen.cursor, public="authenticated").raised, CursorExpired)
    assert acl(github, public="authenticated") == acl(github)


def test_an_internal_repository_is_read_by_the_members_of_the_organisation_too(github: Hub, repo: Repo) -> None:
    repo.visibility, github.members = "internal", [2, 3]
    github.issue(github.repo(8, "acme/other", visibility="internal", collaborators={1: True}), 1)
    config: dict[str, Any] = {"repositories": None, "organisation": "acme"}
    said = acl(github, **config)
    assert isinstance(said, tuple) and said[0].allow == ("group:github/repo.7", "group:github/org.900")
    members = told(github, **config)
    assert {m for g, m in members if g == "org.900"} == {"account.2", "account.3"}
    assert ("account.3", "user:carol") in members
    github.api.fail("/orgs/acme/members", FORBIDDEN)
    assert not [m for g, m in told(github, **config) if g == "org.900"]


def test_where_the_readers_cannot_be_told_nobody_reads_and_the_other_repositories_go_on(
    github: Hub, repo: Repo
) -> None:
    github.issue(github.repo(8, "acme/other", collaborators={3: True}), 1)
    config = {"repositories": ["acme/handbook", "acme/other"]}
    github.api.fail("/repositories/7/collaborators", FORBIDDEN, 100)
    said = acl(github, **config)
    assert isinstance(said, AccessUnknown) and said.reason == "access_unreadable"
    assert said.detail == "Who may read acme/handbook cannot be read: status 403"
    assert isinstance(acl(github, 8, **config), tuple)
    assert told(github, **config) == {("repo.8", "account.3"), ("account.3", "user:carol")}


@pytest.mark.parametrize(
    "answer",
    [as_json({}, 500), truncated([{"id": 1}] * 9), as_json({"message": "Moved"}), as_json([{"id": "x"}])],
)
def test_a_list_of_readers_that_fails_is_no_shorter_list(github: Hub, repo: Repo, answer: Any) -> None:
    github.page = 1
    github.api.fail("collaborators.*page=2", answer, 100)
    with pytest.raises(Unavailable):
        told(github)


def test_a_credential_that_is_refused_is_no_empty_group(github: Hub, repo: Repo) -> None:
    with pytest.raises(SourceRefuses):
        told(github, token="another")
    github.api.fail("collaborators", as_json({"message": "Bad credentials"}, 401), 100)
    with pytest.raises(SourceRefuses):
        told(github)


def test_people_are_known_by_number_or_by_an_issuer_that_uses_the_same(github: Hub, repo: Repo) -> None:
    people = {"named": {"1": "user:alice"}, "issuer": "entra"}
    found = members(connector(github, people=people))
    assert ("group:github/account.1", "user:alice") in found and ("group:github/account.2", "user:entra/2") in found
    assert not [m for _, m in found if "login" in m]
