"""A Confluence Cloud site on loopback: spaces, trees of content, restrictions, groups, in the API's documented answers.

Links to next pages are relative as the real ones are: to the host in version 2, to the wiki in version 1.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.connector import ConfluenceConnector
from connectors.pace import Pace
from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json
from tests.outbound.serving import Reply

V1, V2 = "/wiki/rest/api", "/wiki/api/v2"
AUTHORIZATION = f"Basic {b64encode(b'reader@example.org:of-the-tests').decode()}"
PLACES = {"pages": "page", "blogposts": "blogpost", "folders": "folder", "whiteboards": "whiteboard"}
Json = dict[str, Any]
Subject = tuple[str, str]
"""``("user", account id)`` or ``("group", group id)``."""


@dataclass
class Content:
    id: str
    space: str = "1"
    kind: str = "page"
    parent: tuple[str, str] | None = None
    title: str = ""
    storage: str = "<p>text</p>"
    version: int = 1
    status: str = "current"
    owner: str = "acc-1"
    restricted: list[Subject] = field(default_factory=list)


@dataclass
class Comment:
    id: str
    on: str
    storage: str
    version: int = 1


@dataclass
class Attachment:
    id: str
    on: str
    title: str
    data: bytes
    media_type: str = "text/plain"
    version: int = 1
    status: str = "current"


class Patience(Pace):
    """A pace whose time passes when somebody waits; ``waited`` says how long each time."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        super().__init__(lambda: sum(self.waited), self.waited.append)


@dataclass
class Cloud:
    """``hidden``: content that the account cannot see. ``unsearched``: content that search does not know of yet."""

    api: Api = field(default_factory=lambda: Api(authorization=AUTHORIZATION))
    spaces: dict[str, Json] = field(default_factory=dict)
    granted: dict[str, list[Json]] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    accounts: dict[str, Json] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    unsearched: set[str] = field(default_factory=set)
    page_size: int = 2
    subjects_at_once: int = 100

    def __post_init__(self) -> None:
        self._routes()

    @property
    def config(self) -> Json:
        return {
            "site": f"{self.api.url}/wiki", "user": "reader@example.org", "token": "of-the-tests",
            "issuer": "confluence", "people": {"named": {"acc-1": "user:alice", "acc-2": "user:bob"}},
        }  # fmt: skip

    def connector(self, pace: Pace | None = None, **config: Any) -> ConfluenceConnector:
        """One that does not wait in earnest."""
        validated = ConfluenceConfig.model_validate({**self.config, **config})
        return ConfluenceConnector(validated, LOOPBACK, pace or Patience())

    def connector_of(self, **config: Any) -> Connector:
        """One that is made as the platform makes it."""
        return make_connector("confluence", {**self.config, **config}, LOOPBACK)

    # -- what is there --

    def space(self, id: str, key: str, *subjects: Subject, **more: Any) -> None:
        self.spaces[id] = {"id": id, "key": key, "name": key, "status": "current", "type": "global", **more}
        self.granted[id] = [grant(*subject) for subject in subjects]

    def put(self, id: str, *restricted: Subject, **more: Any) -> Content:
        self.contents[id] = Content(id, **{"title": f"Page {id}", **more}, restricted=list(restricted))
        return self.contents[id]

    def attach(self, id: str, on: str, title: str, data: bytes, **more: Any) -> Attachment:
        self.attachments[id] = Attachment(id, on, title, data, **more)
        return self.attachments[id]

    def person(self, id: str, *groups: str, **more: Any) -> None:
        self.accounts[id] = {"accountId": id, "accountStatus": "active", "email": "", "displayName": id, **more}
        for group in groups:
            self.groups.setdefault(group, []).append(id)

    # -- what is answered --

    def _routes(self) -> None:
        routes = {
            f"{V1}/user/current": lambda asked: {"type": "known", "accountId": "acc-reader"},
            f"{V2}/spaces": self._spaces,
            f"{V2}/spaces/([^/]+)": lambda asked: self.spaces.get(asked.match[1], as_json({}, 404)),
            f"{V2}/spaces/([^/]+)/permissions": lambda asked: self._paged(asked, self.granted[asked.match[1]]),
            f"{V2}/spaces/([^/]+)/(pages|blogposts)": self._listing,
            f"{V2}/(pages|blogposts|folders|whiteboards)/([^/]+)": self._content,
            f"{V2}/pages/([^/]+)/ancestors": self._ancestors,
            f"{V2}/attachments": self._attachments,
            f"{V2}/attachments/([^/]+)": self._attachment,
            f"{V1}/content/search": self._search,
            f"{V1}/content/([^/]+)/restriction/byOperation/read": self._restriction,
            f"{V1}/content/([^/]+)/child/attachment/([^/]+)/download": self._download,
            f"{V1}/group": self._groups,
            f"{V1}/group/([^/]+)/membersByGroupId": self._members,
        }
        for pattern, answer in routes.items():
            self.api.route("GET", pattern)(answer)
        self.api.route("POST", f"{V2}/users-bulk")(
            lambda asked: {"results": [self.accounts[i] for i in asked.json["accountIds"] if i in self.accounts]}
        )

    def _paged(self, asked: Request, found: list[Json]) -> Json:
        """Version 2: a cursor, and a link from the root of the host."""
        start = int(asked.query.get("cursor", "c0")[1:])
        end = start + self.page_size
        links: Json = {"base": f"{self.api.url}/wiki"}
        if end < len(found):
            query = urlencode({"limit": asked.query.get("limit", "25"), "cursor": f"c{end}"})
            links["next"] = f"{asked.match.string}?{query}"
        return {"results": found[start:end], "_links": links}

    def _paged_v1(self, asked: Request, found: list[Json], size: int | None = None) -> Json:
        """Version 1: an offset, and a link from the root of the wiki that forgets what was to be expanded."""
        start, size = int(asked.query.get("start", 0)), size or self.page_size
        links: Json = {"base": f"{self.api.url}/wiki", "context": "/wiki"}
        if start + size < len(found):
            links["next"] = f"{asked.match.string.removeprefix('/wiki')}?start={start + size}&limit={size}"
        return {"results": found[start : start + size], "start": start, "limit": size, "_links": links}

    def _spaces(self, asked: Request) -> Json:
        wanted = asked.query.get("keys")
        return self._paged(asked, [s for s in self.spaces.values() if wanted in (None, s["key"])])

    def _seen(self, id: str) -> Content | None:
        """Content that is there and may be seen: so may then all that it lies under."""
        at: str | None = id
        above: set[str] = set()
        while at is not None and at not in above:
            if at in self.hidden or at not in self.contents:
                return None
            above.add(at)
            parent = self.contents[at].parent
            at = parent[1] if parent else None
        return self.contents[id]

    def _listing(self, asked: Request) -> Json | Reply:
        space, kind = asked.match[1], PLACES[asked.match[2]]
        status = asked.query.get("status", "")
        if (kind, status) not in (("page", "current"), ("page", "archived"), ("blogpost", "current")):
            return as_json({"errors": [{"status": 400, "title": "Invalid status"}]}, 400)
        found = [c for c in self.contents.values() if (c.space, c.kind, c.status) == (space, kind, status)]
        return self._paged(asked, [self._said(c) for c in found if c.id not in self.hidden])

    def _said(self, content: Content, *, body: bool = False) -> Json:
        said: Json = {
            "id": content.id, "status": content.status, "title": content.title, "spaceId": content.space,
            "authorId": content.owner, "ownerId": content.owner,
            "createdAt": "2026-03-01T10:00:00.000Z",
            "version": {"number": content.version, "createdAt": f"2026-03-{content.version:02}T12:00:00.000Z"},
            "body": {"storage": {"representation": "storage", "value": content.storage}} if body else {},
            "_links": {"webui": f"/spaces/{self.spaces[content.space]['key']}/pages/{content.id}/A+page"},
        }  # fmt: skip
        if content.kind != "blogpost":
            said |= dict(zip(("parentType", "parentId"), content.parent or (None, None), strict=True))
        return said

    def _content(self, asked: Request) -> Json | Reply:
        content = self._seen(asked.match[2])
        if content is None or content.kind != PLACES[asked.match[1]]:
            return as_json({"errors": [{"status": 404, "code": "NOT_FOUND", "title": "Not Found"}]}, 404)
        return self._said(content, body="body-format" in asked.query)

    def _ancestors(self, asked: Request) -> Json:
        found: list[Json] = []
        content = self.contents[asked.match[1]]
        while content.parent is not None and content.parent[1] in self.contents:
            found.insert(0, {"id": content.parent[1], "type": content.parent[0]})
            content = self.contents[content.parent[1]]
        return {"results": found[:1]}

    def _attachments(self, asked: Request) -> Json:
        status = asked.query["status"]
        return self._paged(asked, [self._file(a) for a in self.attachments.values() if a.status == status])

    def _attachment(self, asked: Request) -> Json | Reply:
        found = self.attachments.get(asked.match[1])
        return as_json({}, 404) if found is None else self._file(found)

    def _file(self, one: Attachment) -> Json:
        field = "blogPostId" if self.contents[one.on].kind == "blogpost" else "pageId"
        return {
            "id": one.id, "status": one.status, "title": one.title, field: one.on, "mediaType": one.media_type,
            "fileSize": len(one.data), "webuiLink": f"/pages/viewpageattachments.action?pageId={one.on}",
            "version": {"number": one.version, "createdAt": "2026-03-02T12:00:00.000Z"},
        }  # fmt: skip

    def _download(self, asked: Request) -> Reply:
        one = self.attachments.get(asked.match[2])
        if one is None or one.on != asked.match[1] or self._seen(one.on) is None:
            return as_json({}, 404)
        return Reply(200, one.data, {"Content-Type": one.media_type})

    def _search(self, asked: Request) -> Json:
        cql, expand = asked.query["cql"], set(asked.query.get("expand", "").split(","))
        if ids := re.fullmatch(r"id in \(([0-9,]+)\)", cql):
            found = [self._seen(i) for i in ids[1].split(",") if i not in self.unsearched]
            seen = [{"id": c.id, "restrictions": self._expanded(c, expand)} for c in found if c is not None]
            return self._paged_v1(asked, seen)
        query = re.fullmatch(r'type = comment and (?:space = "([^"]+)"|container = (\w+)) order by created asc', cql)
        assert query is not None, cql
        on = [c for c in self.comments if query[2] in (None, c.on)]
        on = [c for c in on if query[1] in (None, self.spaces[self.contents[c.on].space]["key"])]
        return self._paged_v1(asked, [self._comment(c, expand) for c in on])

    def _comment(self, one: Comment, expand: set[str]) -> Json:
        said: Json = {"id": one.id, "type": "comment", "version": {"number": one.version}}
        said |= {"container": {"id": one.on, "type": "page"}} if "container" in expand else {}
        said |= {"body": {"storage": {"value": one.storage}}} if "body.storage" in expand else {}
        made = {"createdBy": {"displayName": "Bob"}, "createdDate": "2026-03-01T12:00:00.000Z"}
        return said | ({"history": made} if "history" in expand else {})

    def _subjects(self, content: Content, kind: str, start: int) -> Json:
        name = {"user": "accountId", "group": "id"}[kind]
        found = [{"type": "known", name: id} for of, id in content.restricted if of == kind]
        shown = found[start : start + self.subjects_at_once]
        return {"results": shown, "start": start, "limit": self.subjects_at_once, "size": len(shown)}

    def _expanded(self, content: Content, expand: set[str]) -> Json:
        prefix = "restrictions.read.restrictions."
        kinds = [kind for kind in ("user", "group") if prefix + kind in expand]
        return {"read": {"operation": "read", "restrictions": {k: self._subjects(content, k, 0) for k in kinds}}}

    def _restriction(self, asked: Request) -> Json | Reply:
        content = self._seen(asked.match[1])
        if content is None:
            return as_json({"statusCode": 404}, 404)
        start = int(asked.query["start"])
        said = {kind: self._subjects(content, kind, start) for kind in ("user", "group")}
        return {"operation": "read", "restrictions": said}

    def _groups(self, asked: Request) -> Json:
        return self._paged_v1(asked, [{"type": "group", "name": f"name of {id}", "id": id} for id in self.groups])

    def _members(self, asked: Request) -> Json:
        return self._paged_v1(
            asked, [{"type": "known", "accountId": id} for id in self.groups[unquote(asked.match[1])]]
        )


def grant(kind: str, id: str, key: str = "read", target: str = "space") -> Json:
    """A permission of a space."""
    return {"id": "7", "principal": {"type": kind, "id": id}, "operation": {"key": key, "targetType": target}}


@contextmanager
def cloud() -> Iterator[Cloud]:
    """A site with one space, HR, that the group ``staff`` may read; nothing is in it."""
    made = Cloud()
    with answering(made.api):
        made.space("1", "HR", ("group", "staff"))
        made.person("acc-1", "staff")
        made.person("acc-2", "staff")
        yield made
