"""What a Jira site says over its API, as frozen values: projects, issues, comments, who holds what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.atlassian.text import as_dict, clean, malformed, time_of
from connectors.rest import Rest
from vouch.core.errors import Unavailable
from vouch.core.types import Json

V3 = "rest/api/3"
_ID = re.compile(r"[0-9]{1,20}")
_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,254}-[0-9]{1,18}")
_MOST_PAGES = 100_000
_LISTED = ("summary", "updated", "security", "issuerestriction", "reporter", "assignee", "comment")


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    key: str
    lead: str | None
    team_managed: bool


@dataclass(frozen=True, slots=True)
class Issue:
    """``security``: id of its security level; None: it has none; ``""``: the site did not say. ``restricted``: whether
    a team-managed project shows it to some of its roles alone; None: the site did not say. ``remarks``: what changes
    whenever one of its comments does."""

    id: str
    key: str
    summary: str
    updated: str
    reporter: str | None
    assignee: str | None
    security: str | None
    restricted: bool | None
    remarks: tuple[str, ...]

    @property
    def external_id(self) -> str:
        return f"issue/{self.id}"

    @property
    def modified_at(self) -> datetime | None:
        return time_of(self.updated)


class Site:
    """A site as one scan, or one fetch, sees it. An answer that is not well-formed raises :class:`Unavailable`."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def listed(self, path: str, params: Mapping[str, Any], of: str = "values") -> Iterator[Json]:
        """What all pages of a listing hold that goes by offsets. A page may hold less than was asked for, even nothing;
        what comes twice is told twice."""
        start, before = 0, None
        for _ in range(_MOST_PAGES):
            data = self.rest.get(f"{V3}/{path}", {**params, "startAt": start}).data
            found = _items(data, of)
            if found and found == before:
                break
            yield from found
            last, total = data.get("isLast"), data.get("total")
            start, before = start + (len(found) or params["maxResults"]), found
            if last is True or (last is None and not found) or (isinstance(total, int) and start >= total):
                return
        raise self._endless()

    def require_account(self) -> None:
        """Raises :class:`SourceRefuses` where the site takes the asker for nobody."""
        if not isinstance(as_dict(self.rest.get(f"{V3}/myself").data).get("accountId"), str):
            raise malformed()

    def projects(self) -> Iterator[Project]:
        """Those that are live, and that the account sees."""
        for said in self.listed("project/search", {"expand": "lead", "maxResults": 50, "status": "live"}):
            key = said.get("key")
            if not isinstance(key, str) or not key.isidentifier():
                raise malformed()
            team_managed = said.get("simplified") is True or said.get("style") == "next-gen"
            yield Project(_id(said.get("id")), key, _account(said.get("lead")), team_managed)

    def issues(self, project: Project, *, comments: bool) -> Iterator[Issue]:
        """All issues of a project. What changes meanwhile can come twice."""
        fields = ",".join(name for name in _LISTED if comments or name != "comment")
        wanted = {"jql": f"project = {project.id} ORDER BY created ASC", "fields": fields, "maxResults": 50}
        token: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            data = self.rest.get(f"{V3}/search/jql", {**wanted, "nextPageToken": token}).data
            yield from map(_issue, _items(data, "issues"))
            token = data.get("nextPageToken")
            if token is None or data.get("isLast") is True:
                return
            if not isinstance(token, str) or token in seen:
                raise self._endless()
            seen.add(token)
        raise self._endless()

    def issue(self, id: str) -> Json:
        """Everything that is read of one issue, as the site says it."""
        fields = "summary,description,project,issuetype,status,resolution,priority,labels,components,fixVersions"
        said = self.rest.get(f"{V3}/issue/{id}", {"fields": fields}).data
        if not isinstance(said, dict) or str(said.get("id")) != id or not isinstance(said.get("fields"), dict):
            raise malformed()
        return said

    def comments(self, id: str) -> Iterator[Json]:
        yield from self.listed(f"issue/{id}/comment", {"maxResults": 100, "orderBy": "created"}, "comments")

    def grants(self, project: Project) -> list[Json]:
        """Whom the project's permission scheme lets see its issues."""
        said = self.rest.get(f"{V3}/project/{project.id}/permissionscheme", {"expand": "permissions"}).data
        permissions = as_dict(said).get("permissions")
        if not isinstance(permissions, list):
            raise malformed()
        return [as_dict(p.get("holder")) for p in map(as_dict, permissions) if p.get("permission") == "BROWSE_PROJECTS"]

    def level(self, id: str) -> list[Json]:
        """Whom a security level lets in."""
        said = self.listed("issuesecurityschemes/level/member", {"levelId": id, "maxResults": 50})
        return [as_dict(member.get("holder")) for member in said if str(member.get("issueSecurityLevelId")) == id]

    def has_levels(self, project: Project) -> bool:
        """Whether issues of the project can have a security level at all."""
        reply = self.rest.get(f"{V3}/project/{project.id}/issuesecuritylevelscheme", accept=(404,))
        return reply.status != 404

    def role(self, project: Project, id: str) -> list[Json]:
        actors = as_dict(self.rest.get(f"{V3}/project/{project.id}/role/{quote(id, safe='')}").data).get("actors")
        if not isinstance(actors, list):
            raise malformed()
        return [as_dict(actor) for actor in actors]

    def product_groups(self, product: str) -> list[str]:
        """The groups whose members may use a product."""
        said = as_dict(self.rest.get(f"{V3}/applicationrole/{quote(product, safe='')}").data).get("groupDetails")
        if not isinstance(said, list):
            raise malformed()
        return [str(as_dict(group).get("groupId")) for group in said]

    def _endless(self) -> Unavailable:
        return Unavailable(f"The pages of {self.rest.base.host} do not end.")


def _items(data: Any, of: str) -> list[Json]:
    found = data.get(of) if isinstance(data, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise malformed()
    return found


def _issue(said: Json) -> Issue:
    fields, key = said.get("fields"), said.get("key")
    if not isinstance(fields, dict) or not isinstance(fields.get("updated"), str) or not isinstance(key, str):
        raise malformed()
    if not _KEY.fullmatch(key):
        raise malformed()
    comment = as_dict(fields.get("comment"))
    remarks = [
        f"{c.get('id')} {c.get('updated')} {c.get('visibility')}" for c in map(as_dict, comment.get("comments") or ())
    ]
    return Issue(
        id=_id(said.get("id")),
        key=key,
        summary=clean(fields.get("summary")),
        updated=fields["updated"],
        reporter=_account(fields.get("reporter")),
        assignee=_account(fields.get("assignee")),
        security=_security(fields),
        restricted=_restricted(fields),
        remarks=(str(comment.get("total")), *sorted(remarks)),
    )


def _security(fields: Json) -> str | None:
    """A field that is left out is not one that is empty."""
    if "security" not in fields:
        return ""
    said = fields["security"]
    return None if said is None else _id(as_dict(said).get("id"))


def _restricted(fields: Json) -> bool | None:
    said = fields.get("issuerestriction")
    restrictions = as_dict(said).get("issuerestrictions")
    if isinstance(said, dict) and isinstance(restrictions, dict):
        return any(restrictions.values())
    return None if said is None else True


def _account(said: Any) -> str | None:
    found = as_dict(said).get("accountId")
    return found if isinstance(found, str) and found else None


def _id(said: object) -> str:
    text = str(said) if isinstance(said, str | int) else ""
    if not _ID.fullmatch(text):
        raise malformed()
    return text
