"""Who may read a repository on GitHub, by GitHub's own sum of it.

Direct collaborators, teams and the teams below them, an organisation's base permission and its owners all come
together in one list, the collaborators of a repository with what each of them may do. Working it out again from its
parts could only come to something else. So a repository is one group, its members are those who may read it, and a
document's clause is that group: who loses a repository loses it with the next reading of the groups, and no document
is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.accounts import Account, Accounts
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Account as Row
from connectors.github.rows import Collaborator, Repository
from connectors.protocol import Membership
from vouch.core.errors import NotFound, SourceRefuses
from vouch.core.types import AUTHENTICATED, AccessUnknown, RawClause, SourceAcl


class Access:
    """Who may read the repositories of one configuration."""

    def __init__(self, api: Github, config: GithubConfig) -> None:
        self._api, self._config = api, config
        self._accounts = Accounts(config.issuer, config.people)

    def acl(self, repository: Repository) -> SourceAcl:
        """The clause of everything in it. Where its readers cannot be told nobody may read it, and the job says so."""
        if self.is_open(repository):
            return (RawClause((AUTHENTICATED,), (), "config.public"),)
        try:
            self._api.rest.get(f"{repository.root}/collaborators", {"affiliation": "all", "per_page": 1})
        except (SourceRefuses, NotFound) as error:
            said = f": status {error.said}" if isinstance(error, SourceRefuses) and error.said else ""
            return AccessUnknown("access_unreadable", f"Who may read {repository.full_name} cannot be read{said}")
        allow = [self._readers(repository)]
        if repository.visibility == "internal":
            allow.append(self._members_of(repository))
        return (RawClause(tuple(allow), (), f"collaborators of {repository.full_name}"),)

    def mark(self, repository: Repository) -> str:
        """What :meth:`acl` goes by; another one concerns everything in the repository."""
        return "authenticated" if self.is_open(repository) else repository.visibility

    def memberships(self, repositories: Iterable[Repository]) -> Iterator[Membership]:
        """Who is in the groups. One whose readers GitHub does not tell is empty."""
        met: set[int] = set()
        organisations: set[int] = set()
        for repository in repositories:
            if self.is_open(repository):
                continue
            group = self._readers(repository)
            yield from self._of(group, self._told(f"{repository.root}/collaborators", {"affiliation": "all"}), met)
            if repository.visibility == "internal" and repository.owner.id not in organisations:
                organisations.add(repository.owner.id)
                members = self._told(f"/orgs/{repository.owner.login}/members", None)
                yield from self._of(self._members_of(repository), members, met)
        yield from self._accounts.members(Account(str(id)) for id in sorted(met))

    def is_open(self, repository: Repository) -> bool:
        return repository.visibility == "public" and self._config.public == "authenticated"

    def _of(self, group: str, ids: set[int], met: set[int]) -> Iterator[Membership]:
        met |= ids
        for id in sorted(ids):
            yield Membership(group, self._accounts.account(str(id)))

    def _told(self, path: str, params: dict[str, str] | None) -> set[int]:
        try:
            if path.endswith("/collaborators"):
                told = self._api.every(Collaborator, path, params)
                return {one.id for one in told if one.type == "User" and one.permissions.get("pull") is True}
            return {one.id for one in self._api.every(Row, path, params) if one.type == "User"}
        except (SourceRefuses, NotFound) as error:
            if isinstance(error, SourceRefuses) and error.said == 401:
                raise
            return set()

    def _readers(self, repository: Repository) -> str:
        return self._accounts.group("repo", str(repository.id))

    def _members_of(self, repository: Repository) -> str:
        return self._accounts.group("org", str(repository.owner.id))
