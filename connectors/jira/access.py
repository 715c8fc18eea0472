"""Who may see an issue of Jira: whoever may browse its project, and is let in by its security level, where it has one.

Both are lists of holders: accounts, groups, project roles, the reporter. Each list is a clause of its own. A holder
that cannot be told in accounts and groups lets nobody in, and the job names it.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.accounts import Accounts
from connectors.atlassian.config import Public
from connectors.atlassian.text import as_dict
from connectors.jira.site import Issue, Project, Site
from vouch.core.errors import NotFound, SourceRefuses
from vouch.core.types import AUTHENTICATED, AccessUnknown, Json, RawClause, SourceAcl

_PORTAL = "sd.customer.portal.only"
_OF_ISSUE = ("reporter", "assignee")
_Holders = tuple[frozenset[str], frozenset[str]]
"""Principals, and which of :data:`_OF_ISSUE` are let in besides."""


class Access:
    """What one scan knows of who may see the issues of one project."""

    def __init__(self, site: Site, project: Project, accounts: Accounts, public: Public) -> None:
        self._site, self._project, self._accounts, self._public = site, project, accounts, public
        self._browse: _Holders | AccessUnknown = self._project_holders()
        self._levels: dict[str, _Holders | AccessUnknown] = {}
        self._has_levels: bool | None = None

    def of(self, issue: Issue) -> SourceAcl:
        if isinstance(self._browse, AccessUnknown):
            return self._browse
        if issue.restricted or (issue.restricted is None and self._project.team_managed):
            return AccessUnknown(
                "restriction_unknown", f"{issue.key}: it is restricted, or may be, and not told to whom"
            )
        browse = self._clause(self._browse, issue, f"project {self._project.key}")
        level = issue.security
        if level == "" and not self._may_have_level():
            level = None
        if level is None:
            return (browse,)
        if not level:
            return AccessUnknown("security_level_unknown", f"{issue.key}: its security level is not told")
        if level not in self._levels:
            self._levels[level] = self._level_holders(level)
        holders = self._levels[level]
        if isinstance(holders, AccessUnknown):
            return holders
        return (browse, self._clause(holders, issue, f"security level {level} in {self._project.key}"))

    def _clause(self, holders: _Holders, issue: Issue, where: str) -> RawClause:
        allow, of_issue = holders
        people = {"reporter": issue.reporter, "assignee": issue.assignee}
        own = {self._accounts.account(account) for name in of_issue if (account := people[name])}
        return RawClause(tuple(sorted(allow | own)), (), where)

    def _project_holders(self) -> _Holders | AccessUnknown:
        try:
            return self._holders(self._site.grants(self._project))
        except (NotFound, SourceRefuses) as error:
            _require_about_one(error)
            detail = f"project {self._project.key}: its permission scheme cannot be read ({error.detail})"
            return AccessUnknown("permissions_unreadable", detail)

    def _level_holders(self, level: str) -> _Holders | AccessUnknown:
        try:
            return self._holders(self._site.level(level))
        except (NotFound, SourceRefuses) as error:
            _require_about_one(error)
            return AccessUnknown(
                "security_level_unknown", f"security level {level}: who is in it cannot be read ({error.detail})"
            )

    def _may_have_level(self) -> bool:
        if self._has_levels is None:
            try:
                self._has_levels = self._site.has_levels(self._project)
            except SourceRefuses as error:
                _require_about_one(error)
                self._has_levels = True
        return self._has_levels

    # -- holders --

    def _holders(self, said: Iterable[Json]) -> _Holders:
        allow: set[str] = set()
        of_issue: set[str] = set()
        for holder in said:
            kind = str(holder.get("type"))
            if kind in _OF_ISSUE:
                of_issue.add(kind)
            elif kind != _PORTAL:  # sees the portal of a service desk, and no issue as it is
                allow |= set(self._principals(kind, holder))
        return frozenset(allow), frozenset(of_issue)

    def _principals(self, kind: str, holder: Json) -> Iterable[str]:
        id = str(holder.get("value") or holder.get("parameter") or "")
        if kind == "user":
            account = as_dict(holder.get("user")).get("accountId") or id
            return (self._accounts.account(str(account)),) if account else (_other(kind, id),)
        if kind == "group" and holder.get("value"):
            return (self._accounts.group("group", str(holder["value"])),)
        if kind == "projectLead":
            return (self._accounts.account(self._project.lead),) if self._project.lead else ()
        if kind == "anyone" or (kind == "applicationRole" and not id):
            return (AUTHENTICATED,) if self._public == "authenticated" else ()
        try:
            if kind == "projectRole" and id:
                return [self._actor(actor) for actor in self._site.role(self._project, id)]
            if kind == "applicationRole":
                return [self._accounts.group("group", group) for group in self._site.product_groups(id)]
        except (NotFound, SourceRefuses) as error:
            _require_about_one(error)
        return (_other(kind, id),)

    def _actor(self, actor: Json) -> str:
        group, account = (
            as_dict(actor.get("actorGroup")).get("groupId"),
            as_dict(actor.get("actorUser")).get("accountId"),
        )
        if isinstance(group, str) and group:
            return self._accounts.group("group", group)
        if isinstance(account, str) and account:
            return self._accounts.account(account)
        return _other(str(actor.get("type")), "")


def _other(kind: str, id: str) -> str:
    """What is no principal: it grants nobody, and is reported."""
    return f"Jira's {kind} {id}".strip()[:200]


def _require_about_one(error: NotFound | SourceRefuses) -> None:
    """A credential that is not good says nothing about one project: raises it again."""
    if isinstance(error, SourceRefuses) and error.said == 401:
        raise error
