"""A Jira Cloud site on loopback: projects, issues, permission schemes, security levels, in its documented answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.jira.connector import JiraConfig, JiraConnector
from connectors.pace import Pace
from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json
from tests.connectors.confluence.cloud import AUTHORIZATION, Patience
from tests.outbound.serving import Reply

V3 = "/rest/api/3"
Json = dict[str, Any]


def text(said: str) -> Json:
    """A paragraph in Atlassian's document format."""
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": said}]}],
    }


def holder(kind: str, value: str | None = None) -> Json:
    return {"type": kind, **({} if value is None else {"parameter": f"name of {value}", "value": value})}


@dataclass
class Jira:
    """``levels``: holders by security level. ``silent``: fields that searches leave out."""

    api: Api = field(default_factory=lambda: Api(authorization=AUTHORIZATION))
    projects: dict[str, Json] = field(default_factory=dict)
    browse: dict[str, list[Json]] = field(default_factory=dict)
    with_levels: set[str] = field(default_factory=set)
    issues: dict[str, Json] = field(default_factory=dict)
    comments: dict[str, list[Json]] = field(default_factory=dict)
    levels: dict[str, list[Json]] = field(default_factory=dict)
    roles: dict[str, list[Json]] = field(default_factory=dict)
    products: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    accounts: dict[str, Json] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    page_size: int = 2

    def __post_init__(self) -> None:
        routes = {
            "/myself": lambda asked: {"accountId": "acc-reader", "active": True},
            "/project/search": lambda asked: self._paged(asked, list(self.projects.values())),
            "/project/(\\d+)/permissionscheme": self._scheme,
            "/project/(\\d+)/issuesecuritylevelscheme": self._level_scheme,
            "/project/\\d+/role/([^/]+)": lambda asked: {"actors": self.roles[asked.match[1]]},
            "/applicationrole/([^/]+)": self._product,
            "/issuesecurityschemes/level/member": self._level,
            "/search/jql": self._search,
            "/issue/(\\d+)": self._issue,
            "/issue/(\\d+)/comment": lambda asked: self._paged(asked, self.comments[asked.match[1]], "comments"),
            "/group/bulk": lambda asked: self._paged(asked, [{"groupId": id, "name": id} for id in self.groups]),
            "/group/member": lambda asked: self._paged(
                asked, [self.accounts[a] for a in self.groups[asked.query["groupId"]]]
            ),
            "/user/bulk": self._users,
        }
        for pattern, answer in routes.items():
            self.api.route("GET", f"{V3}{pattern}")(answer)

    @property
    def config(self) -> Json:
        return {
            "site": self.api.url, "user": "reader@example.org", "token": "of-the-tests", "issuer": "jira",
            "people": {"named": {"acc-1": "user:alice", "acc-2": "user:bob"}},
        }  # fmt: skip

    def connector(self, pace: Pace | None = None, **config: Any) -> JiraConnector:
        """One that does not wait in earnest."""
        return JiraConnector(JiraConfig.model_validate({**self.config, **config}), LOOPBACK, pace or Patience())

    def connector_of(self, **config: Any) -> Connector:
        """One that is made as the platform makes it."""
        return make_connector("jira", {**self.config, **config}, LOOPBACK)

    # -- what is there --

    def project(self, id: str, key: str, *holders: Json, lead: str = "acc-lead", **more: Any) -> None:
        made = {"id": id, "key": key, "name": key, "style": "classic", "simplified": False}
        self.projects[id] = {**made, "lead": {"accountId": lead}, **more}
        self.browse[id] = list(holders)

    def put(
        self, id: str, said: str = "text", *, project: str = "1", security: str | None = None, **fields: Any
    ) -> Json:
        self.comments.setdefault(id, [])
        self.issues[id] = {
            "summary": f"Issue {id}", "updated": "2026-03-01T12:00:00.000+0000", "description": text(said),
            "security": None if security is None else {"id": security, "name": f"level {security}"},
            "reporter": {"accountId": "acc-1"}, "assignee": None, "status": {"name": "To Do"}, "labels": ["pump"],
            "project": {"id": project}, **fields,
        }  # fmt: skip
        return self.issues[id]

    def say(self, issue: str, said: str, **more: Any) -> Json:
        made: Json = {
            "id": str(len(self.comments[issue])), "body": text(said), "author": {"displayName": "Bob"},
            "created": "2026-03-01T12:00:00.000+0000", "updated": "2026-03-01T12:00:00.000+0000", **more,
        }  # fmt: skip
        self.comments[issue].append(made)
        return made

    def person(self, id: str, *groups: str, **more: Any) -> None:
        self.accounts[id] = {"accountId": id, "active": True, "displayName": id, **more}
        for group in groups:
            self.groups.setdefault(group, []).append(id)

    # -- what is answered --

    def _paged(self, asked: Request, found: list[Json], of: str = "values") -> Json:
        start = int(asked.query.get("startAt", 0))
        shown = found[start : start + self.page_size]
        said = {"startAt": start, "maxResults": self.page_size, "total": len(found), of: shown}
        return said if of == "comments" else {**said, "isLast": start + self.page_size >= len(found)}

    def _scheme(self, asked: Request) -> Json:
        grants = [{"id": 1, "holder": held, "permission": "BROWSE_PROJECTS"} for held in self.browse[asked.match[1]]]
        return {"id": 10000, "permissions": [*grants, {"holder": holder("anyone"), "permission": "ADD_COMMENTS"}]}

    def _level_scheme(self, asked: Request) -> Json | Reply:
        return {"id": 1, "levels": []} if asked.match[1] in self.with_levels else as_json({}, 404)

    def _product(self, asked: Request) -> Json:
        return {"groupDetails": [{"groupId": id, "name": id} for id in self.products[asked.match[1]]]}

    def _level(self, asked: Request) -> Json:
        level = asked.query["levelId"]
        held = [{"issueSecurityLevelId": level, "holder": one} for one in self.levels.get(level, ())]
        return self._paged(asked, [{"issueSecurityLevelId": "9", "holder": holder("anyone")}, *held])

    def _said(self, id: str, fields: Json, names: set[str]) -> Json:
        key = f"{self.projects[fields['project']['id']]['key']}-{id}"
        project = self.projects[fields["project"]["id"]]
        said = {
            **fields,
            "project": project,
            "comment": {"comments": self.comments[id], "total": len(self.comments[id])},
        }
        return {"id": id, "key": key, "fields": {name: said[name] for name in names if name in said}}

    def _search(self, asked: Request) -> Json:
        project = asked.query["jql"].removeprefix("project = ").removesuffix(" ORDER BY created ASC")
        found = [(id, fields) for id, fields in self.issues.items() if fields["project"]["id"] == project]
        start = int(asked.query.get("nextPageToken", "t0")[1:])
        end = start + self.page_size
        names = set(asked.query["fields"].split(",")) - self.silent
        issues = [self._said(id, fields, names) for id, fields in found[start:end]]
        return {"issues": issues, **({"isLast": True} if end >= len(found) else {"nextPageToken": f"t{end}"})}

    def _issue(self, asked: Request) -> Json | Reply:
        id = asked.match[1]
        if id not in self.issues:
            return as_json({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, 404)
        return self._said(id, self.issues[id], set(asked.query["fields"].split(",")))

    def _users(self, asked: Request) -> Json:
        wanted = parse_qs(urlsplit(self.api.asked[-1].path).query)["accountId"]
        return self._paged(asked, [self.accounts[id] for id in sorted(wanted) if id in self.accounts])


@contextmanager
def jira() -> Iterator[Jira]:
    """A site with one project, OPS, that the group ``staff`` may browse; nothing is in it."""
    made = Jira()
    with answering(made.api):
        made.project("1", "OPS", holder("group", "staff"))
        made.person("acc-1", "staff")
        made.person("acc-2", "staff")
        yield made
