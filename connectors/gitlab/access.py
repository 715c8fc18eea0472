"""Who may read what of a project on GitLab.

A project is two groups, of its members and of those that are at least reporters, for a guest of a private project sees
its issues and its wiki and not its code. Members are read with those that it inherits, each with the highest of its
roles, as GitLab sums them up. A confidential issue is read by reporters, by who opened it, by whom it is assigned to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.accounts import Account, Accounts
from connectors.forge.answers import rows
from connectors.forge.since import PER_PAGE
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.rows import Issue, Member, Project
from connectors.protocol import Membership
from connectors.rest import Rest
from vouch.core.errors import NotFound, SourceRefuses
from vouch.core.types import AUTHENTICATED, AccessUnknown, RawClause, SourceAcl

_GUEST, _REPORTER = 10, 20
_EVERYONE = ("enabled", "public")
_CODE = ("files", "merge_requests")


class Access:
    """Who may read the projects of one configuration."""

    def __init__(self, rest: Rest, config: GitlabConfig) -> None:
        self._rest, self._config = rest, config
        self._accounts = Accounts(config.issuer, config.people)
        self._unknown: dict[int, AccessUnknown | None] = {}

    def acl(self, project: Project, part: str, issue: Issue | None = None) -> SourceAcl:
        """The clauses of an item. Where the members cannot be told nobody may read it, and the job says so."""
        confidential = issue is not None and issue.confidential
        if self._is_open(project, part) and not confidential:
            return (RawClause((AUTHENTICATED,), (), "config.public"),)
        unknown = self._require_told(project)
        if unknown is not None:
            return unknown
        readers = self._reporters(project) if self._narrow(project, part) else self._members(project)
        base = AUTHENTICATED if self._is_open(project, part) else readers
        clauses = [RawClause((base,), (), f"members of {project.path}")]
        if confidential and issue is not None:
            concerned = [*([issue.author] if issue.author else []), *issue.assignees]
            named = dict.fromkeys(self._accounts.account(str(one.id)) for one in concerned)
            clauses.append(RawClause((self._reporters(project), *named), (), "confidential issue"))
        return tuple(clauses)

    def mark(self, project: Project) -> str:
        """What :meth:`acl` goes by; another one concerns everything in the project."""
        levels = (project.visibility, *(project.level(part) for part in self._config.read))
        return " ".join(levels)

    def memberships(self, projects: Iterable[Project]) -> Iterator[Membership]:
        """Who is in the groups. One whose members GitLab does not tell is empty."""
        met: set[int] = set()
        for project in projects:
            members = self._told(project)
            met |= members.keys()
            yield Membership(self._members(project), self._reporters(project))
            for id, level in sorted(members.items()):
                group = self._reporters(project) if level >= _REPORTER else self._members(project)
                yield Membership(group, self._accounts.account(str(id)))
        yield from self._accounts.members(Account(str(id)) for id in sorted(met))

    def _told(self, project: Project) -> dict[int, int]:
        found: dict[int, int] = {}
        try:
            for reply in self._rest.pages(f"{project.root}/members/all", {"per_page": PER_PAGE}):
                for member in rows(Member, reply.data):
                    if member.active and member.access_level >= _GUEST:
                        # Should one be told twice, which GitLab does not say it does, the lower role counts.
                        found[member.id] = min(member.access_level, found.get(member.id, member.access_level))
        except (SourceRefuses, NotFound) as error:
            if isinstance(error, SourceRefuses) and error.said == 401:
                raise
            return {}
        return found

    def _require_told(self, project: Project) -> AccessUnknown | None:
        if project.id not in self._unknown:
            self._unknown[project.id] = None
            try:
                self._rest.get(f"{project.root}/members/all", {"per_page": 1})
            except (SourceRefuses, NotFound) as error:
                said = f": status {error.said}" if isinstance(error, SourceRefuses) and error.said else ""
                detail = f"Who may read {project.path} cannot be read{said}"
                self._unknown[project.id] = AccessUnknown("access_unreadable", detail)
        return self._unknown[project.id]

    def _is_open(self, project: Project, part: str) -> bool:
        public = project.visibility == "public" and self._config.public == "authenticated"
        return public and project.level(part) in _EVERYONE

    def _narrow(self, project: Project, part: str) -> bool:
        """Whether a guest does not see it: code, unless everyone who reaches the project does."""
        open_to_guests = project.visibility in ("public", "internal") and project.level(part) in _EVERYONE
        return part in _CODE and not open_to_guests

    def _members(self, project: Project) -> str:
        return self._accounts.group("project", str(project.id))

    def _reporters(self, project: Project) -> str:
        return self._accounts.group("reporters", str(project.id))
